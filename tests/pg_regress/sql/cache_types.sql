-- A type that is altered makes invalid what is made of its values, and nothing else.
\set VERBOSITY terse
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE foreign_mood AS ENUM ('low');
CREATE TYPE place AS (x int, y int);
CREATE DOMAIN moods AS mood[];
CREATE TABLE people (id int, mood mood, place place);
CREATE TABLE groups (id int, moods moods);
CREATE TABLE items (id int, name text);
INSERT INTO people VALUES (1, 'sad', (1, 2));
INSERT INTO groups VALUES (1, '{sad}');
INSERT INTO items VALUES (1, 'sad');
SELECT inventory_perf.invalidate_on_change(t, keys => ARRAY['k:' || t]) FROM unnest('{people,groups,items}'::regclass[]) t;
SELECT inventory_perf.deliver_invalidations() >= 0;
CREATE VIEW waiting AS SELECT relation::regclass, operation, keys, flush FROM inventory_perf.cache_outbox ORDER BY 1;
-- nobody's rows look different
ALTER TYPE foreign_mood ADD VALUE 'high';
ALTER TYPE foreign_mood RENAME VALUE 'low' TO 'bottom';
ALTER TYPE foreign_mood OWNER TO postgres;
ALTER TYPE mood ADD VALUE 'glad';
CREATE TEXT SEARCH CONFIGURATION own (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION own ALTER MAPPING FOR word WITH simple;
SELECT * FROM waiting;
-- those of tables with its columns do, be it in an array or a domain
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
SELECT * FROM waiting;
SELECT inventory_perf.deliver_invalidations();
ALTER TYPE place RENAME ATTRIBUTE x TO latitude;
SELECT * FROM waiting;
SELECT inventory_perf.deliver_invalidations();
SELECT * FROM waiting;
-- what a query itself makes of a type is looked for anew
SELECT inventory_perf.deliver_invalidations() AS delivered \gset
PREPARE labels AS SELECT * FROM inventory_perf.cached_query($$SELECT id, (CASE WHEN id = 1 THEN 'blue' END)::mood AS mood, enum_range(NULL::mood)::text AS range FROM items$$);
EXECUTE labels;
EXECUTE labels;
SELECT hits FROM inventory_perf.cache_stats \gset
EXECUTE labels;
SELECT hits - :hits AS hits FROM inventory_perf.cache_stats;
ALTER TYPE foreign_mood RENAME VALUE 'bottom' TO 'end';
EXECUTE labels;
SELECT hits - :hits AS hits FROM inventory_perf.cache_stats;
ALTER TYPE mood RENAME VALUE 'happy' TO 'merry';
EXECUTE labels;
ALTER TYPE mood ADD VALUE 'last';
EXECUTE labels;
PREPARE found AS SELECT * FROM inventory_perf.cached_query($$SELECT id, to_tsvector('own', name)::text AS words FROM items$$);
EXECUTE found;
EXECUTE found;
SELECT hits FROM inventory_perf.cache_stats \gset
EXECUTE found;
SELECT hits - :hits AS hits FROM inventory_perf.cache_stats;
ALTER TEXT SEARCH CONFIGURATION own DROP MAPPING FOR asciiword;
EXECUTE found;
