-- Values that pg_qualstats, in {schema}, has seen columns compared with, the most frequent first.
SELECT q.lrelid, a.attname::text, o.oprname::text, q.queryid, q.constvalue::text
FROM {schema}.pg_qualstats() q
JOIN pg_catalog.pg_attribute a ON a.attrelid = q.lrelid AND a.attnum = q.lattnum
JOIN pg_catalog.pg_operator o ON o.oid = q.opno
WHERE q.constvalue IS NOT NULL
  AND q.dbid = (SELECT d.oid FROM pg_catalog.pg_database d
                WHERE d.datname = pg_catalog.current_database())
GROUP BY q.lrelid, a.attname, o.oprname, q.queryid, q.constvalue
ORDER BY pg_catalog.sum(q.occurences) DESC, 4, 5
