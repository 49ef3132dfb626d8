-- DELETE and TRUNCATE: a day whose legs are all gone is no row, a key without legs is no key.
CREATE TABLE moves (id int PRIMARY KEY, product_id int, quantity int, moved_at date);
INSERT INTO moves VALUES
    (1, 1, 10, '2024-01-01'), (2, 1, 20, '2024-01-01'), (3, 1, -5, '2024-02-01'), (4, 2, 1, '2024-01-01');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
CREATE VIEW legs AS SELECT product_id, moved_at AS day, quantity FROM moves;

DELETE FROM moves WHERE id = 2;
SELECT * FROM daily_stock_snapshots ORDER BY product_id, snapshot_date;
DELETE FROM moves WHERE id = 1;
SELECT * FROM daily_stock_snapshots ORDER BY product_id, snapshot_date;
DELETE FROM moves WHERE id = 4;
SELECT * FROM stock_levels;
SELECT * FROM stock_on('2024-12-31');
SELECT * FROM golden.differences('moves', 'legs');
-- the same when all is folded
SELECT deltas_folded > 0 AS folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM daily_stock_snapshots ORDER BY product_id, snapshot_date;
SELECT * FROM stock_levels;
SELECT * FROM golden.differences('moves', 'legs');
-- nothing deleted, nothing emitted
DELETE FROM moves WHERE false;
SELECT count(*) AS pending FROM stock_pending;
-- a key that comes again
INSERT INTO moves VALUES (5, 2, 2, '2024-01-01');
SELECT * FROM golden.differences('moves', 'legs');
DELETE FROM moves;
SELECT count(*) FROM daily_stock_snapshots;
SELECT deltas_folded > 0 AS folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT count(*) FROM stock_levels;

-- TRUNCATE, of folded and of pending rows, rolled back and done
INSERT INTO moves VALUES (1, 1, 10, '2024-01-01'), (2, 1, 20, '2024-01-15');
SELECT deltas_folded > 0 AS folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
INSERT INTO moves VALUES (3, 1, 40, '2024-03-01');
BEGIN;
TRUNCATE moves;
SELECT count(*) FROM stock_levels;
INSERT INTO moves VALUES (4, 1, 80, '2024-03-01');
SELECT * FROM stock_levels;
ROLLBACK;
SELECT * FROM daily_stock_snapshots ORDER BY snapshot_date;
SELECT * FROM golden.differences('moves', 'legs');
BEGIN;
INSERT INTO moves VALUES (5, 1, 160, '2024-03-01');
TRUNCATE moves;
INSERT INTO moves VALUES (6, 1, 320, '2024-03-01');
COMMIT;
SELECT * FROM daily_stock_snapshots ORDER BY snapshot_date;
SELECT * FROM golden.differences('moves', 'legs');

-- TRUNCATE ... CASCADE reaches the ledger
CREATE TABLE products (id int PRIMARY KEY);
INSERT INTO products VALUES (1);
ALTER TABLE moves ADD FOREIGN KEY (product_id) REFERENCES products;
TRUNCATE products CASCADE;
SELECT count(*) FROM stock_levels;
SELECT * FROM golden.differences('moves', 'legs');

-- a trigger that comes first, and writes
INSERT INTO products VALUES (1);
CREATE FUNCTION refill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO moves VALUES (1, 1, 7, '2024-05-01');
    RETURN NULL;
END
$$;
CREATE TRIGGER "00_first" AFTER TRUNCATE ON moves EXECUTE FUNCTION refill();
TRUNCATE moves;
SELECT * FROM stock_levels;
SELECT * FROM golden.differences('moves', 'legs');
