-- Deletes the stamps that would be swept away next, if all together are larger than $1 bytes, until they
-- are half of it. A stamp takes $2 bytes beside its name.
WITH size AS (
    SELECT pg_catalog.sum(pg_catalog.octet_length(v.name) + $2) AS total
    FROM inventory_perf.cache_stamps v
), oldest AS (
    SELECT a.name, pg_catalog.octet_length(a.name) + $2 AS size,
           pg_catalog.sum(pg_catalog.octet_length(a.name) + $2)
               OVER (ORDER BY a.expires_at, a.name) AS freed
    FROM inventory_perf.cache_stamps a, size s
    WHERE s.total > $1 * 0.875
)
DELETE FROM inventory_perf.cache_stamps d
USING size s, oldest o
WHERE d.name = o.name AND o.freed - o.size < s.total - $1 * 0.5
