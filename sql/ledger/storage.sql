-- The tables that hold a ledger's snapshots. The key columns are k1, k2, … here, so that no name
-- of the user's can clash; the public relations give them their own names back.

-- Changes not folded yet: one row per statement, key and day. Append only.
CREATE TABLE {pending} (
    {key_definitions},
    day date NOT NULL,
    in_quantity numeric NOT NULL,
    out_quantity numeric NOT NULL,
    move_count bigint NOT NULL,
    {value:value_change numeric NOT NULL,}
    captured_at timestamptz NOT NULL
) USING heap WITH (
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 1.0,
    autovacuum_analyze_scale_factor = 0.0, autovacuum_analyze_threshold = 100000
);
CREATE INDEX ON {pending} ({keys}, day);
-- A publication of all tables must not stop the fold from deleting.
ALTER TABLE {pending} REPLICA IDENTITY FULL;
COMMENT ON TABLE {pending} IS 'internal to inventory_perf: changes of the ledger that are not folded yet';

-- One row per key and day with movements. month_quantity runs from the first of the month.
CREATE TABLE {days} (
    {key_definitions},
    month date NOT NULL,
    day date NOT NULL,
    in_quantity numeric NOT NULL,
    out_quantity numeric NOT NULL,
    month_quantity numeric NOT NULL,
    {value:value_change numeric NOT NULL, month_value numeric NOT NULL,}
    move_count bigint NOT NULL
) USING heap WITH (fillfactor = 90);
COMMENT ON TABLE {days} IS 'internal to inventory_perf: movements per key and day, with the running quantity of the month';

-- One row per key and month that the ledger has movements in: the balance when the month began,
-- and of it what came, so that a range of months is the difference of two rows.
CREATE TABLE {openings} (
    {key_definitions},
    month date NOT NULL,
    quantity numeric NOT NULL,
    in_quantity numeric NOT NULL,
    {value:value numeric NOT NULL,}
    move_count bigint NOT NULL
) USING heap WITH (fillfactor = 90);
COMMENT ON TABLE {openings} IS 'internal to inventory_perf: the balance of every key when a month began';

-- The months that the ledger has movements in.
CREATE TABLE {months} (month date PRIMARY KEY) USING heap;
COMMENT ON TABLE {months} IS 'internal to inventory_perf: the months that have movements';
