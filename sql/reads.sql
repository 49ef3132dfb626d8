-- Checks that every read makes, and the reads that take a ledger as an argument.

CREATE FUNCTION inventory_perf.check_ledger_support(internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'inventory_perf_check_ledger_support';
COMMENT ON FUNCTION inventory_perf.check_ledger_support(internal) IS
'planner support of check_ledger(): error 42501 before statistics of the storage are looked at for a role that may not read the ledger';
REVOKE ALL ON FUNCTION inventory_perf.check_ledger_support(internal) FROM PUBLIC;

CREATE FUNCTION inventory_perf.check_ledger(ledger regclass) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE SUPPORT inventory_perf.check_ledger_support AS 'MODULE_PATHNAME', 'check_ledger_wrapper';
COMMENT ON FUNCTION inventory_perf.check_ledger(regclass) IS
'true if the current role may read the ledger''s snapshots with this snapshot; else error 42501 (no right, or row-level security applies), 55000 (not attached, not filled or stale) or 40001 (filled after the snapshot was taken: retry)';

CREATE FUNCTION inventory_perf.base_month(ledger regclass, day date) RETURNS date
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'base_month_wrapper';
COMMENT ON FUNCTION inventory_perf.base_month(regclass, date) IS
'first day of the last month with stored openings that begins on or before the day; -infinity if there is none';

CREATE FUNCTION inventory_perf.opening_month(ledger regclass, as_of date) RETURNS date
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'opening_month_wrapper';
COMMENT ON FUNCTION inventory_perf.opening_month(regclass, date) IS
'first day of the month whose stored openings are nearest to the end of the day as_of, before or after it; null if nothing is stored up to that day';

CREATE FUNCTION inventory_perf.added_month(ledger regclass, as_of date) RETURNS date
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'added_month_wrapper';
COMMENT ON FUNCTION inventory_perf.added_month(regclass, date) IS
'first day of the month whose days up to as_of are added to the openings of opening_month(); null if none are';

CREATE FUNCTION inventory_perf.removed_month(ledger regclass, as_of date) RETURNS date
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'removed_month_wrapper';
COMMENT ON FUNCTION inventory_perf.removed_month(regclass, date) IS
'first day of the month whose days after as_of are taken from the openings of opening_month(); null if none are';

CREATE FUNCTION inventory_perf.check_day(as_of date) RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'check_day_wrapper';
COMMENT ON FUNCTION inventory_perf.check_day(date) IS 'true, or error 22004 for a null day';

CREATE FUNCTION inventory_perf.check_period(from_date date, to_date date) RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'check_period_wrapper';
COMMENT ON FUNCTION inventory_perf.check_period(date, date) IS
'true, or error 22004 for a null day, 22023 if from_date is after to_date';

CREATE FUNCTION inventory_perf.history_length(from_date date, to_date date) RETURNS integer
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'history_length_wrapper';
COMMENT ON FUNCTION inventory_perf.history_length(date, date) IS
'number of days from from_date to to_date, both included; error 22004 for a null day, 22023 if from_date is after to_date or a day is infinite';

CREATE FUNCTION inventory_perf.days_between(first integer, last integer) RETURNS SETOF integer
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE ROWS 10 AS 'generate_series_int4';
COMMENT ON FUNCTION inventory_perf.days_between(integer, integer) IS
'generate_series() for the few days between two movements of a key: PostgreSQL expects a thousand of that one';

CREATE FUNCTION inventory_perf.open_months(ledger regclass, from_date date, to_date date)
RETURNS SETOF date
LANGUAGE c STABLE PARALLEL SAFE ROWS 12 AS 'MODULE_PATHNAME', 'open_months_wrapper';
COMMENT ON FUNCTION inventory_perf.open_months(regclass, date, date) IS
'first days of the months with stored movements from base_month(ledger, from_date) to to_date';

CREATE FUNCTION inventory_perf.period_months(ledger regclass, from_date date, to_date date)
RETURNS date[]
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'period_months_wrapper';
COMMENT ON FUNCTION inventory_perf.period_months(regclass, date, date) IS
'first days of the months that a range of days is summed from: of the openings before it and of those at its end, of days added and taken away before it, of days added and taken away at its end; then those whose days are all read';

CREATE AGGREGATE inventory_perf.total(bigint) (
    SFUNC = pg_catalog.int8pl, STYPE = bigint, INITCOND = '0',
    COMBINEFUNC = pg_catalog.int8pl, PARALLEL = SAFE
);
COMMENT ON AGGREGATE inventory_perf.total(bigint) IS
'sum of bigint as bigint, 0 of no rows: needs eight bytes for each group, where sum() needs a numeric state. Error 22003 beyond bigint';

CREATE FUNCTION inventory_perf.stock_on(ledger regclass, as_of date, key jsonb DEFAULT '{}')
RETURNS TABLE (key jsonb, quantity numeric, value numeric)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'inventory_perf_stock_on';
COMMENT ON FUNCTION inventory_perf.stock_on(regclass, date, jsonb) IS
'stock of every key at the end of the day as_of, for clients that do not know the ledger''s columns; key names key columns with their values and may leave some out. value is null for a ledger without one. Errors: 22004 null day, 22023 a key that names no key column';

CREATE FUNCTION inventory_perf.stock_history(ledger regclass, from_date date, to_date date, key jsonb DEFAULT '{}')
RETURNS TABLE (key jsonb, snapshot_date date, opening_quantity numeric, in_quantity numeric,
               out_quantity numeric, total_movements numeric, closing_quantity numeric,
               move_count bigint, opening_value numeric, value_change numeric,
               closing_value numeric)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'inventory_perf_stock_history';
COMMENT ON FUNCTION inventory_perf.stock_history(regclass, date, date, jsonb) IS
'one row per key and every day of the range, for clients that do not know the ledger''s columns; key as in stock_on(). Errors: 22004 null day, 22023 from_date after to_date, an infinite day, or a key that names no key column';

CREATE FUNCTION inventory_perf.stock_period(ledger regclass, from_date date, to_date date, key jsonb DEFAULT '{}')
RETURNS TABLE (key jsonb, opening_quantity numeric, in_quantity numeric, out_quantity numeric,
               total_movements numeric, closing_quantity numeric, move_count bigint,
               opening_value numeric, value_change numeric, closing_value numeric)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'inventory_perf_stock_period';
COMMENT ON FUNCTION inventory_perf.stock_period(regclass, date, date, jsonb) IS
'opening, in, out, net and closing of every key over a range of days, for clients that do not know the ledger''s columns; key as in stock_on(). Errors: 22004 null day, 22023 from_date after to_date, or a key that names no key column';

CREATE FUNCTION inventory_perf.ledger_status()
RETURNS TABLE (ledger regclass, state text, target_schema text, prefix text, mapping jsonb,
               pending_rows bigint, oldest_pending timestamptz, last_fold timestamptz,
               storage_bytes bigint, last_error text, last_error_at timestamptz)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ledger_status_wrapper';
COMMENT ON FUNCTION inventory_perf.ledger_status() IS
'what the view inventory_perf.ledgers shows: the ledgers that the current role may read';

CREATE VIEW inventory_perf.ledgers AS
SELECT s.ledger, s.state, s.target_schema, s.prefix, s.mapping, s.pending_rows, s.oldest_pending,
       s.last_fold, s.storage_bytes, s.last_error, s.last_error_at
FROM inventory_perf.ledger_status() s;
COMMENT ON VIEW inventory_perf.ledgers IS
'attached ledgers that the current role may read: mapping, state (ready, awaiting backfill, stale), changes not folded yet and since when, last fold, bytes of storage, the last error that did not stop what was done for other ledgers. Figures are null while the storage is locked or damaged';
GRANT SELECT ON inventory_perf.ledgers TO PUBLIC;
