-- Columns with what pg_stats lets the current role see of them.
SELECT a.attname::text, a.atttypid, a.atttypmod,
       s.avg_width::float8, s.null_frac::float8, s.n_distinct::float8, s.correlation::float8,
       (s.most_common_vals::text::text[])[1:25], (s.most_common_freqs)[1:25]::float8[],
       s.histogram_bounds::text::text[]
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stats s
       ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
      AND s.inherited = (c.relkind = 'p')
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
