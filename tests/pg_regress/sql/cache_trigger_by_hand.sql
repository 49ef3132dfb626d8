-- invalidate_cache() in triggers that are created by hand.
CREATE VIEW told AS
    SELECT operation AS op, keys, array_remove(tags, 'relation:' || relation) AS tags, patterns, tag_patterns AS tagp,
           channels, relation::regclass, broadened AS wide
    FROM inventory_perf.cache_outbox ORDER BY ctid;
CREATE TABLE moves (id int PRIMARY KEY, tenant_id text, product_id int, quantity numeric);
CREATE TRIGGER on_insert AFTER INSERT ON moves REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION
    inventory_perf.invalidate_cache('inventory:{tenant_id}:{product_id}', 'tag:stock:{tenant_id}', 'channel:moves', 'tag:all');
CREATE TRIGGER on_update AFTER UPDATE ON moves REFERENCING OLD TABLE AS "Before" NEW TABLE AS "After"
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.invalidate_cache('inventory:{tenant_id}:{product_id}');
CREATE TRIGGER on_delete AFTER DELETE ON moves REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.invalidate_cache('inventory:{tenant_id}:{product_id}');
CREATE TRIGGER on_truncate AFTER TRUNCATE ON moves
    FOR EACH STATEMENT EXECUTE FUNCTION
    inventory_perf.invalidate_cache('inventory:{tenant_id}:{product_id}', 'tag:stock:{tenant_id}', 'channel:{tenant_id}:{product_id}', 'tag:all', 'all');
-- every row once; a key with a NULL is skipped; a value is only ever a value
INSERT INTO moves VALUES (1, 'a', 1, 10), (2, 'a', 2, 20), (3, 'a', 1, 30), (4, NULL, 9, 1), (5, 'tag:x', NULL, 1), (6, 'it''s {b} é', 1, 1);
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
-- the row goes from one key to another
UPDATE moves SET product_id = 7 WHERE id = 1;
DELETE FROM moves WHERE id IN (2, 3);
-- nothing changed
INSERT INTO moves SELECT 1, 'b', 1, 1 WHERE false;
UPDATE moves SET quantity = 0 WHERE false;
DELETE FROM moves WHERE false;
TRUNCATE moves;
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
-- without transition tables: fine as long as no column is named
CREATE TABLE plain (id int, a text);
CREATE TRIGGER blind AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON plain
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.invalidate_cache('plain', 'tag:plain');
INSERT INTO plain VALUES (1, 'a');
UPDATE plain SET a = 'b';
DELETE FROM plain;
TRUNCATE plain;
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
CREATE TRIGGER blinder AFTER INSERT ON plain EXECUTE FUNCTION inventory_perf.invalidate_cache('plain:{a}');
INSERT INTO plain VALUES (1, 'a');
DROP TRIGGER blinder ON plain;
CREATE TRIGGER half AFTER UPDATE ON plain REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.invalidate_cache('plain:{a}');
UPDATE plain SET a = 'c';
DROP TRIGGER half ON plain;
DROP TRIGGER blind ON plain;
-- for each row
CREATE TRIGGER each_row AFTER INSERT OR UPDATE OR DELETE ON plain
    FOR EACH ROW EXECUTE FUNCTION inventory_perf.invalidate_cache('plain:{a}', 'tag:plain');
INSERT INTO plain VALUES (1, 'a'), (2, 'b'), (3, NULL);
UPDATE plain SET a = 'x' WHERE id = 1;
DELETE FROM plain;
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
DROP TRIGGER each_row ON plain;
-- with a condition, and deferred
CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON plain DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.a IS DISTINCT FROM NEW.a) EXECUTE FUNCTION inventory_perf.invalidate_cache('plain:{a}');
INSERT INTO plain VALUES (1, 'a'), (2, 'b');
BEGIN;
UPDATE plain SET a = 'c' WHERE id = 1;
UPDATE plain SET a = 'b' WHERE id = 2;
SELECT count(*) FROM told;
COMMIT;
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
DROP TRIGGER later ON plain;
-- braces, prefixes and patterns
CREATE TRIGGER braces AFTER INSERT ON plain REFERENCING NEW TABLE AS n FOR EACH STATEMENT
    EXECUTE FUNCTION inventory_perf.invalidate_cache('{{{a}}}:stock', '{{a}}', '{a}{id}', 'key*?[x]:{a}', 'atag:{a}', '  {a} ', 'channel:of {a}');
INSERT INTO plain VALUES (1, 'v');
CREATE TRIGGER braces_truncate AFTER TRUNCATE ON plain
    EXECUTE FUNCTION inventory_perf.invalidate_cache('{{{a}}}:stock', '{{a}}', '{a}{id}', 'key*?[x]:{a}', 'channel:of {a}');
TRUNCATE plain;
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
-- a value that would name what is the extension's own
INSERT INTO plain VALUES (1, 'inventory_perf:postgres:epoch');
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
DROP TRIGGER braces ON plain;
DROP TRIGGER braces_truncate ON plain;
-- mistakes
CREATE TRIGGER wrong AFTER INSERT ON plain EXECUTE FUNCTION inventory_perf.invalidate_cache('plain:{a');
INSERT INTO plain VALUES (1, 'a');
CREATE OR REPLACE TRIGGER wrong AFTER INSERT ON plain EXECUTE FUNCTION inventory_perf.invalidate_cache('');
INSERT INTO plain VALUES (1, 'a');
CREATE OR REPLACE TRIGGER wrong AFTER INSERT ON plain EXECUTE FUNCTION inventory_perf.invalidate_cache('inventory_perf:x');
INSERT INTO plain VALUES (1, 'a');
CREATE OR REPLACE TRIGGER wrong BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION inventory_perf.invalidate_cache('plain');
INSERT INTO plain VALUES (1, 'a');
DROP TRIGGER wrong ON plain;
CREATE VIEW seen AS SELECT * FROM plain;
CREATE TRIGGER instead INSTEAD OF INSERT ON seen FOR EACH ROW EXECUTE FUNCTION inventory_perf.invalidate_cache('plain');
INSERT INTO seen VALUES (1, 'a');
SELECT inventory_perf.invalidate_cache();
-- columns that are not there, or not any more: writes go on
CREATE TRIGGER stray AFTER INSERT ON plain REFERENCING NEW TABLE AS n FOR EACH STATEMENT
    EXECUTE FUNCTION inventory_perf.invalidate_cache('plain:{A}:{id}', 'tag:of {id}', 'channel:{A}');
INSERT INTO plain VALUES (1, 'a');
INSERT INTO plain VALUES (2, 'a');
ALTER TABLE plain RENAME a TO "A";
INSERT INTO plain VALUES (3, 'a');
ALTER TABLE plain DROP COLUMN "A" CASCADE;
INSERT INTO plain VALUES (4);
TABLE told;
TRUNCATE inventory_perf.cache_outbox;
-- a transaction says the same once, but for what a savepoint undoes
CREATE TABLE same (id int, a text);
CREATE TRIGGER same AFTER INSERT ON same REFERENCING NEW TABLE AS n FOR EACH STATEMENT
    EXECUTE FUNCTION inventory_perf.invalidate_cache('same:{a}');
BEGIN;
INSERT INTO same VALUES (1, 'a');
INSERT INTO same VALUES (2, 'a');
SAVEPOINT s;
INSERT INTO same VALUES (3, 'a');
INSERT INTO same VALUES (4, 'b');
ROLLBACK TO s;
INSERT INTO same VALUES (5, 'b');
RELEASE s;
INSERT INTO same VALUES (6, 'b');
COMMIT;
INSERT INTO same VALUES (7, 'a');
SELECT keys FROM told;
TRUNCATE inventory_perf.cache_outbox;
-- so a long statement with a trigger for each row stays bounded, too
CREATE TRIGGER same_rows AFTER UPDATE OR DELETE ON same
    FOR EACH ROW EXECUTE FUNCTION inventory_perf.invalidate_cache('same:{id}', 'tag:same:{a}', 'tag:same');
SET inventory_perf.outbox_keys_limit = 4;
UPDATE same SET a = 'c';
DELETE FROM same;
TABLE told;
