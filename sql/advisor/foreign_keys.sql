-- The query by which PostgreSQL looks for rows that refer to a row about to go.
SELECT pg_catalog.format('SELECT 1 FROM ONLY %I.%I x WHERE %s FOR KEY SHARE OF x', n.nspname,
                         t.relname, k.conditions)
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class t ON t.oid = c.conrelid AND t.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
CROSS JOIN LATERAL (
    SELECT pg_catalog.string_agg(
               pg_catalog.format('$%s OPERATOR(pg_catalog.=) x.%I', u.place, a.attname),
               ' AND ' ORDER BY u.place) AS conditions
    FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY u (attnum, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = u.attnum
) k
WHERE c.contype = 'f' AND c.confrelid = $1::oid
  AND ($2::text[] IS NULL OR EXISTS (
       SELECT FROM pg_catalog.pg_attribute p
       WHERE p.attrelid = c.confrelid AND p.attnum = ANY (c.confkey) AND p.attname = ANY ($2)))
ORDER BY 1
