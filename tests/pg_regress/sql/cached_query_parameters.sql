-- Parameters of a cached query: types are inferred, values come as JSON.
CREATE TYPE mood AS ENUM ('calm', 'it''s "loud"');
CREATE DOMAIN small AS int CHECK (VALUE < 10);
CREATE TABLE "Stock" (id int, "Product" uuid, name text, level numeric, counted date, "when" timestamptz, state mood);
INSERT INTO "Stock" VALUES
    (1, '00000000-0000-0000-0000-000000000001', 'it''s "one"', 0.1000000000000000055511151231257827, '2024-01-01', '2024-01-01 00:00Z', 'calm'),
    (2, '00000000-0000-0000-0000-000000000002', NULL, 1e30, '2024-02-01', '2024-02-01 00:00Z', 'it''s "loud"');
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';

-- names and values as the query gives them
SELECT * FROM inventory_perf.cached_query('SELECT * FROM "Stock" WHERE id = $1', '[1]');
SELECT * FROM inventory_perf.cached_query('SELECT id AS "the ""ID""", "Product" AS b, name AS c, level AS d, counted AS e, "when" AS f, state AS g FROM "Stock"');
SELECT inventory_perf.cached_query('SELECT FROM "Stock"');
SELECT * FROM inventory_perf.cached_query('VALUES (1, 2), (3, 4)');
SELECT * FROM inventory_perf.cached_query('WITH a AS (SELECT 1 AS x) SELECT x FROM a UNION ALL SELECT 2 ORDER BY x DESC;');
SELECT * FROM inventory_perf.cached_query('SELECT name FROM "Stock" WHERE false');

-- one JSON value of the fitting kind for each type
SELECT * FROM inventory_perf.cached_query('SELECT id FROM "Stock" WHERE "Product" = $1', '["00000000-0000-0000-0000-000000000002"]');
SELECT * FROM inventory_perf.cached_query('SELECT id FROM "Stock" WHERE level = $1', '[0.1000000000000000055511151231257827]');
SELECT * FROM inventory_perf.cached_query('SELECT id FROM "Stock" WHERE level = $1', '[1e30]');
SELECT * FROM inventory_perf.cached_query('SELECT id FROM "Stock" WHERE counted >= $1 AND "when" < $2', '["2024-01-15", "2024-03-01"]');
SELECT * FROM inventory_perf.cached_query('SELECT id FROM "Stock" WHERE state = $1', '["it''s \"loud\""]');
SELECT * FROM inventory_perf.cached_query('SELECT id FROM "Stock" WHERE name = $1', '["it''s \"one\""]');
SELECT * FROM inventory_perf.cached_query('SELECT id FROM "Stock" WHERE name = $1', '["'' OR true --"]');
SELECT * FROM inventory_perf.cached_query('SELECT id FROM "Stock" WHERE id = ANY ($1)', '[[1, 3, null]]');
SELECT * FROM inventory_perf.cached_query('SELECT id FROM "Stock" WHERE id = ANY ($1)', '["{1,2}"]');
SELECT * FROM inventory_perf.cached_query('SELECT $1::text[] AS texts, $2::int[] AS matrix, $3::jsonb[] AS objects, $4::box[] AS boxes',
    '[["a,b", "c\"}", "NULL", null, ""], [[1, 2], [3, 4]], [{"a": "\""}, [1], "x"], ["(1,1),(0,0)"]]');
SELECT * FROM inventory_perf.cached_query('SELECT $1::jsonb AS object, $2::jsonb AS text, $3::json AS list, $4::jsonb AS none', '[{"a": [1.10]}, "x", [1, 2], null]');
SELECT * FROM inventory_perf.cached_query('SELECT $1 AS untyped, $2::boolean AS yes, $3::small AS small, $4::bytea AS bytes', '["text", true, 9, "\\xff00"]');
SELECT * FROM inventory_perf.cached_query('SELECT count(*) FROM "Stock" WHERE name IS NOT DISTINCT FROM $1', '[null]');

-- what does not fit
\set VERBOSITY default
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', '[1]');
SELECT * FROM inventory_perf.cached_query('SELECT $1::int + $2 AS a', '[1]');
SELECT * FROM inventory_perf.cached_query('SELECT $1::int AS a');
SELECT * FROM inventory_perf.cached_query('SELECT $1::int AS a', '{"a": 1}');
SELECT * FROM inventory_perf.cached_query('SELECT $1::int AS a', '1');
SELECT * FROM inventory_perf.cached_query('SELECT $1::int AS a', '[[1]]');
SELECT * FROM inventory_perf.cached_query('SELECT $1::int AS a', '[{"a": 1}]');
SELECT * FROM inventory_perf.cached_query('SELECT $1::int[] AS a', '[1]');
SELECT * FROM inventory_perf.cached_query('SELECT $1::int AS a', '["x"]');
SELECT * FROM inventory_perf.cached_query('SELECT $1::int AS a', '[1.5]');
SELECT * FROM inventory_perf.cached_query('SELECT $1::small AS a', '[10]');
SELECT * FROM inventory_perf.cached_query('SELECT $2::int AS a', '[1, 2]');
SELECT * FROM inventory_perf.cached_query('SELECT $1 IS NULL AS a', '[1]');
