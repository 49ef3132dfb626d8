-- A key whose balance is zero is a key as long as it has a movement; a day whose movements cancel out is a row.
CREATE TABLE moves (id int, product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
INSERT INTO moves VALUES (1, 1, 5, '2024-01-10'), (2, 1, -5, '2024-02-10'), (3, 2, 3, '2024-01-10'), (4, 2, -3, '2024-01-10'), (5, 3, 0, '2024-01-10');
SELECT * FROM daily_stock_snapshots ORDER BY product_id, snapshot_date;
SELECT * FROM stock_levels ORDER BY product_id;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM daily_stock_snapshots ORDER BY product_id, snapshot_date;
SELECT * FROM stock_levels ORDER BY product_id;
SELECT * FROM stock_on('2024-01-10') ORDER BY product_id;
-- later months have nothing of it, and it is still a key
SELECT * FROM stock_on('2024-12-31') ORDER BY product_id;
SELECT * FROM stock_period('2024-03-01', '2024-03-31') ORDER BY product_id;
CREATE VIEW legs AS SELECT product_id, moved_at AS day, quantity FROM moves;
SELECT * FROM golden.differences('moves', 'legs');
-- without its last movement it is none, pending or folded
DELETE FROM moves WHERE product_id = 3;
SELECT product_id FROM stock_on('2024-12-31') ORDER BY 1;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT product_id FROM stock_on('2024-12-31') ORDER BY 1;
-- the last day of a key goes back when its latest movement goes
DELETE FROM moves WHERE id = 2;
SELECT product_id, last_moved_on FROM stock_levels ORDER BY 1;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT product_id, last_moved_on FROM stock_levels ORDER BY 1;
SELECT * FROM golden.differences('moves', 'legs');
