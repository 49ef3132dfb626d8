-- What if these were built: costs, and which indexes the plans use.
CREATE EXTENSION hypopg;
CREATE TABLE items AS
SELECT i AS id, i % 5000 AS product, 'Name ' || i AS name, CASE WHEN i % 9 = 0 THEN 1 END AS flag
FROM generate_series(1, 50000) i;
CREATE INDEX items_id ON items (id);
VACUUM ANALYZE items;
SELECT statement, query, cost_after < cost_before / 2 AS cheaper, round(saving_percent) >= 50 AS saves,
    new_indexes, existing_indexes
FROM inventory_perf.evaluate_indexes(
    ARRAY['CREATE INDEX by_product ON items (product)', 'CREATE INDEX CONCURRENTLY ON items (lower(name)) WHERE flag IS NOT NULL'],
    ARRAY['SELECT * FROM items WHERE product = $1', 'SELECT * FROM items WHERE id = 5',
          'SELECT * FROM items WHERE lower(name) = ''x'' AND flag IS NOT NULL', 'SELECT * FROM items']);
SELECT * FROM inventory_perf.evaluate_indexes(NULL, ARRAY['SELECT 1']);
SELECT * FROM inventory_perf.evaluate_indexes(ARRAY[NULL], ARRAY['SELECT 1']);
SELECT * FROM inventory_perf.evaluate_indexes(ARRAY['DROP TABLE items'], ARRAY['SELECT 1']);
SELECT * FROM inventory_perf.evaluate_indexes(
    ARRAY['CREATE INDEX ON items (id)', 'CREATE INDEX ON items (id); DROP TABLE items'], ARRAY['SELECT 1']);
SELECT * FROM inventory_perf.evaluate_indexes(ARRAY['CREATE INDEX ON'], ARRAY['SELECT 1']);
SELECT * FROM inventory_perf.evaluate_indexes(ARRAY['CREATE INDEX ON nowhere (id)'], ARRAY['SELECT 1']);
SELECT * FROM inventory_perf.evaluate_indexes(ARRAY['CREATE INDEX ON items (nothing)'], ARRAY['SELECT 1']);
SELECT * FROM inventory_perf.evaluate_indexes(ARRAY['CREATE INDEX ON items USING gist (id)'], ARRAY['SELECT 1']);
SELECT count(*) FROM hypopg();
