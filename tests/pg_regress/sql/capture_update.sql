-- UPDATE: of quantity, day, key; one that changes nothing that is mapped emits nothing.
CREATE TABLE moves (id int PRIMARY KEY, product_id int, quantity int, moved_at timestamp, note text);
INSERT INTO moves VALUES (1, 1, 10, '2024-01-01 08:00'), (2, 1, 20, '2024-01-15 08:00'), (3, 2, 40, '2024-02-01 08:00');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
CREATE VIEW legs AS SELECT product_id, moved_at::date AS day, quantity FROM moves;

-- nothing mapped changes
UPDATE moves SET note = 'counted twice';
UPDATE moves SET quantity = quantity, product_id = product_id, moved_at = moved_at;
UPDATE moves SET moved_at = moved_at + interval '1 hour';
UPDATE moves SET quantity = 5 WHERE id = 99;
SELECT count(*) AS pending FROM stock_pending;

UPDATE moves SET quantity = 11 WHERE id = 1;
SELECT count(*) AS pending FROM stock_pending;
-- the same figures in another way: one leg of 11, not a leg of 10 and one of 1
SELECT product_id, snapshot_date, in_quantity, out_quantity, move_count FROM daily_stock_snapshots ORDER BY 1, 2;
UPDATE moves SET moved_at = '2023-12-31' WHERE id = 1;
UPDATE moves SET product_id = 3 WHERE id = 2;
UPDATE moves SET id = id + 10, quantity = -quantity;
SELECT * FROM daily_stock_snapshots ORDER BY product_id, snapshot_date;

-- several rows of a statement change places: the sums stay, so nothing is emitted or it cancels out
INSERT INTO moves VALUES (21, 5, 1, '2024-01-01'), (22, 5, 2, '2024-01-01');
UPDATE moves SET quantity = 3 - quantity WHERE product_id = 5;
SELECT * FROM daily_stock_snapshots WHERE product_id = 5;

-- UPDATE ... FROM, with RETURNING, in a CTE with another of the same table
WITH a AS (UPDATE moves SET quantity = quantity + 100 WHERE id = 21 RETURNING id),
     b AS (UPDATE moves SET quantity = quantity + 1000 WHERE id = 22 RETURNING id)
SELECT count(*) FROM (TABLE a UNION ALL TABLE b) AS changed;
UPDATE moves SET quantity = v.q FROM (VALUES (21, 7), (22, 8)) AS v (id, q) WHERE moves.id = v.id;
SELECT * FROM daily_stock_snapshots WHERE product_id = 5;

-- SELECT ... FOR UPDATE and a cursor
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM moves WHERE product_id = 5 ORDER BY id FOR UPDATE;
FETCH c;
UPDATE moves SET quantity = 70 WHERE CURRENT OF c;
COMMIT;
SELECT quantity_on_hand FROM stock_levels WHERE product_id = 5;

SELECT * FROM golden.differences('moves', 'legs');
SELECT count(*) AS folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM golden.differences('moves', 'legs');

-- a column added later, and a generated one that is mapped
ALTER TABLE moves ADD COLUMN extra int DEFAULT 5;
ALTER TABLE moves DROP COLUMN note;
UPDATE moves SET extra = 6;
SELECT count(*) AS pending FROM stock_pending;
UPDATE moves SET quantity = quantity + 1;
SELECT * FROM golden.differences('moves', 'legs');
CREATE TABLE boxes (product_id int, boxes int, pieces int GENERATED ALWAYS AS (boxes * 12) STORED, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('boxes', quantity => 'pieces', prefix => 'box_');
INSERT INTO boxes VALUES (1, 2, DEFAULT, '2024-01-01');
UPDATE boxes SET boxes = 3;
SELECT * FROM box_stock_levels;
