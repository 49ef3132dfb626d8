-- Cached queries are called from everywhere.
CREATE TABLE stock (id int, level int);
INSERT INTO stock VALUES (1, 5), (2, 6);
SET client_min_messages = warning;

CREATE FUNCTION total() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
    total bigint := 0;
BEGIN
    FOR answer IN SELECT * FROM inventory_perf.cached_query('SELECT level FROM stock ORDER BY id') LOOP
        total := total + (answer->>'level')::bigint;
    END LOOP;
    RETURN total;
END
$$;
SELECT total();
-- a transaction reads what it wrote
BEGIN;
INSERT INTO stock VALUES (3, 100);
SELECT total();
SAVEPOINT before;
DELETE FROM stock;
SELECT total();
ROLLBACK TO before;
SELECT total();
ROLLBACK;
SELECT total();

-- as a statement that writes
INSERT INTO stock SELECT 10 + (q->>'id')::int, (q->>'level')::int FROM inventory_perf.cached_query('SELECT * FROM stock') AS q;
SELECT * FROM inventory_perf.cached_query('SELECT count(*) FROM stock');
UPDATE stock SET level = level + (SELECT (q->>'sum')::int FROM inventory_perf.cached_query('SELECT sum(level) FROM stock') AS q);
SELECT * FROM inventory_perf.cached_query('SELECT sum(level) FROM stock');

-- in the select list, in a join, in a cursor, in a prepared statement
SELECT g, inventory_perf.cached_query('SELECT $1::int AS n UNION ALL SELECT 0', jsonb_build_array(g)) FROM generate_series(1, 2) AS g;
SELECT g, q FROM generate_series(1, 2) AS g, LATERAL inventory_perf.cached_query('SELECT id FROM stock WHERE id = $1', jsonb_build_array(g)) AS q;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT * FROM inventory_perf.cached_query('SELECT g FROM generate_series(1, 3) AS g');
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH ALL FROM c;
COMMIT;
PREPARE p(int) AS SELECT * FROM inventory_perf.cached_query('SELECT $1::int + 1 AS next', jsonb_build_array($1));
EXECUTE p(1);
EXECUTE p(2);
-- nobody's prepared statements are touched
SELECT name FROM pg_prepared_statements;

-- errors pass through, and leave nothing behind
DO $$
BEGIN
    PERFORM * FROM inventory_perf.cached_query('SELECT 1 / (id - 1) AS a FROM stock');
EXCEPTION WHEN division_by_zero THEN
    RAISE WARNING 'caught: %', SQLERRM;
END
$$;
SELECT * FROM inventory_perf.cached_query('SELECT 1 / (id - 1) AS a FROM stock');
SELECT * FROM inventory_perf.cached_query('SELECT sum(g::bigint) FROM generate_series(1, 100000) AS g');
SET statement_timeout = '50 ms';
SELECT * FROM inventory_perf.cached_query('SELECT pg_sleep(10)');
RESET statement_timeout;
SELECT count(*) FROM inventory_perf.cached_query('SELECT g, repeat(''x'', 1000) AS x FROM generate_series(1, 10000) AS g');

-- what a name means now counts
CREATE VIEW levels AS SELECT 1 AS level;
SELECT * FROM inventory_perf.cached_query('SELECT * FROM levels');
CREATE OR REPLACE VIEW levels AS SELECT 2 AS level;
SELECT * FROM inventory_perf.cached_query('SELECT * FROM levels');
CREATE SCHEMA other;
CREATE VIEW other.levels AS SELECT 3 AS level;
SET search_path = other, public;
SELECT * FROM inventory_perf.cached_query('SELECT * FROM levels');
RESET search_path;
SELECT * FROM inventory_perf.cached_query('SELECT * FROM levels');
CREATE TEMP VIEW levels AS SELECT 4 AS level;
SELECT * FROM inventory_perf.cached_query('SELECT * FROM levels');
DROP VIEW pg_temp.levels;
SELECT * FROM inventory_perf.cached_query('SELECT * FROM stock WHERE id = $1', '[1]');
ALTER TABLE stock ALTER COLUMN id TYPE text;
SELECT * FROM inventory_perf.cached_query('SELECT * FROM stock WHERE id = $1', '["1"]');
ALTER TABLE stock ADD COLUMN more int DEFAULT 7;
SELECT * FROM inventory_perf.cached_query('SELECT * FROM stock WHERE id = $1', '["1"]');
DROP TABLE stock;
SELECT * FROM inventory_perf.cached_query('SELECT * FROM stock WHERE id = $1', '["1"]');
-- more queries than are kept
SELECT count(*) FROM generate_series(1, 300) AS g, LATERAL inventory_perf.cached_query('SELECT 1 AS a' || g % 200);

-- a read only transaction, every isolation level
BEGIN READ ONLY; SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a'); COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a'); COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a'); COMMIT;
