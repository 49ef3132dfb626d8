-- What a view calls that is in a temporary schema, and so goes with its session.
SELECT pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0)
FROM pg_catalog.pg_rewrite r
JOIN pg_catalog.pg_depend d
    ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
LEFT JOIN pg_catalog.pg_proc p
    ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.refobjid
LEFT JOIN pg_catalog.pg_operator o
    ON d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND o.oid = d.refobjid
LEFT JOIN pg_catalog.pg_type t
    ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = d.refobjid
LEFT JOIN pg_catalog.pg_collation c
    ON d.refclassid = 'pg_catalog.pg_collation'::pg_catalog.regclass AND c.oid = d.refobjid
JOIN pg_catalog.pg_namespace n
    ON n.oid = coalesce(p.pronamespace, o.oprnamespace, t.typnamespace, c.collnamespace)
WHERE r.ev_class = $1 AND n.nspname LIKE 'pg\_temp\_%'
LIMIT 1
