-- What the extension itself stores. Tables of a ledger are made by attach_ledger().

CREATE TABLE inventory_perf.ledger (
    ledger regclass PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('awaiting backfill', 'ready', 'stale')),
    prefix text NOT NULL,
    mapping jsonb NOT NULL,
    pending regclass NOT NULL,
    days regclass NOT NULL,
    openings regclass NOT NULL,
    months regclass NOT NULL,
    mapped_moves regclass NOT NULL
);
COMMENT ON TABLE inventory_perf.ledger IS 'attached ledgers; read inventory_perf.ledgers instead';

CREATE TABLE inventory_perf.ledger_member (
    member regclass PRIMARY KEY,
    ledger regclass NOT NULL
);
COMMENT ON TABLE inventory_perf.ledger_member IS 'tables whose changes are captured: each ledger with its partitions';

CREATE TABLE inventory_perf.ledger_activity (
    ledger regclass PRIMARY KEY,
    last_started timestamptz,
    last_fold timestamptz,
    deltas_folded bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE inventory_perf.ledger_activity IS 'when each ledger was folded; its row is the lock that keeps folds of one ledger apart';

SELECT pg_catalog.pg_extension_config_dump('inventory_perf.ledger', '');
SELECT pg_catalog.pg_extension_config_dump('inventory_perf.ledger_member', '');
SELECT pg_catalog.pg_extension_config_dump('inventory_perf.ledger_activity', '');

GRANT USAGE ON SCHEMA inventory_perf TO PUBLIC;
