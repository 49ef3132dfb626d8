-- backfill => false: the derived relations are there only when backfill_ledger has committed.
CREATE TABLE moves (product_id int, quantity int, moved_at date);
INSERT INTO moves VALUES (1, 10, '2024-01-01'), (2, 5, '2024-01-31');
SELECT object, kind FROM inventory_perf.attach_ledger('moves', backfill => false);
SELECT ledger, state FROM inventory_perf.ledgers;
SELECT * FROM daily_stock_snapshots;
SELECT * FROM stock_levels;
SELECT * FROM stock_on('2024-01-01');
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-01');
SELECT * FROM inventory_perf.stock_history('moves', '2024-01-01', '2024-01-02');
SELECT * FROM inventory_perf.stock_period('moves', '2024-01-01', '2024-01-02');
SELECT * FROM inventory_perf.verify_ledger('moves');

-- what is written meanwhile waits and is counted once
INSERT INTO moves VALUES (1, -3, '2024-01-02');
UPDATE moves SET quantity = 6 WHERE product_id = 2;
DELETE FROM moves WHERE quantity = -3;
INSERT INTO moves VALUES (1, -4, '2024-01-02');
SELECT pending_rows > 0 AS waiting FROM inventory_perf.ledgers;
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots();

BEGIN;
SELECT inventory_perf.backfill_ledger('moves');
ROLLBACK;
SELECT ledger, state FROM inventory_perf.ledgers;
SELECT * FROM stock_levels;

SELECT inventory_perf.backfill_ledger('moves') AS ledger_rows_read;
SELECT ledger, state, pending_rows FROM inventory_perf.ledgers;
SELECT * FROM stock_levels ORDER BY product_id;
INSERT INTO moves VALUES (1, 1, '2024-01-01');
CREATE VIEW legs AS SELECT product_id, moved_at AS day, quantity FROM moves;
SELECT * FROM golden.differences('moves', 'legs');

-- there is nothing more to backfill
SELECT inventory_perf.backfill_ledger('moves');
SELECT * FROM golden.differences('moves', 'legs');

-- TRUNCATE before the backfill, and a detach before it
CREATE TABLE more (product_id int, quantity int, moved_at date);
INSERT INTO more VALUES (1, 10, '2024-01-01');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('more', prefix => 'more_', backfill => false);
INSERT INTO more VALUES (1, 20, '2024-01-01');
TRUNCATE more;
INSERT INTO more VALUES (1, 40, '2024-01-01');
SELECT inventory_perf.backfill_ledger('more') AS ledger_rows_read;
SELECT * FROM more_stock_levels;
CREATE TABLE gone (product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('gone', prefix => 'gone_', backfill => false);
SELECT object, kind, action FROM inventory_perf.detach_ledger('gone', drop_data => true);
SELECT inventory_perf.backfill_ledger('gone');
