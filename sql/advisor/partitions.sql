-- Partitions of $1 that can have an index, at every level, parents first.
SELECT c.oid, n.nspname::text, c.relname::text, t.parentrelid::oid, c.relkind = 'p'
FROM pg_catalog.pg_partition_tree($1) t
JOIN pg_catalog.pg_class c ON c.oid = t.relid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE t.level > 0 AND c.relkind IN ('r', 'p')
ORDER BY t.level, n.nspname, c.relname
