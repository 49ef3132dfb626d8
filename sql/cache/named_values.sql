-- A type whose values are written as names, of these: $1, unless no such value is used as more than
-- a number; and $3, of which each is given to the function at its place in $2. Null if there is none.
WITH RECURSIVE part AS (
    SELECT u.oid AS whole, u.oid FROM pg_catalog.unnest($1::oid[] || $3::oid[]) u (oid)
    UNION
    SELECT p.whole, inner_type.oid
    FROM part p
    JOIN pg_catalog.pg_type t ON t.oid = p.oid,
         LATERAL (
             SELECT t.typelem UNION ALL
             SELECT t.typbasetype UNION ALL
             SELECT a.atttypid FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped UNION ALL
             SELECT r.rngsubtype FROM pg_catalog.pg_range r
             WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
         ) inner_type (oid)
    WHERE inner_type.oid <> 0
), named AS (
    SELECT DISTINCT p.whole AS oid
    FROM part p
    JOIN pg_catalog.pg_type t ON t.oid = p.oid
    WHERE t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
      AND t.typname IN ('regclass', 'regcollation', 'regconfig', 'regdictionary', 'regnamespace',
                        'regoper', 'regoperator', 'regproc', 'regprocedure', 'regrole', 'regtype',
                        'aclitem')
)
SELECT pg_catalog.min(pg_catalog.format_type(n.oid, NULL))
FROM named n
WHERE n.oid = ANY ($1::oid[])
   OR EXISTS (
       SELECT FROM ROWS FROM (pg_catalog.unnest($2::oid[]), pg_catalog.unnest($3::oid[]))
              a (function, type)
       JOIN pg_catalog.pg_proc p ON p.oid = a.function
       -- One for values of any type makes text of them.
       WHERE a.type = n.oid AND a.type <> ALL (p.proargtypes::oid[])
   )
