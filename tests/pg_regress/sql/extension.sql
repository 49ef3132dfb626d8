-- What CREATE EXTENSION brings: schema, comments, rights.
SELECT extname, n.nspname, extrelocatable FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace WHERE extname = 'inventory_perf';
SELECT superuser, trusted, relocatable, schema FROM pg_available_extension_versions WHERE name = 'inventory_perf';

CREATE VIEW members AS
    SELECT classid, objid FROM pg_depend
    WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
      AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'inventory_perf');

-- every function, view and table has a comment
SELECT pg_describe_object(classid, objid, 0) AS without_comment FROM members
WHERE classid IN ('pg_proc'::regclass, 'pg_class'::regclass)
  AND obj_description(objid, classid::regclass::name) IS NULL
ORDER BY 1;
SELECT n.nspname FROM pg_namespace AS n WHERE nspname = 'inventory_perf' AND obj_description(oid, 'pg_namespace') IS NULL;

-- everything lives in the extension's own schema, event triggers apart
SELECT pg_describe_object(classid, objid, 0) AS elsewhere FROM members
WHERE classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_type'::regclass)
  AND (SELECT nspname FROM pg_identify_object(classid, objid, 0) AS i, pg_namespace WHERE nspname = i.schema) <> 'inventory_perf'
ORDER BY 1;

-- the functions: volatility, parallel safety, strictness; a pinned search_path where rights are raised
SELECT p.oid::regprocedure AS function, p.provolatile AS volatile, p.proparallel AS parallel, p.prosecdef AS definer, p.proconfig
FROM pg_proc AS p JOIN members AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
ORDER BY p.oid::regprocedure::text;
SELECT p.oid::regprocedure AS definer_without_search_path
FROM pg_proc AS p JOIN members AS m ON m.objid = p.oid
WHERE p.prosecdef AND NOT coalesce(p.proconfig::text LIKE '%search_path=%', false);

-- who may do what: nothing of the schema may be created in, and no table may be written to, by everybody
SELECT has_schema_privilege('pg_monitor', 'inventory_perf', 'USAGE') AS everyone_may_use,
       has_schema_privilege('pg_monitor', 'inventory_perf', 'CREATE') AS everyone_may_create;
SELECT c.relname, c.relkind, p.privilege FROM members AS m JOIN pg_class AS c ON c.oid = m.objid AND m.classid = 'pg_class'::regclass,
    unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) AS p (privilege)
WHERE c.relkind IN ('r', 'v', 'S') AND has_table_privilege('pg_monitor', c.oid, p.privilege)
ORDER BY 1, 3;
-- functions that not everybody may call
SELECT p.oid::regprocedure AS function
FROM pg_proc AS p JOIN members AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
WHERE NOT has_function_privilege('pg_monitor', p.oid, 'EXECUTE')
ORDER BY p.oid::regprocedure::text;

-- the settings, and the prefix that is theirs
LOAD 'inventory_perf';
SELECT name, setting, unit, context, short_desc FROM pg_settings WHERE name LIKE 'inventory\_perf.%' ORDER BY name;
SET inventory_perf.no_such_setting = 1;

-- it goes and comes again
DROP EXTENSION inventory_perf;
SELECT count(*) FROM pg_namespace WHERE nspname = 'inventory_perf';
CREATE EXTENSION inventory_perf;
CREATE TABLE moves (product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
