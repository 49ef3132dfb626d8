-- Whether more than $1 rows wait, or more than a thousand times as many bytes of names.
SELECT pg_catalog.count(*) > $1 OR pg_catalog.sum(o.bytes) > $1 * 1000
FROM (
    SELECT coalesce(pg_catalog.pg_column_size(b.keys), 0)
           + coalesce(pg_catalog.pg_column_size(b.tags), 0)
           + coalesce(pg_catalog.pg_column_size(b.patterns), 0)
           + coalesce(pg_catalog.pg_column_size(b.tag_patterns), 0)
           + coalesce(pg_catalog.pg_column_size(b.channels), 0) AS bytes
    FROM inventory_perf.cache_outbox b
    LIMIT $1 + 1
) o
