-- Key columns keep their types.
CREATE DOMAIN sku AS varchar(20) CHECK (value <> '');
CREATE TYPE zone AS ENUM ('cold', 'dry', 'ambient');
CREATE TABLE moves (
    u uuid, s smallint, i integer, b bigint, t text, v varchar(10), c char(4), n numeric(6,2),
    d sku, e zone, o oid, y date, z boolean,
    product_id sku, quantity int, moved_at date
);
SELECT count(*) > 0 AS attached
FROM inventory_perf.attach_ledger('moves', dimensions => '{u,s,i,b,t,v,c,n,d,e,o,y,z}');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'stock_levels'::regclass AND attnum > 0 ORDER BY attnum;
INSERT INTO moves VALUES
    ('11111111-1111-1111-1111-111111111111', 1, 2, 3, 'text', 'var', 'ch', 1.5, 'd1', 'dry', 4, '2024-01-01', true, 'p1', 10, '2024-01-01'),
    ('11111111-1111-1111-1111-111111111111', 1, 2, 3, 'text', 'var', 'ch', 1.50, 'd1', 'dry', 4, '2024-01-01', true, 'p1', 5, '2024-01-02'),
    ('11111111-1111-1111-1111-111111111111', 1, 2, 3, 'text', 'var', 'ch', 1.5, 'd1', 'cold', 4, '2024-01-01', true, 'p1', 7, '2024-01-02');
SELECT * FROM stock_levels ORDER BY e;
SELECT e, quantity FROM stock_on('2024-01-01') WHERE e = 'dry' AND product_id = 'p1';
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-01', '{"e": "dry"}');
CREATE VIEW legs AS
    SELECT product_id, u, s, i, b, t, v, c, n, d, e, o, y, z, moved_at AS day, quantity FROM moves;
SELECT * FROM golden.differences('moves', 'legs');
SELECT count(*) AS folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM golden.differences('moves', 'legs');
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('moves', drop_data => true);

-- text keys that are equal only in a collation are one key there
CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE folded (product_id text COLLATE no_case, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('folded');
INSERT INTO folded VALUES ('Bolt', 1, '2024-01-01');
INSERT INTO folded VALUES ('BOLT', 2, '2024-01-01');
INSERT INTO folded VALUES ('bolt', 4, '2024-02-01');
SELECT lower(product_id) AS product, quantity_on_hand FROM stock_levels;
SELECT count(*) AS folded FROM inventory_perf.populate_daily_stock_snapshots('folded');
SELECT lower(product_id) AS product, quantity_on_hand FROM stock_levels;
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('folded', drop_data => true);

-- a type without an order cannot be a key
CREATE TABLE points (product_id point, quantity int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('points');
CREATE TABLE documents (product_id json, quantity int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('documents');
CREATE TYPE article AS (maker int, number int);
CREATE TABLE composite (product_id article, quantity int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('composite');
