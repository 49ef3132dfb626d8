-- The types of a view's first columns as SQL writes them anywhere, with the equality operator of
-- their default B-tree operator class (that of the base type for a domain, of any enum for enums).
WITH RECURSIVE key_column AS (
    SELECT a.attnum, a.atttypid, a.atttypid AS base_type,
           pg_catalog.format_type(a.atttypid, a.atttypmod)
           || CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0
                   THEN pg_catalog.format(' COLLATE %I.%I', cn.nspname, c.collname)
                   ELSE '' END AS sql_type
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
    LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.collnamespace
    WHERE a.attrelid = $1 AND a.attnum BETWEEN 1 AND $2
    UNION ALL
    SELECT k.attnum, k.atttypid, t.typbasetype, k.sql_type
    FROM key_column k
    JOIN pg_catalog.pg_type t ON t.oid = k.base_type AND t.typtype = 'd'
)
SELECT k.sql_type,
       CASE WHEN t.typtype = 'e' OR o.oprnamespace = 'pg_catalog'::regnamespace THEN '='
            WHEN o.oid IS NULL THEN CASE WHEN t.typtype IN ('c', 'r') OR t.typcategory = 'A'
                                         OR t.typname IN ('varchar') THEN '=' ELSE '' END
            ELSE pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname)
       END AS equals,
       k.atttypid
FROM key_column k
JOIN pg_catalog.pg_type t ON t.oid = k.base_type AND t.typtype <> 'd'
LEFT JOIN pg_catalog.pg_opclass oc ON oc.opcintype = t.oid AND oc.opcdefault
    AND oc.opcmethod = (SELECT oid FROM pg_catalog.pg_am WHERE amname = 'btree')
LEFT JOIN pg_catalog.pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
    AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
LEFT JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
ORDER BY k.attnum
