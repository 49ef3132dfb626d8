-- Which indexes may go, and which never.
CREATE FUNCTION drops(unused_after interval DEFAULT '100 years') RETURNS TABLE (kind text, drop_ddl text, reason text)
LANGUAGE sql AS $$
    SELECT kind, drop_ddl, regexp_replace(reason, 'since .* ago', 'since …')
    FROM inventory_perf.advise_index_drops(unused_after => unused_after) ORDER BY rank
$$;

CREATE TABLE items (id integer PRIMARY KEY, name text COLLATE "C", zone text, shelf integer, deleted_at date);
SELECT * FROM drops();

-- exact duplicates: the elder stays, a needed one always
CREATE INDEX zone_1 ON items (zone);
CREATE INDEX zone_2 ON items (zone);
CREATE INDEX zone_3 ON items (zone);
CREATE INDEX id_again ON items (id);
CREATE INDEX carries_the_same ON items (name) INCLUDE (zone, shelf);
CREATE INDEX carries_the_same_2 ON items (name) INCLUDE (shelf, zone);
SELECT * FROM drops();
DROP INDEX zone_2, zone_3, id_again, carries_the_same, carries_the_same_2;

-- redundant: the keys begin another's
CREATE INDEX zone_shelf ON items (zone, shelf);
CREATE INDEX zone_shelf_name ON items (zone, shelf, name);
SELECT * FROM drops();
-- read backwards it is the same
CREATE INDEX backwards ON items (zone DESC, shelf DESC);
SELECT * FROM drops();
DROP INDEX zone_1, zone_shelf, backwards;

-- not the same: direction, operator class, collation, predicate, expression, method, carried columns
CREATE INDEX mixed ON items (zone, shelf DESC);
CREATE INDEX nulls_first ON items (zone NULLS FIRST);
CREATE INDEX pattern ON items (zone text_pattern_ops);
CREATE INDEX collated ON items (zone COLLATE "POSIX");
CREATE INDEX partial ON items (zone) WHERE deleted_at IS NULL;
CREATE INDEX partial_2 ON items (zone) WHERE deleted_at IS NOT NULL;
CREATE INDEX lowered ON items (lower(zone));
CREATE INDEX hashed ON items USING hash (zone);
CREATE INDEX blocks ON items USING brin (zone);
CREATE INDEX carries ON items (zone) INCLUDE (deleted_at);
SELECT * FROM drops();
DROP INDEX mixed, nulls_first, pattern, collated, partial, partial_2, lowered, hashed, blocks, carries;

-- the same predicate or expression is the same
CREATE INDEX partial ON items (zone) WHERE deleted_at IS NULL;
CREATE INDEX partial_longer ON items (zone, name) WHERE deleted_at IS NULL;
CREATE INDEX lowered ON items (lower(zone));
CREATE INDEX lowered_longer ON items (lower(zone), shelf);
SELECT * FROM drops();
DROP INDEX partial, partial_longer, lowered, lowered_longer;

-- a shorter unique index is needed, whatever covers it; clustered and replica identity too
CREATE UNIQUE INDEX zone_unique ON items (zone);
SELECT * FROM drops();
DROP INDEX zone_unique;
CREATE INDEX zone_clustered ON items (zone);
ALTER TABLE items CLUSTER ON zone_clustered;
CREATE TABLE identified (a integer NOT NULL, b integer);
CREATE UNIQUE INDEX identity ON identified (a);
ALTER TABLE identified REPLICA IDENTITY USING INDEX identity;
CREATE TABLE excluded (a integer, EXCLUDE USING btree (a WITH =));
CREATE INDEX excluded_b ON excluded (a);
SELECT * FROM drops();
DROP TABLE identified, excluded;
DROP INDEX zone_clustered, zone_shelf_name;

-- unused, unless the statistics are young
CREATE INDEX zone ON items (zone);
CREATE INDEX lowered ON items (lower(zone));
SELECT * FROM drops('100 years');
SELECT * FROM drops('0');
DROP INDEX zone, lowered;

-- an index that a foreign key needs, alone or with others
CREATE TABLE moves (id integer PRIMARY KEY, item_id integer REFERENCES items, zone text, quantity integer);
CREATE INDEX by_item ON moves (item_id, zone);
CREATE INDEX by_zone ON moves (zone);
SELECT * FROM drops('0');
-- a partial index supports no foreign key
CREATE INDEX by_item_partial ON moves (item_id) WHERE quantity > 0;
SELECT * FROM drops('0');
DROP TABLE moves;

-- what a failed CREATE INDEX CONCURRENTLY leaves
INSERT INTO items (id, zone) VALUES (1, 'a'), (2, 'a');
\set VERBOSITY sqlstate
CREATE UNIQUE INDEX CONCURRENTLY broken ON items (zone);
\set VERBOSITY default
SELECT * FROM drops();
SELECT rollback_ddl FROM inventory_perf.advise_index_drops();
DROP INDEX broken;

-- partitioned indexes as a whole
CREATE TABLE parts (day date, item_id integer) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE INDEX parts_item ON parts (item_id);
CREATE INDEX parts_item_day ON parts (item_id, day);
SELECT * FROM drops();
SELECT * FROM drops('0');
SELECT rollback_ddl FROM inventory_perf.advise_index_drops();

-- what partitions have of their own: leftovers of building a partitioned index in steps, and copies of
-- what is attached, which itself stays
DROP INDEX parts_item;
INSERT INTO parts SELECT '2024-05-05', 1 FROM generate_series(1, 2);
CREATE INDEX parts_steps ON ONLY parts (item_id, day, (item_id + 1));
CREATE UNIQUE INDEX CONCURRENTLY parts_1_steps ON parts_1 (item_id, day, (item_id + 1));
CREATE INDEX parts_2_steps ON parts_2 (item_id, day, (item_id + 1));
ALTER INDEX parts_steps ATTACH PARTITION parts_2_steps;
CREATE INDEX parts_1_copy ON parts_1 (item_id, day);
SELECT * FROM drops();
SELECT index FROM inventory_perf.advise_index_drops(relations => '{parts}');
SELECT index FROM inventory_perf.advise_index_drops(relations => '{parts_2}');
DROP TABLE parts;

-- names that need quotes; the DDL runs, and so does its rollback
CREATE SCHEMA "My Schema";
CREATE TABLE "My Schema"."Order" ("a""b" integer);
CREATE INDEX "First" ON "My Schema"."Order" ("a""b");
CREATE INDEX "Second" ON "My Schema"."Order" ("a""b");
SELECT drop_ddl, rollback_ddl FROM inventory_perf.advise_index_drops();
SELECT drop_ddl, rollback_ddl FROM inventory_perf.advise_index_drops() \gexec
SELECT * FROM drops();
SELECT count(*) FROM inventory_perf.advise_index_drops(relations => '{items}');
DROP TABLE "My Schema"."Order";

-- storage of a ledger is not the user's to change
CREATE TABLE stock_moves (product_id integer, quantity integer, moved_at date);
SET client_min_messages = warning;
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('stock_moves');
RESET client_min_messages;
SELECT * FROM drops('0') WHERE drop_ddl ~ 'stock_';
SELECT count(*) FROM inventory_perf.advise_index_drops(relations => '{stock_days}');

-- bad input
SELECT count(*) FROM inventory_perf.advise_index_drops(unused_after => NULL);
SELECT count(*) FROM inventory_perf.advise_index_drops(unused_after => '-1 day');
SELECT count(*) FROM inventory_perf.advise_index_drops(relations => '{pg_class}');
SELECT count(*) FROM inventory_perf.advise_index_drops(relations => '{}');
SELECT count(*) FROM inventory_perf.advise_index_drops(relations => ARRAY[4294967295::oid::regclass]);
