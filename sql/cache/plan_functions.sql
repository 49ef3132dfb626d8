-- What is to know of the functions that a plan calls. Of an aggregate that a user made, its parts
-- are called; the aggregate itself always says that it is immutable.
WITH called AS (
    SELECT f.oid
    FROM pg_catalog.unnest($1::oid[]) f (oid)
    UNION
    SELECT part.oid
    FROM pg_catalog.pg_aggregate a,
         LATERAL pg_catalog.unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn,
             a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn,
             a.aggmfinalfn]::oid[]) part (oid)
    WHERE a.aggfnoid::oid = ANY ($1::oid[]) AND a.aggfnoid::oid >= 16384 AND part.oid <> 0
)
SELECT p.oid, n.nspname::text, p.proname::text, p.pronargs, p.provolatile::text, p.prosecdef,
       l.lanname::text,
       -- Another text after CREATE OR REPLACE.
       p.xmin::text || p.ctid::text
FROM called c
JOIN pg_catalog.pg_proc p ON p.oid = c.oid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
ORDER BY p.oid
