-- Deletes the entries that were written longest ago, if all together are larger than $1 bytes, until
-- they are seven eighths of it. Entries that another session is deleting are left to it.
WITH size AS (
    SELECT pg_catalog.sum(pg_catalog.octet_length(v.value) + 200) AS total
    FROM inventory_perf.cache_entries v
), oldest AS (
    SELECT a.name, a.size,
           pg_catalog.sum(a.size) OVER (ORDER BY a.written_at, a.name) AS freed
    FROM (
        SELECT b.name, b.written_at, pg_catalog.octet_length(b.value) + 200 AS size
        FROM inventory_perf.cache_entries b, size s
        WHERE s.total > $1
        ORDER BY b.written_at
        LIMIT 10000
    ) a
)
DELETE FROM inventory_perf.cache_entries e
WHERE e.name = ANY (ARRAY(
    SELECT l.name
    FROM size s, oldest o
    JOIN inventory_perf.cache_entries l ON l.name OPERATOR(pg_catalog.=) o.name
    -- Until it is enough, and so at least one.
    WHERE o.freed - o.size < s.total - $1 * 0.875
    FOR UPDATE OF l SKIP LOCKED))
