-- Stores an entry, unless somebody else is deleting the one that is there.
WITH there AS (
    SELECT FROM inventory_perf.cache_entries e WHERE e.name = $1
), mine AS (
    SELECT l.name FROM inventory_perf.cache_entries l WHERE l.name = $1 FOR UPDATE SKIP LOCKED
), changed AS (
    UPDATE inventory_perf.cache_entries e
    SET value = $2, written_at = pg_catalog.clock_timestamp(),
        expires_at = pg_catalog.clock_timestamp() + $3 * '1 second'::pg_catalog.interval
    FROM mine
    WHERE e.name = mine.name
    RETURNING true
), added AS (
    INSERT INTO inventory_perf.cache_entries (name, value, expires_at, written_at)
    SELECT $1, $2, pg_catalog.clock_timestamp() + $3 * '1 second'::pg_catalog.interval,
           pg_catalog.clock_timestamp()
    WHERE NOT EXISTS (SELECT FROM there)
    ON CONFLICT (name) DO NOTHING
    RETURNING true
)
SELECT true FROM changed
UNION ALL
SELECT true FROM added
