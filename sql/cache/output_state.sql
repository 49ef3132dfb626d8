-- How values of the types $1, or with $2 of all types, are written out, with $3 what a text search finds
-- as well; and the relations of composite types among $1.
WITH RECURSIVE part (oid) AS (
    SELECT u.oid FROM pg_catalog.unnest($1::oid[]) u (oid)
    UNION
    SELECT inner_type.oid
    FROM part p
    JOIN pg_catalog.pg_type t ON t.oid = p.oid,
         LATERAL (
             SELECT t.typelem UNION ALL
             SELECT t.typbasetype UNION ALL
             SELECT a.atttypid FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped UNION ALL
             SELECT r.rngsubtype FROM pg_catalog.pg_range r
             WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
         ) inner_type (oid)
    WHERE inner_type.oid <> 0
), row_type AS (
    SELECT t.typrelid AS oid
    FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
    WHERE t.typtype = 'c' AND ($2 OR t.oid IN (SELECT p.oid FROM part p))
), line (line) AS (
    SELECT pg_catalog.concat_ws(' ', 'enum', e.enumtypid, e.oid, e.enumsortorder, e.enumlabel)
    FROM pg_catalog.pg_enum e
    WHERE $2 OR e.enumtypid IN (SELECT p.oid FROM part p)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'row', a.attrelid, a.attnum, a.atttypid, a.attname)
    FROM row_type r
    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'configuration', c.oid, c.cfgparser)
    FROM pg_catalog.pg_ts_config c
    WHERE $3
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'map', m.mapcfg, m.maptokentype, m.mapseqno, m.mapdict)
    FROM pg_catalog.pg_ts_config_map m
    WHERE $3
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'dictionary', d.oid, d.dicttemplate, d.dictinitoption)
    FROM pg_catalog.pg_ts_dict d
    WHERE $3
)
SELECT (SELECT pg_catalog.string_agg(l.line, E'\n' ORDER BY l.line COLLATE "C") FROM line l),
       (SELECT pg_catalog.array_agg(r.oid) FROM row_type r WHERE NOT $2)
