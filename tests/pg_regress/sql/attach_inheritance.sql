-- Tables that are part of others. A statement fires the triggers of the table that it names, so a
-- ledger is attached at the root of its tree, and the root has the rows of all.
CREATE TABLE parted (product_id int, quantity int, moved_at date) PARTITION BY LIST (product_id);
CREATE TABLE leaf PARTITION OF parted DEFAULT;
SELECT count(*) FROM inventory_perf.attach_ledger('leaf');

-- inheritance: a query of the parent has the rows of its children
CREATE TABLE parent (product_id int, quantity int, moved_at date);
CREATE TABLE child (extra text) INHERITS (parent);
INSERT INTO parent VALUES (1, 1, '2024-01-01');
INSERT INTO child VALUES (1, 2, '2024-01-01', 'x');
SELECT count(*) FROM inventory_perf.attach_ledger('child');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('parent');
CREATE VIEW legs AS SELECT product_id, moved_at AS day, quantity FROM parent;
SELECT * FROM stock_levels;
INSERT INTO child VALUES (1, 4, '2024-01-02', 'x');
UPDATE parent SET quantity = quantity * 10;
DELETE FROM ONLY parent;
SELECT * FROM stock_levels;
SELECT * FROM golden.differences('parent', 'legs');
-- a child that comes later, and one that leaves
CREATE TABLE second_child () INHERITS (parent);
INSERT INTO second_child VALUES (2, 8, '2024-01-02');
SELECT * FROM golden.differences('parent', 'legs');
ALTER TABLE child NO INHERIT parent;
SELECT * FROM stock_levels ORDER BY 1;
INSERT INTO child VALUES (1, 16, '2024-01-02', 'x');
SELECT * FROM golden.differences('parent', 'legs');
ALTER TABLE child INHERIT parent;
SELECT * FROM golden.differences('parent', 'legs');
TRUNCATE ONLY parent;
SELECT * FROM golden.differences('parent', 'legs');
TRUNCATE child;
SELECT * FROM golden.differences('parent', 'legs');
TRUNCATE parent;
SELECT * FROM golden.differences('parent', 'legs');
INSERT INTO child VALUES (1, 32, '2024-01-02', 'x');
SELECT * FROM stock_levels;

-- a ledger that becomes a part of another table would miss what is written through it
CREATE TABLE moves (product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves', prefix => 'moves_');
INSERT INTO moves VALUES (1, 1, '2024-01-01');
CREATE TABLE whole (product_id int, quantity int, moved_at date) PARTITION BY LIST (product_id);
ALTER TABLE whole ATTACH PARTITION moves DEFAULT;
INSERT INTO whole VALUES (1, 2, '2024-01-01');
SELECT * FROM moves_stock_levels;
CREATE TABLE ancestor (product_id int, quantity int, moved_at date);
ALTER TABLE moves INHERIT ancestor;
UPDATE ancestor SET quantity = 100;
SELECT * FROM moves_stock_levels;
