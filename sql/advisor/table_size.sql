-- Rows and pages as the planner estimates them: the density of the last ANALYZE times the present
-- size. Of a partitioned table: all of its partitions, with how many of them there are.
SELECT n.nspname::text, c.relname::text, c.relkind::text, l.pages::float8, l.tuples::float8, l.parts
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT pg_catalog.sum(p.pages) AS pages, pg_catalog.count(*) AS parts,
           pg_catalog.sum(CASE WHEN f.reltuples > 0 AND f.relpages > 0
                               THEN f.reltuples / f.relpages * p.pages
                               WHEN f.reltuples >= 0 AND f.relpages > 0 THEN 0
                               ELSE p.pages * 50 END) AS tuples
    FROM (SELECT $1::oid AS relid WHERE c.relkind <> 'p'
          UNION ALL
          SELECT t.relid::oid FROM pg_catalog.pg_partition_tree($1::oid::regclass) t
          WHERE c.relkind = 'p' AND t.isleaf) leaf
    JOIN pg_catalog.pg_class f ON f.oid = leaf.relid AND f.relkind IN ('r', 'm')
    CROSS JOIN LATERAL (
        SELECT pg_catalog.pg_relation_size(f.oid)
               / pg_catalog.current_setting('block_size')::bigint AS pages) p
) l
WHERE c.oid = $1::oid
