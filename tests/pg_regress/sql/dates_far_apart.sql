-- Days far from all others: a typing error in the year, days before our era, the last day there is.
CREATE TABLE moves (product_id int, quantity int, moved_at date);
INSERT INTO moves VALUES (1, 10, '2024-01-15'), (1, 20, '2024-02-15'), (2, 5, '2024-02-29');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
CREATE VIEW legs AS SELECT product_id, moved_at AS day, quantity FROM moves;
INSERT INTO moves VALUES (1, 1, '0202-04-15'), (1, 2, '9999-12-31'), (2, 4, '0044-03-15 BC'), (3, 8, '0001-01-01'), (3, 16, '0001-12-31 BC');
SELECT * FROM daily_stock_snapshots ORDER BY product_id, snapshot_date;
SELECT * FROM golden.differences('moves', 'legs');
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT count(*) AS pending FROM stock_pending;
SELECT * FROM daily_stock_snapshots ORDER BY product_id, snapshot_date;
SELECT * FROM golden.differences('moves', 'legs');
-- no storage for the months between: only those with movements are there
SELECT count(*) < 30 AS few_openings FROM stock_openings;
SELECT product_id, quantity FROM stock_on('1500-06-01') ORDER BY product_id;
SELECT product_id, opening_quantity, total_movements, closing_quantity, move_count FROM stock_period('0100-01-01 BC', '9999-12-31') ORDER BY 1;
SELECT snapshot_date, closing_quantity FROM stock_history('0044-03-14 BC', '0044-03-16 BC') WHERE product_id = 2 ORDER BY 1;
SELECT snapshot_date, closing_quantity FROM stock_history('0001-12-30 BC', '0001-01-02') WHERE product_id = 3 ORDER BY 1;

-- the first and the last day that can be summed, and those next to them
INSERT INTO moves VALUES (4, 1, '4713-01-01 BC'), (4, 2, '294276-11-30');
INSERT INTO moves VALUES (4, 4, '4714-12-31 BC');
INSERT INTO moves VALUES (4, 4, '294276-12-01');
SELECT * FROM daily_stock_snapshots WHERE product_id = 4 ORDER BY snapshot_date;
SELECT product_id, quantity FROM stock_on('4713-01-01 BC');
SELECT product_id, quantity FROM stock_on('294276-11-30') WHERE product_id = 4;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM daily_stock_snapshots WHERE product_id = 4 ORDER BY snapshot_date;
SELECT * FROM stock_levels ORDER BY product_id;
SELECT product_id, quantity FROM stock_on('4713-01-01 BC');
SELECT product_id, quantity FROM stock_on('294276-11-30') WHERE product_id = 4;
-- and asked for days that no ledger has
SELECT product_id, quantity FROM stock_on('5874897-12-31') WHERE product_id = 4;
SELECT product_id, quantity FROM stock_on('4714-11-24 BC');
SELECT product_id, closing_quantity FROM stock_period('4714-11-24 BC', '5874897-12-31') ORDER BY 1;
SELECT * FROM inventory_perf.verify_ledger('moves');

-- mended: the year was 2024
DELETE FROM moves WHERE product_id = 4;
UPDATE moves SET moved_at = '2024-04-15' WHERE moved_at = '0202-04-15';
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM daily_stock_snapshots WHERE product_id = 1 ORDER BY snapshot_date;
SELECT * FROM golden.differences('moves', 'legs');
-- and a backfill over all of them
INSERT INTO moves VALUES (1, 1, '0202-04-15');
SELECT inventory_perf.rebuild_ledger('moves') AS ledger_rows_read;
SELECT * FROM golden.differences('moves', 'legs');
