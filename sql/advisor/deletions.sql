-- Tables that foreign keys refer to, and how many of their rows have been deleted since the statistics
-- were reset, those with most deletions first.
SELECT r.confrelid, d.deleted::float8
FROM (SELECT DISTINCT c.confrelid FROM pg_catalog.pg_constraint c WHERE c.contype = 'f') r
CROSS JOIN LATERAL (
    SELECT pg_catalog.sum(s.n_tup_del) AS deleted
    FROM pg_catalog.pg_stat_all_tables s
    WHERE s.relid = r.confrelid
       OR s.relid IN (SELECT t.relid FROM pg_catalog.pg_partition_tree(r.confrelid) t)) d
WHERE d.deleted > 0
ORDER BY d.deleted DESC, r.confrelid
LIMIT 200
