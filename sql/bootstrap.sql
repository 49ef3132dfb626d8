-- What the extension itself stores. Tables of a ledger are made by attach_ledger().

CREATE TABLE inventory_perf.ledger (
    ledger regclass PRIMARY KEY,
    state text NOT NULL CHECK (
        state OPERATOR(pg_catalog.=) ANY ('{awaiting backfill, restoring, ready, stale}')),
    prefix text NOT NULL,
    mapping jsonb NOT NULL,
    pending regclass NOT NULL,
    days regclass NOT NULL,
    openings regclass NOT NULL,
    months regclass NOT NULL,
    mapped_moves regclass NOT NULL,
    -- The ledger and its partitions: the tables whose changes are captured. In one row with the
    -- rest, so that a dump restores all of it at once.
    members regclass[] NOT NULL,
    -- Another number whenever the storage was filled or became stale: what a reader's snapshot
    -- must agree on with the present.
    generation bigint NOT NULL DEFAULT 0,
    -- Where attaching creates what answers, and the views and functions that it has created.
    schema regnamespace NOT NULL,
    views regclass[] NOT NULL DEFAULT '{}',
    functions regprocedure[] NOT NULL DEFAULT '{}',
    -- What the mapping view's columns and its condition were when the ledger was attached: as text,
    -- which means the same in a restored database, and a digest of them as they are stored here,
    -- which a renamed column does not change.
    expressions text[] NOT NULL,
    fingerprint text NOT NULL
);
-- Rows arrive with a state of their own only when a dump is restored. If the ledger has its triggers
-- by then but no rows yet, its rows are going to be captured, though the storage is restored too.
CREATE FUNCTION inventory_perf.before_ledger_insert() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    has_rows boolean;
BEGIN
    IF NEW.state <> 'ready' THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger t
        WHERE t.tgrelid = NEW.ledger
          AND t.tgfoid = 'inventory_perf.capture_moves()'::regprocedure
    ) THEN
        -- Its triggers are to come; it answers once they are all there.
        NEW.state := 'restoring';
        RETURN NEW;
    END IF;
    EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s)', NEW.ledger) INTO has_rows;
    IF NOT has_rows THEN
        NEW.state := 'stale';
        RAISE WARNING 'ledger % is restored into a schema that captures already', NEW.ledger
            USING HINT = 'Run inventory_perf.rebuild_ledger() when the restore has ended.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION inventory_perf.before_ledger_insert() IS
'marks a ledger that a dump restores: it answers when its triggers have come, and is stale if they were there already, with data to come';
REVOKE ALL ON FUNCTION inventory_perf.before_ledger_insert() FROM PUBLIC;
CREATE TRIGGER before_insert BEFORE INSERT ON inventory_perf.ledger
    FOR EACH ROW EXECUTE FUNCTION inventory_perf.before_ledger_insert();

COMMENT ON TABLE inventory_perf.ledger IS 'attached ledgers; read inventory_perf.ledgers instead';

CREATE TABLE inventory_perf.ledger_activity (
    ledger regclass PRIMARY KEY,
    last_started timestamptz,
    last_fold timestamptz,
    deltas_folded bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE inventory_perf.ledger_activity IS 'when each ledger was folded; its row is the lock that keeps folds of one ledger apart';

CREATE TABLE inventory_perf.ledger_error (
    ledger regclass PRIMARY KEY,
    message text NOT NULL,
    failed_at timestamptz NOT NULL
);
COMMENT ON TABLE inventory_perf.ledger_error IS
'the last error of each ledger that did not stop what was done for the others; read inventory_perf.ledgers instead';

SELECT pg_catalog.pg_extension_config_dump('inventory_perf.ledger', '');
SELECT pg_catalog.pg_extension_config_dump('inventory_perf.ledger_activity', '');

GRANT USAGE ON SCHEMA inventory_perf TO PUBLIC;
