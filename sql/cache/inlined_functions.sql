-- SQL functions, which a plan may hold inlined, and what becomes another text after
-- CREATE OR REPLACE.
SELECT p.oid, p.xmin::text || p.ctid::text
FROM pg_catalog.pg_proc p
WHERE p.prolang = (SELECT l.oid FROM pg_catalog.pg_language l WHERE l.lanname = 'sql')
  AND p.oid >= 16384
ORDER BY p.oid
