-- invalidate_on_change() and stop_invalidating(): the triggers of a table in one call.
CREATE VIEW told AS
    SELECT operation AS op, keys, array_remove(tags, 'relation:' || relation) AS tags, patterns, tag_patterns AS tagp,
           channels, relation::regclass, 'relation:' || relation = ANY (tags) AS root, broadened AS wide
    FROM inventory_perf.cache_outbox ORDER BY ctid;
CREATE VIEW triggers AS
    SELECT tgrelid::regclass AS on, tgname AS trigger, tgenabled AS enabled,
           replace(encode(tgargs, 'escape'), '\000', '|') AS arguments
    FROM pg_trigger WHERE tgfoid = 'inventory_perf.invalidate_cache'::regproc ORDER BY 1, 2;
CREATE SCHEMA "My Shop";
CREATE TABLE "My Shop"."Stock Moves" (
    id int PRIMARY KEY, "Tenant's Id" uuid, "Product" text, on_day date, at timestamptz, note text, counted boolean);
SELECT inventory_perf.invalidate_on_change('"My Shop"."Stock Moves"',
    keys => '{"inventory:{Tenant''s Id}:{Product}","day:{on_day}:{counted}"}', tags => '{"tenant:{Tenant''s Id}"}',
    channels => '{"moves of {Tenant''s Id}"}', when_changed => '{Product,"Tenant''s Id",on_day}');
TABLE triggers;
SET DateStyle = 'German, DMY';
INSERT INTO "My Shop"."Stock Moves" VALUES
    (1, '00000000-0000-0000-0000-00000000000A', 'Bolt', '31.01.2024', now(), 'n', true),
    (2, '00000000-0000-0000-0000-00000000000b', E'back\\slash "q"', '0044-03-15 BC', now(), 'n', false),
    (3, NULL, 'Nut', 'infinity', now(), 'n', NULL);
RESET DateStyle;
-- only what changed in the columns that count, but whoever depends on the table is told
UPDATE "My Shop"."Stock Moves" SET note = 'other';
UPDATE "My Shop"."Stock Moves" SET "Product" = 'Nut' WHERE id IN (1, 3);
UPDATE "My Shop"."Stock Moves" SET "Tenant's Id" = '00000000-0000-0000-0000-00000000000c' WHERE id = 3;
DELETE FROM "My Shop"."Stock Moves" WHERE id = 2;
TRUNCATE "My Shop"."Stock Moves";
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
-- again: replaced
SELECT inventory_perf.invalidate_on_change('"My Shop"."Stock Moves"', tags => '{stock}');
TABLE triggers;
SELECT inventory_perf.stop_invalidating('"My Shop"."Stock Moves"');
TABLE triggers;
SELECT inventory_perf.stop_invalidating('"My Shop"."Stock Moves"');
INSERT INTO "My Shop"."Stock Moves" VALUES (1);
TABLE told;
-- nothing but the table itself: what cached queries depend on
CREATE TABLE t (id int PRIMARY KEY, a text, b int);
SELECT inventory_perf.invalidate_on_change('t');
INSERT INTO t VALUES (1, 'a', 1);
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
-- types, always in one form
CREATE TYPE mood AS ENUM ('sad', 'so so');
CREATE DOMAIN code AS varchar(8) CHECK (value <> '');
CREATE TABLE typed (a smallint, b bigint, c numeric(10, 2), d boolean, e date, f timestamp, g timestamptz,
    h interval, i float8, j bytea, k mood, l code, m char(3), n int[], o jsonb, p daterange, q inet, r "char", s name);
SELECT inventory_perf.invalidate_on_change('typed', keys => (
    SELECT array_agg(format('%1$s={%1$s}', attname) ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'typed'::regclass AND attnum > 0));
SET DateStyle = 'SQL, DMY';
SET TimeZone = 'Asia/Tokyo';
SET IntervalStyle = 'sql_standard';
SET extra_float_digits = -3;
SET bytea_output = 'escape';
INSERT INTO typed VALUES (-32768, -9223372036854775808, 1.5, true, '29/02/2024', '2024-02-29 23:59:59.5', '2024-03-01 08:59:59+09',
    '1 day 2 hours', 0.1::float8 + 0.2, '\x00ff', 'so so', 'c o', 'x', '{1,NULL}', '{"a": 1}', '[2024-01-01,2024-01-31)', '10.0.0.1', 'c', 'n');
SHOW DateStyle;
RESET ALL;
SELECT unnest(keys) FROM told;
TRUNCATE inventory_perf.cache_outbox;
-- every kind of statement that writes
SELECT inventory_perf.invalidate_on_change('t', keys => '{"t:{id}:{a}"}');
INSERT INTO t VALUES (1, 'b', 2), (2, 'c', 3) ON CONFLICT (id) DO UPDATE SET a = excluded.a;
MERGE INTO t USING (VALUES (1, 'd'), (2, 'x'), (3, 'e')) AS s (id, a) ON t.id = s.id
    WHEN MATCHED AND s.a = 'x' THEN DELETE
    WHEN MATCHED THEN UPDATE SET a = s.a
    WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.a);
COPY t FROM stdin;
7	seven	7
8	\N	8
\.
WITH gone AS (DELETE FROM t WHERE id = 7 RETURNING *) UPDATE t SET a = 'f' FROM gone WHERE t.id = 3;
CREATE TABLE child (t int REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE, c int);
SELECT inventory_perf.invalidate_on_change('child', keys => '{"child:{t}:{c}"}', when_changed => '{t}');
INSERT INTO child VALUES (1, 1), (3, 1), (3, 2);
UPDATE t SET id = id + 10 WHERE id IN (1, 3);
DELETE FROM t WHERE id = 13;
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
-- with the transaction, and with the savepoint
BEGIN;
UPDATE t SET a = 'undone';
ROLLBACK;
BEGIN;
SAVEPOINT s;
DELETE FROM t WHERE id = 11;
ROLLBACK TO s;
DELETE FROM t WHERE id = 8;
COMMIT;
SELECT keys FROM told;
TRUNCATE inventory_perf.cache_outbox;
-- too many keys: the row stays small and says so
SET inventory_perf.outbox_keys_limit = 10;
SELECT inventory_perf.invalidate_on_change('t', keys => '{"t:{id}:{b}","b:{b}"}', tags => '{"t:{id}","of:{a}"}', channels => '{t,"t {id}"}');
INSERT INTO t SELECT n, 'many', n % 10 FROM generate_series(100, 100099) AS n;
TABLE told;
SELECT pg_column_size(o.*) < 400 AS is_small FROM inventory_perf.cache_outbox AS o;
TRUNCATE inventory_perf.cache_outbox;
-- and too long ones
INSERT INTO t VALUES (1, 'long ' || repeat('x', 600000), 1), (2, 'long ' || repeat('y', 600000), 2);
SELECT op, keys, length(tags::text), tagp, wide FROM told;
RESET inventory_perf.outbox_keys_limit;
TRUNCATE inventory_perf.cache_outbox;
-- a statement that says much takes several rows, of which none is moved out of line
SELECT inventory_perf.invalidate_on_change('t', keys => '{"t:{id}:{b}","b:{b}"}', tags => '{"t:{id}","of:{a}"}', channels => '{t}');
INSERT INTO t SELECT n, 'a group', n % 10 FROM generate_series(200000, 200999) AS n;
SELECT part, cardinality(keys) AS keys, cardinality(tags) AS tags, cardinality(channels) AS channels,
       captured_at = min(captured_at) OVER () AS is_of_the_same, pg_column_size(o.*) < 8192 AS fits
FROM inventory_perf.cache_outbox AS o ORDER BY part;
SELECT count(DISTINCT key) FROM inventory_perf.cache_outbox, unnest(keys) AS key;
SELECT pg_relation_size(reltoastrelid) AS out_of_line FROM pg_class
WHERE oid = 'inventory_perf.cache_outbox'::regclass;
TRUNCATE inventory_perf.cache_outbox;
-- a batch, of a thousand rows, that has the first of them takes the others as well
SELECT count(inventory_perf.invalidate_keys('by hand ' || n)) FROM generate_series(1, 998) AS n;
DELETE FROM t WHERE id BETWEEN 200000 AND 200999;
SELECT count(inventory_perf.invalidate_keys(later))
FROM generate_series(1, 10) AS n, LATERAL (SELECT string_agg(md5(n * i || ''), '') FROM generate_series(1, 100) AS i) AS l (later);
SELECT count(*) FROM inventory_perf.cache_outbox;
SELECT inventory_perf.deliver_invalidations(1) >= 1000 AS is_full;
SELECT count(*) > 0 AS some_are_left, count(*) FILTER (WHERE part <> 0) AS parts
FROM inventory_perf.cache_outbox;
TRUNCATE inventory_perf.cache_outbox;
-- a table that is altered under the triggers
SELECT inventory_perf.invalidate_on_change('t', keys => '{"t:{id}:{b}"}', tags => '{"of:{a}"}', when_changed => '{b}');
ALTER TABLE t RENAME b TO "B";
UPDATE t SET a = 'y' WHERE id = 1;
UPDATE t SET a = 'z' WHERE id = 1;
ALTER TABLE t DROP COLUMN a, ADD d date DEFAULT '2024-01-01';
DELETE FROM t WHERE id = 1;
SELECT inventory_perf.invalidate_on_change('t', keys => '{"t:{id}:{B}:{d}"}');
DROP TABLE child;
ALTER TABLE t ALTER COLUMN id TYPE text;
DELETE FROM t WHERE id = '2';
ALTER TABLE t RENAME TO "T 2";
DELETE FROM "T 2" WHERE id = '11';
TABLE told;
