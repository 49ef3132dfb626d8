-- Tables with columns of the types that a command has altered, be it in an array, a domain, a range or
-- another row.
WITH RECURSIVE made_of (oid) AS (
    SELECT CASE WHEN c.classid = 'pg_catalog.pg_type'::pg_catalog.regclass THEN c.objid
                ELSE (SELECT r.reltype FROM pg_catalog.pg_class r WHERE r.oid = c.objid) END
    FROM pg_catalog.pg_event_trigger_ddl_commands() c
    WHERE c.classid IN ('pg_catalog.pg_type'::pg_catalog.regclass,
                        'pg_catalog.pg_class'::pg_catalog.regclass)
    UNION
    SELECT coalesce(r.reltype, d.objid)
    FROM made_of m
    JOIN pg_catalog.pg_depend d
        ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid = m.oid
    LEFT JOIN pg_catalog.pg_class r
        ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND r.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
       OR d.objsubid > 0 AND r.reltype <> 0
)
SELECT r.oid
FROM made_of m
JOIN pg_catalog.pg_type t ON t.oid = m.oid
JOIN pg_catalog.pg_class r ON r.oid = t.typrelid
WHERE r.relkind IN ('r', 'p')
