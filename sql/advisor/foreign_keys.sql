-- The queries by which PostgreSQL looks for rows that refer to a row about to go, or about to change the
-- columns $2: in the tables that refer to $1 and, where a deletion cascades and $3, in those that refer to
-- them.
WITH RECURSIVE changed (relation) AS (
    SELECT $1::oid
    UNION
    SELECT k.conrelid
    FROM changed d
    JOIN pg_catalog.pg_constraint k ON k.confrelid = d.relation
    WHERE k.contype = 'f' AND k.confdeltype = 'c' AND $2::text[] IS NULL AND $3::boolean
)
SELECT pg_catalog.format('SELECT 1 FROM %s%I.%I x WHERE %s FOR KEY SHARE OF x',
                         CASE t.relkind WHEN 'r' THEN 'ONLY ' END, n.nspname, t.relname, k.conditions), c.conrelid
FROM changed d
JOIN pg_catalog.pg_constraint c ON c.confrelid = d.relation
JOIN pg_catalog.pg_class t ON t.oid = c.conrelid AND t.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
CROSS JOIN LATERAL (
    SELECT pg_catalog.string_agg(
               pg_catalog.format('$%s OPERATOR(pg_catalog.=) x.%I', u.place, a.attname),
               ' AND ' ORDER BY u.place) AS conditions
    FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY u (attnum, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = u.attnum
) k
WHERE c.contype = 'f'
  -- A partition is looked through with its table.
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint p
                  WHERE p.oid = c.conparentid AND p.confrelid = c.confrelid)
  AND ($2::text[] IS NULL OR EXISTS (
       SELECT FROM pg_catalog.pg_attribute p
       WHERE p.attrelid = c.confrelid AND p.attnum = ANY (c.confkey) AND p.attname = ANY ($2)))
ORDER BY 1
