-- Attaching, detaching and capturing.

CREATE FUNCTION inventory_perf.expect_moved_rows() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'inventory_perf_expect_moved_rows';
COMMENT ON FUNCTION inventory_perf.expect_moved_rows() IS 'trigger, BEFORE UPDATE, of partitioned tables that are attached or watched: loads what fires the other triggers for rows that MERGE moves to another partition';

CREATE FUNCTION inventory_perf.capture_moves() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'inventory_perf_capture';
COMMENT ON FUNCTION inventory_perf.capture_moves() IS 'trigger that appends the changes of a statement to the pending changes of its ledger; attach_ledger() creates the triggers';

CREATE FUNCTION inventory_perf.attach_ledger(
    ledger regclass,
    preset text DEFAULT NULL,
    tenant text DEFAULT NULL,
    product text DEFAULT NULL,
    location text DEFAULT NULL,
    from_location text DEFAULT NULL,
    to_location text DEFAULT NULL,
    by_location boolean DEFAULT true,
    dimensions text[] DEFAULT '{}',
    quantity text DEFAULT NULL,
    value text DEFAULT NULL,
    moved_at text DEFAULT NULL,
    time_zone text DEFAULT 'UTC',
    filter text DEFAULT NULL,
    target_schema text DEFAULT NULL,
    prefix text DEFAULT '',
    backfill boolean DEFAULT true
) RETURNS TABLE (object text, kind text, purpose text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'attach_ledger_wrapper';
COMMENT ON FUNCTION inventory_perf.attach_ledger(regclass, text, text, text, text, text, text, boolean, text[], text, text, text, text, text, text, text, boolean) IS
'attaches a table of stock movements: maps its columns, captures its changes by triggers, and creates daily_stock_snapshots, stock_levels, stock_on(), stock_history() and stock_period() beside it. Returns what was created. Needs ownership of the table. Errors: 42809 not a permanent table, 42501 not the owner, 42710 attached already or a name is taken, 42702 ambiguous columns, 42703 no such column, 0A000 an expression that is not immutable';

CREATE FUNCTION inventory_perf.detach_ledger(ledger regclass, drop_data boolean DEFAULT false)
RETURNS TABLE (object text, kind text, action text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'detach_ledger_wrapper';
COMMENT ON FUNCTION inventory_perf.detach_ledger(regclass, boolean) IS
'removes the triggers and the relations that answer, and with drop_data the tables behind them. The ledger itself stays as it is. Needs ownership of the ledger';
