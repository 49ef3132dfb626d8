-- Foreign key actions that write to the ledger.
CREATE TABLE products (id int PRIMARY KEY);
CREATE TABLE shops (id int PRIMARY KEY);
CREATE TABLE moves (
    product_id int REFERENCES products ON DELETE CASCADE ON UPDATE CASCADE,
    store_id int REFERENCES shops ON DELETE SET NULL,
    quantity int, moved_at date);
INSERT INTO products VALUES (1), (2), (3);
INSERT INTO shops VALUES (1), (2);
INSERT INTO moves SELECT p.id, s.id, p.id * 10 + s.id, '2024-01-01' FROM products AS p, shops AS s;
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
CREATE VIEW legs AS SELECT product_id, store_id, moved_at AS day, quantity FROM moves
    WHERE product_id IS NOT NULL AND store_id IS NOT NULL;

UPDATE products SET id = 20 WHERE id = 2;
SELECT * FROM stock_levels ORDER BY 1, 2;
DELETE FROM products WHERE id = 1;
SELECT * FROM stock_levels ORDER BY 1, 2;
-- the key becomes NULL: the rows count no more
DELETE FROM shops WHERE id = 1;
SELECT * FROM stock_levels ORDER BY 1, 2;
SELECT * FROM golden.differences('moves', 'legs');
