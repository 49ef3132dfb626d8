-- Arguments out of range, budgets, and what is missing.
CREATE TABLE items AS
SELECT i AS id, i % 100 AS zone, i % 5000 AS product FROM generate_series(1, 50000) i;
ANALYZE items;
SELECT * FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM items WHERE product = 1']);
CREATE SCHEMA "Hypo";
CREATE EXTENSION hypopg SCHEMA "Hypo";
SELECT * FROM inventory_perf.advise_indexes(ARRAY['SELECT 1'], storage_budget => -1);
SELECT * FROM inventory_perf.advise_indexes(ARRAY['SELECT 1'], max_columns => 0);
SELECT * FROM inventory_perf.advise_indexes(ARRAY['SELECT 1'], max_columns => NULL);
SELECT * FROM inventory_perf.advise_indexes(ARRAY['SELECT 1'], time_limit => '0');
SELECT * FROM inventory_perf.advise_indexes(ARRAY['SELECT 1'], time_limit => NULL);
SELECT * FROM inventory_perf.advise_indexes(ARRAY['SELECT 1'], relations => ARRAY['pg_class']::regclass[]);

-- no bytes, no advice; never more than the budget
SELECT count(*) FROM inventory_perf.advise_indexes(
    ARRAY['SELECT * FROM items WHERE product = 1'], storage_budget => 0);
SELECT b AS budget, count(a.rank) AS indexes, coalesce(sum(a.size_bytes), 0) <= b AS fits
FROM (VALUES (8192), (500000), (1000000), (100000000)) v (b), LATERAL inventory_perf.advise_indexes(
    ARRAY['SELECT * FROM items WHERE product = 1', 'SELECT * FROM items WHERE id = 5'],
    storage_budget => b) a
GROUP BY b ORDER BY b;

-- statements that cannot be used do not stop the others
SELECT create_ddl FROM inventory_perf.advise_indexes(ARRAY[
    'SELEC', NULL, 'DROP TABLE items', 'SELECT * FROM nowhere', 'SELECT 1; SELECT 2',
    'SELECT * FROM items WHERE product = 1; DROP TABLE items',
    'SELECT * FROM items WHERE product = 1'
]);

-- a caller's prepared statements, settings and hypothetical indexes stay, and are not seen
PREPARE mine AS SELECT 1;
SELECT FROM "Hypo".hypopg_create_index('CREATE INDEX ON items (product)');
SELECT create_ddl, cost_before > 500 AS not_seen
FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM items WHERE product = 1']);
SELECT count(*) AS mine FROM "Hypo".hypopg();
EXECUTE mine;
SELECT count(*) FROM items WHERE product = 1;

-- a cancel leaves nothing behind
SET statement_timeout = '200ms';
SELECT count(*) FROM inventory_perf.advise_indexes((
    SELECT array_agg(format('SELECT * FROM items WHERE product = %s AND zone < %s AND id > $1', i, i))
    FROM generate_series(1, 20000) i));
RESET statement_timeout;
SELECT count(*) AS mine FROM "Hypo".hypopg();
SELECT count(*) FROM items WHERE product = 1;

-- without the right to read the table
CREATE ROLE advise_indexes_stranger;
SET ROLE advise_indexes_stranger;
SELECT count(*) FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM public.items WHERE product = 1']);
RESET ROLE;
DROP ROLE advise_indexes_stranger;
