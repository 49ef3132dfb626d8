-- Columns that extended statistics know together, with the number of their combinations, as far as
-- pg_stats_ext lets the current role see them.
SELECT names.columns, counted.value::float8
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_stats_ext s
  ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.inherited = (c.relkind = 'p'),
LATERAL pg_catalog.json_each_text(s.n_distinct::text::json) AS counted,
LATERAL (
    SELECT pg_catalog.array_agg(a.attname::text) AS columns, pg_catalog.count(*) AS found
    FROM pg_catalog.string_to_table(counted.key, ', ') AS number
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = number::smallint
    WHERE a.attnum > 0
) AS names
WHERE c.oid = $1::oid
  AND names.found = pg_catalog.cardinality(pg_catalog.string_to_array(counted.key, ', '))
