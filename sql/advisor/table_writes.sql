-- Rows written to $1 and its partitions since the statistics were reset: inserted ones that are not
-- simply what the table holds, deleted, updated, of those heap-only.
SELECT greatest(sum(s.n_tup_ins) - sum(s.n_live_tup), 0)::float8, sum(s.n_tup_del)::float8,
    sum(s.n_tup_upd)::float8, sum(s.n_tup_hot_upd)::float8
FROM pg_catalog.pg_stat_all_tables s
WHERE s.relid = $1
    OR s.relid IN (SELECT t.relid FROM pg_catalog.pg_partition_tree($1) t)
