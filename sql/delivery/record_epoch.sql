-- One row, whatever was there before.
WITH gone AS (DELETE FROM inventory_perf.cache_state)
INSERT INTO inventory_perf.cache_state
    (epoch, run_id, replication_id, batches, confirmed_at, started_at)
VALUES ($1, $2, $3, $4, pg_catalog.clock_timestamp(), pg_catalog.pg_postmaster_start_time())
