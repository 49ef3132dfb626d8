-- Keeping up and auditing. Each checks that the caller has the rights of the ledger's owner.

CREATE FUNCTION inventory_perf.populate_daily_stock_snapshots(
    ledger regclass DEFAULT NULL, until date DEFAULT NULL
) RETURNS TABLE (ledger regclass, deltas_folded bigint, snapshots_written bigint, duration interval)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'populate_ledger_wrapper';
COMMENT ON FUNCTION inventory_perf.populate_daily_stock_snapshots(regclass, date) IS
'folds pending changes up to the day until (null: all) into the snapshots of one ledger, or of every ledger that the caller owns. When it runs decides how fast reads are, never what they answer. Errors: 55000 not attached, 42501 not the owner, 40001 another fold ran since this transaction''s snapshot';

CREATE FUNCTION inventory_perf.populate_tenant(tenant text, start_date date, end_date date)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'populate_tenant_wrapper';
COMMENT ON FUNCTION inventory_perf.populate_tenant(text, date, date) IS
'what populate_daily_stock_snapshots(tenant, start_date, end_date) does for each type of tenant';

CREATE FUNCTION inventory_perf.populate_daily_stock_snapshots(
    tenant text, start_date date, end_date date DEFAULT CURRENT_DATE
) RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC SELECT inventory_perf.populate_tenant($1, $2, $3); END;
COMMENT ON FUNCTION inventory_perf.populate_daily_stock_snapshots(text, date, date) IS
'makes one tenant''s days from start_date to end_date right from the ledger itself, folds, and returns the number of snapshots in the range. Errors: 55000 no ledger or no tenant column, 42P38 several ledgers, 22004 a null argument, 22023 start_date after end_date';

CREATE FUNCTION inventory_perf.populate_daily_stock_snapshots(
    tenant uuid, start_date date, end_date date DEFAULT CURRENT_DATE
) RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC SELECT inventory_perf.populate_tenant($1::pg_catalog.text, $2, $3); END;
COMMENT ON FUNCTION inventory_perf.populate_daily_stock_snapshots(uuid, date, date) IS
'as for a tenant of type text';

CREATE FUNCTION inventory_perf.populate_daily_stock_snapshots(
    tenant bigint, start_date date, end_date date DEFAULT CURRENT_DATE
) RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC SELECT inventory_perf.populate_tenant($1::pg_catalog.text, $2, $3); END;
COMMENT ON FUNCTION inventory_perf.populate_daily_stock_snapshots(bigint, date, date) IS
'as for a tenant of type text';

CREATE FUNCTION inventory_perf.populate_daily_stock_snapshots(
    tenant integer, start_date date, end_date date DEFAULT CURRENT_DATE
) RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC SELECT inventory_perf.populate_tenant($1::pg_catalog.text, $2, $3); END;
COMMENT ON FUNCTION inventory_perf.populate_daily_stock_snapshots(integer, date, date) IS
'as for a tenant of type text';

CREATE FUNCTION inventory_perf.backfill_ledger(ledger regclass) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backfill_ledger_wrapper';
COMMENT ON FUNCTION inventory_perf.backfill_ledger(regclass) IS
'completes attach_ledger(…, backfill => false) in a later transaction, while readers and writers go on; returns the ledger rows read. Errors: 55000 filled already, or still in the transaction that attached it, 42501 not the owner';

CREATE FUNCTION inventory_perf.rebuild_ledger(ledger regclass) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'rebuild_ledger_wrapper';
COMMENT ON FUNCTION inventory_perf.rebuild_ledger(regclass) IS
'empties the storage and fills it anew from the ledger, and makes a stale ledger ready; readers wait, writers go on. Returns the ledger rows read. Errors: 55000 never filled, 42501 not the owner';

CREATE FUNCTION inventory_perf.verify_ledger(
    ledger regclass, from_date date DEFAULT NULL, to_date date DEFAULT NULL
) RETURNS TABLE (key jsonb, snapshot_date date, measure text, ledger_value numeric, snapshot_value numeric)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'inventory_perf_verify';
COMMENT ON FUNCTION inventory_perf.verify_ledger(regclass, date, date) IS
'compares every answer with sums over the ledger in one snapshot; returns the rows that differ, none when exact. A notice says how many ledger rows do not count, as a key column, the day or the quantity is null';

CREATE FUNCTION inventory_perf.assert_exact() RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    checked bigint := 0;
    attached record;
    different bigint;
    reason text;
    wrong text[] := '{}';
    unverified text[] := '{}';
BEGIN
    FOR attached IN SELECT l.ledger FROM inventory_perf.ledgers l WHERE l.state = 'ready' LOOP
        BEGIN
            SELECT count(*) INTO different FROM inventory_perf.verify_ledger(attached.ledger);
            IF different > 0 THEN
                wrong := wrong || pg_catalog.format('%s (%s values)', attached.ledger, different);
            END IF;
            checked := checked + 1;
        EXCEPTION WHEN OTHERS THEN
            -- One that cannot be read does not keep the others from it.
            GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT;
            unverified := unverified || pg_catalog.format('%s: %s', attached.ledger, reason);
        END;
    END LOOP;
    IF wrong <> '{}' THEN
        RAISE EXCEPTION 'ledgers differ from their snapshots'
            USING ERRCODE = 'data_corrupted', DETAIL = pg_catalog.array_to_string(wrong, ', '),
                  HINT = 'See them with inventory_perf.verify_ledger(), mend them with inventory_perf.repair_ledger().';
    ELSIF unverified <> '{}' THEN
        RAISE EXCEPTION 'ledgers cannot be verified'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = pg_catalog.array_to_string(unverified, E'\n'),
                  HINT = 'Call inventory_perf.verify_ledger() for each of them.';
    END IF;
    RETURN checked;
END
$$;
COMMENT ON FUNCTION inventory_perf.assert_exact() IS
'verifies every ready ledger; returns how many, or error XX001 that names those that differ, 55000 that names those that cannot be verified. What a scheduled verification runs';

CREATE FUNCTION inventory_perf.repair_ledger(ledger regclass) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'repair_ledger_wrapper';
COMMENT ON FUNCTION inventory_perf.repair_ledger(regclass) IS
'makes what is stored right from the ledger while readers and writers go on, and makes a stale ledger ready; returns the number of rows corrected. Errors: 55000 never filled, 42501 not the owner';

CREATE FUNCTION inventory_perf.schedule_jobs(
    fold_schedule text DEFAULT '* * * * *', verify_schedule text DEFAULT NULL
) RETURNS TABLE (job_name text, schedule text, command text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'schedule_jobs_wrapper';
COMMENT ON FUNCTION inventory_perf.schedule_jobs(text, text) IS
'makes pg_cron fold, and with a verify_schedule also verify, the ledgers of the current role in this database; returns the entries. Error 55000 without pg_cron';

CREATE FUNCTION inventory_perf.unschedule_jobs() RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'unschedule_jobs_wrapper';
COMMENT ON FUNCTION inventory_perf.unschedule_jobs() IS
'removes the entries of schedule_jobs() and returns how many there were. Error 55000 without pg_cron';
