-- What nobody may change of others: flags and members of roles, and whose objects are.
SELECT pg_catalog.format('role %s %s%s%s%s%s%s', r.rolname, r.rolsuper, r.rolcreaterole, r.rolcreatedb,
                         r.rolbypassrls, r.rolreplication, r.rolinherit)
FROM pg_catalog.pg_roles r
UNION ALL
SELECT pg_catalog.format('role %s is a member of %s %s', m.member::regrole, m.roleid::regrole, m.admin_option)
FROM pg_catalog.pg_auth_members m
UNION ALL
SELECT pg_catalog.format('object %s %s of %s %s', o.kind, o.oid, o.owner::regrole, o.acl)
FROM (
    SELECT 'relation' AS kind, oid, relowner AS owner, NULL AS acl FROM pg_catalog.pg_class
    WHERE relnamespace <> 'pg_toast'::regnamespace
    UNION ALL
    SELECT 'function', oid, proowner, proacl::text FROM pg_catalog.pg_proc
    UNION ALL
    SELECT 'schema', oid, nspowner, nspacl::text FROM pg_catalog.pg_namespace
    UNION ALL
    SELECT 'type', oid, typowner, NULL FROM pg_catalog.pg_type
) o
WHERE o.oid >= 16384
