-- Values that are written as names are not cached: a rename changes what is written, and no row.
CREATE TABLE stock (id int, level int, place regclass, kind regtype, note text);
CREATE TABLE shelf (id int);
CREATE TYPE goods AS ENUM ('good');
INSERT INTO stock VALUES (1, 5, 'shelf', 'goods', 'some text');
CREATE TYPE placed AS (level int, place regclass);
CREATE DOMAIN place AS regclass;
CREATE FUNCTION place_of(int) RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT place::text FROM stock WHERE id = $1';
CREATE FUNCTION takes(regclass) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1::oid::bigint * 0';
SELECT inventory_perf.deliver_invalidations() >= 0 AS delivered;

CREATE FUNCTION computed() RETURNS bigint LANGUAGE sql AS $$
    SELECT (misses_by_reason ->> 'not cacheable')::bigint FROM inventory_perf.cache_stats
$$;
CREATE PROCEDURE try(query text, params jsonb DEFAULT '[]') LANGUAGE plpgsql AS $$
DECLARE
    before bigint := computed();
BEGIN
    PERFORM * FROM inventory_perf.cached_query(query, params, tags => '{t}');
    RAISE NOTICE '%: %', CASE WHEN computed() = before THEN 'may be cached' ELSE 'computed' END, query;
END
$$;
\set VERBOSITY terse

-- in the result, alone or inside of something
CALL try('SELECT place FROM stock');
CALL try('SELECT ARRAY[place] AS places FROM stock');
CALL try('SELECT place::place AS a FROM stock');
CALL try('SELECT ROW(level, place)::placed AS a FROM stock');
CALL try('SELECT ROW(level, kind) AS a FROM stock');
CALL try('SELECT s AS a FROM stock s');
CALL try('SELECT pg_typeof(level) AS a FROM stock');
CALL try('SELECT ''shelf''::regclass AS a FROM stock');
CALL try('SELECT relacl FROM pg_class LIMIT 1');

-- made text of anywhere
CALL try('SELECT place::text AS a FROM stock');
CALL try('SELECT format(''%s'', place) AS a FROM stock');
CALL try('SELECT place || '''' AS a FROM stock');
CALL try('SELECT jsonb_agg(place) AS a FROM stock');
CALL try('SELECT string_agg(place::text, '','') AS a FROM stock');
CALL try('SELECT to_jsonb(s) AS a FROM stock s');
CALL try('SELECT to_jsonb(x) AS a FROM (SELECT place FROM stock LIMIT 1) x');
CALL try('SELECT ARRAY(SELECT place FROM stock)::text AS a FROM stock');
CALL try('SELECT (SELECT place FROM stock)::text AS a FROM stock');
CALL try('SELECT level FROM stock WHERE place::text = ''shelf''');
CALL try('SELECT level FROM stock ORDER BY place::text');
CALL try('SELECT first_value(place) OVER () = 0 AS a FROM stock');
CALL try('SELECT note::regtype = kind AS a FROM stock WHERE false');
CALL try('SELECT place_of(id) AS a FROM stock');
CALL try('SELECT * FROM place_of(1) AS a');
CALL try('SELECT max((level::oid)::regclass::text) AS a FROM stock');

-- passed as a parameter: its name may be another one's next time
CALL try('SELECT level FROM stock WHERE place = $1::regclass', '["shelf"]');

-- the current schema is a name as well
CALL try('SELECT current_schema() AS a FROM stock');
CALL try('SELECT current_schema AS a FROM stock');
CALL try('SELECT current_schemas(false) AS a FROM stock');

-- where it is a number, and where it is not used
CALL try('SELECT level FROM stock');
CALL try('SELECT level FROM stock WHERE place = ''shelf''::regclass');
CALL try('SELECT place::oid AS a FROM stock');
CALL try('SELECT takes(place) AS a, takes(''shelf'') AS b FROM stock');
CALL try('SELECT to_tsvector(''english'', note) AS a FROM stock');
CALL try('SELECT pg_typeof(level) = ''int''::regtype AS a FROM stock');
CALL try('SELECT a.level FROM stock a JOIN stock b USING (id)');
CALL try('SELECT level FROM (SELECT * FROM stock LIMIT 1) x');

-- once it is known why
\set VERBOSITY default
SELECT * FROM inventory_perf.cached_query('SELECT place, 1 AS a FROM stock', tags => '{t}');
-- a constant is what its name means now
SELECT * FROM inventory_perf.cached_query('SELECT kind = ''goods''::regtype AS same FROM stock', tags => '{t}');
ALTER TYPE goods RENAME TO wares;
CREATE TYPE goods AS ENUM ('other');
SELECT * FROM inventory_perf.cached_query('SELECT kind = ''goods''::regtype AS same FROM stock', tags => '{t}');
