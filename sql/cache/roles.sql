-- Who is a member of what, and which roles see more than others.
SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat(
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', r.oid, r.rolname, r.rolsuper, r.rolinherit,
                r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication, r.rolbypassrls), ','
                ORDER BY r.oid)
     FROM pg_catalog.pg_roles r),
    (SELECT pg_catalog.string_agg(pg_catalog.to_jsonb(m)::text, ',' ORDER BY m.roleid, m.member, m.grantor)
     FROM pg_catalog.pg_auth_members m)), 'UTF8')), 'hex')
