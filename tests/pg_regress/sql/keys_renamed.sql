-- Keys named in jsonb, after a type, one of its labels or its schema got another name; and keys in the form
-- that they are shown in.
\set VERBOSITY terse
CREATE SCHEMA one;
CREATE TYPE one.mood AS ENUM ('sad', 'happy');
CREATE TYPE span AS RANGE (subtype = integer);
CREATE DOMAIN code AS text;
CREATE TABLE moves (mood one.mood, span span, tags text[], matrix int[], document jsonb, code code, quantity int, moved_on date);
SELECT count(*) FROM inventory_perf.attach_ledger('moves', product => 'mood', dimensions => '{span,tags,matrix,document,code}', quantity => 'quantity', moved_at => 'moved_on');
INSERT INTO moves VALUES
    ('happy', '[1,5)', '{a,"b,c","d\"e"}', '{{1,2},{3,4}}', '{"a": [1, null]}', 'x', 5, '2025-01-01'),
    ('sad', '[1,5)', '{}', '{1,2}', '"text"', 'y', 7, '2025-01-01'),
    ('sad', 'empty', '{NULL,"NULL"}', '{}', '3', 'z', 9, '2025-01-01');
CREATE FUNCTION asked() RETURNS TABLE (key jsonb, quantity numeric) LANGUAGE sql AS $$
    SELECT f.key, f.quantity
    FROM inventory_perf.stock_on('moves', 'infinity') k,
         LATERAL inventory_perf.stock_on('moves', 'infinity', k.key) f
    WHERE f.key = k.key
    ORDER BY 2
$$;
SELECT * FROM asked();
ALTER TYPE one.mood RENAME VALUE 'sad' TO 'glad';
ALTER TYPE one.mood RENAME TO temper;
ALTER TYPE one.temper SET SCHEMA public;
ALTER SCHEMA one RENAME TO two;
ALTER TYPE span RENAME TO stretch;
ALTER DOMAIN code RENAME TO number;
SELECT * FROM asked();
SELECT key ->> 'mood' AS mood, quantity FROM inventory_perf.stock_on('moves', 'infinity', '{"mood": "glad", "code": "y"}');
SELECT * FROM inventory_perf.verify_ledger('moves');
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT inventory_perf.repair_ledger('moves');
SELECT inventory_perf.rebuild_ledger('moves');
SELECT * FROM asked();
SELECT mapping -> 'keys' -> 0 ->> 'sql_type' AS type FROM inventory_perf.ledgers;
-- an extension's type and operators
CREATE EXTENSION citext;
CREATE TABLE items (product citext, quantity int, moved_on date);
SELECT count(*) FROM inventory_perf.attach_ledger('items', product => 'product', quantity => 'quantity', moved_at => 'moved_on', prefix => 'items_');
INSERT INTO items VALUES ('Bolt', 3, '2025-01-01'), ('nut', 4, '2025-01-01');
ALTER EXTENSION citext SET SCHEMA two;
SELECT * FROM inventory_perf.stock_on('items', 'infinity', '{"product": "BOLT"}');
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('items');
INSERT INTO items VALUES ('BOLT', 3, '2025-01-02');
SELECT * FROM inventory_perf.verify_ledger('items');
SELECT inventory_perf.repair_ledger('items');
