SELECT q.lrelid, a.attname::text, q.constvalue::text
FROM {schema}.pg_qualstats() q
JOIN pg_catalog.pg_attribute a ON a.attrelid = q.lrelid AND a.attnum = q.lattnum
WHERE q.constvalue IS NOT NULL
  AND q.dbid = (SELECT d.oid FROM pg_catalog.pg_database d
                WHERE d.datname = pg_catalog.current_database())
GROUP BY q.lrelid, a.attname, q.constvalue
ORDER BY pg_catalog.sum(q.occurences) DESC, 3
