-- Partitions and children: a change of a part is a change of the whole, however it is made.
CREATE VIEW told AS
    SELECT operation AS op, keys, patterns, relation::regclass, tags = ARRAY['relation:' || relation] AS root
    FROM inventory_perf.cache_outbox ORDER BY ctid;
CREATE VIEW triggers AS
    SELECT tgrelid::regclass AS on, count(*), min(tgname::text) AS first,
           string_agg(DISTINCT replace(encode(tgargs, 'escape'), '\000', '|'), ' & ') AS arguments,
           string_agg(DISTINCT tgenabled::text, ' & ') AS enabled
    FROM pg_trigger WHERE tgfoid = 'inventory_perf.invalidate_cache'::regproc GROUP BY 1 ORDER BY 1;
CREATE TABLE moves (id int, product int, on_day date) PARTITION BY RANGE (on_day);
CREATE TABLE moves_2023 PARTITION OF moves FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
SELECT inventory_perf.invalidate_on_change('moves', keys => '{"p:{product}"}', when_changed => '{product}');
-- partitions that come later, the columns in another order, below another partition
CREATE TABLE moves_2024 (on_day date, product int, id int) PARTITION BY LIST (product);
CREATE TABLE moves_2024_1 (product int, on_day date, id int);
ALTER TABLE moves_2024 ATTACH PARTITION moves_2024_1 DEFAULT;
TABLE triggers;
ALTER TABLE moves ATTACH PARTITION moves_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE moves_2025 PARTITION OF moves FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
TABLE triggers;
INSERT INTO moves VALUES (1, 10, '2023-05-05'), (2, 20, '2024-05-05');
INSERT INTO moves_2024_1 (id, product, on_day) VALUES (3, 30, '2024-06-06');
INSERT INTO moves_2024 (id, product, on_day) VALUES (4, 40, '2024-06-06');
-- from one partition to another
UPDATE moves SET on_day = '2025-01-01', product = 21 WHERE id = 2;
UPDATE moves SET on_day = '2024-01-01' WHERE id = 1;
DELETE FROM moves_2025;
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
TRUNCATE moves_2024_1;
TRUNCATE moves;
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
-- a row that a trigger keeps out of the partition that it is moved to
CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER keep_out BEFORE INSERT ON moves_2025 FOR EACH ROW EXECUTE FUNCTION keep_out();
INSERT INTO moves VALUES (1, 1, '2023-01-01'), (2, 2, '2023-01-02'), (3, 3, '2023-01-03');
TRUNCATE inventory_perf.cache_outbox;
UPDATE moves SET on_day = CASE id WHEN 1 THEN '2025-01-01' ELSE on_day END, product = product + CASE id WHEN 3 THEN 10 ELSE 0 END;
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
-- replaced, in the parts as well
SELECT inventory_perf.invalidate_on_change('moves', keys => '{"product:{product}"}');
TABLE triggers;
-- parts that go
ALTER TABLE moves DETACH PARTITION moves_2023;
ALTER TABLE moves DETACH PARTITION moves_2024;
DROP TABLE moves_2025;
TABLE triggers;
INSERT INTO moves_2023 VALUES (1, 1, '2023-01-01');
TABLE told;
-- a part cannot have a rule of its own
ALTER TABLE moves ATTACH PARTITION moves_2023 FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
SELECT inventory_perf.invalidate_on_change('moves_2023');
-- a foreign table cannot take rows beside transition tables
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE moves_2022 PARTITION OF moves FOR VALUES FROM ('2022-01-01') TO ('2023-01-01') SERVER nowhere;
SELECT inventory_perf.stop_invalidating('moves');
TABLE triggers;
CREATE FOREIGN TABLE moves_2022 PARTITION OF moves FOR VALUES FROM ('2022-01-01') TO ('2023-01-01') SERVER nowhere;
SELECT inventory_perf.invalidate_on_change('moves');
DROP TABLE moves;
TRUNCATE inventory_perf.cache_outbox;
-- inheritance
CREATE TABLE base (id int, a text);
SELECT inventory_perf.invalidate_on_change('base', keys => '{"base:{id}"}');
CREATE TABLE derived (more int) INHERITS (base);
CREATE TABLE other (id int, a text);
ALTER TABLE other INHERIT base;
TABLE triggers;
INSERT INTO derived VALUES (1, 'a', 2);
INSERT INTO other VALUES (2, 'a');
UPDATE base SET a = 'b';
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
ALTER TABLE other NO INHERIT base;
TABLE triggers;
-- what hangs below another table as well would change unseen
CREATE TABLE second (id int);
ALTER TABLE derived INHERIT second;
SELECT inventory_perf.stop_invalidating('base');
ALTER TABLE derived INHERIT second;
SELECT inventory_perf.invalidate_on_change('base');
SELECT inventory_perf.invalidate_on_change('derived');
CREATE TABLE own (id int, on_day date);
SELECT inventory_perf.invalidate_on_change('own');
CREATE TABLE whole (id int, on_day date) PARTITION BY RANGE (on_day);
ALTER TABLE whole ATTACH PARTITION own DEFAULT;
SELECT inventory_perf.stop_invalidating('own');
ALTER TABLE whole ATTACH PARTITION own DEFAULT;
-- by hand, a part of two tables is told as both
TRUNCATE inventory_perf.cache_outbox;
CREATE TRIGGER by_hand AFTER INSERT ON derived EXECUTE FUNCTION inventory_perf.invalidate_cache();
INSERT INTO derived VALUES (3, 'c', 3);
SELECT keys, cardinality(tags) AS roots FROM inventory_perf.cache_outbox;
DROP TABLE base, second CASCADE;
TABLE triggers;
