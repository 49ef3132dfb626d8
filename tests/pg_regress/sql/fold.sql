-- Folding moves pending rows into days and openings; no answer changes by it.
CREATE TABLE moves (product_id int, location_id int, quantity numeric, cost numeric, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves', value => 'cost');
CREATE VIEW legs AS SELECT product_id, location_id, moved_at AS day, quantity, cost AS value FROM moves;

-- nothing to fold
SELECT ledger, deltas_folded, snapshots_written, duration >= '0' AS timed FROM inventory_perf.populate_daily_stock_snapshots('moves');

INSERT INTO moves VALUES (1, 1, 10, 100, '2024-01-05'), (1, 1, 5, 50, '2024-01-05'), (1, 1, -3, -30, '2024-01-31'), (2, 1, 7, 7, '2024-02-29');
CREATE TABLE before AS SELECT * FROM daily_stock_snapshots;
SELECT pending_rows, oldest_pending IS NOT NULL AS has_oldest, last_fold IS NOT NULL AS has_fold FROM inventory_perf.ledgers;
-- four legs in three key-days
SELECT ledger, deltas_folded, snapshots_written FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT count(*) AS pending FROM stock_pending;
SELECT pending_rows, oldest_pending, last_fold IS NOT NULL AS has_fold FROM inventory_perf.ledgers;
(TABLE before EXCEPT ALL TABLE daily_stock_snapshots) UNION ALL (TABLE daily_stock_snapshots EXCEPT ALL TABLE before);
SELECT * FROM golden.differences('moves', 'legs');
SELECT ledger, deltas_folded, snapshots_written FROM inventory_perf.populate_daily_stock_snapshots('moves');

-- a late row changes every later day, and no day's own movement
INSERT INTO moves VALUES (1, 1, 100, 1, '2023-11-30');
SELECT snapshot_date, opening_quantity, total_movements, closing_quantity FROM daily_stock_snapshots WHERE product_id = 1 ORDER BY 1;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT snapshot_date, opening_quantity, total_movements, closing_quantity FROM daily_stock_snapshots WHERE product_id = 1 ORDER BY 1;
SELECT * FROM golden.differences('moves', 'legs');

-- until: what is later than that day may wait; every answer is exact all the same
INSERT INTO moves VALUES (1, 1, 1, 1, '2024-03-01'), (1, 1, 2, 2, '2024-03-02'), (1, 1, 4, 4, '2024-03-03');
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves', until => '2024-03-02');
SELECT count(*) AS pending FROM stock_pending;
SELECT * FROM golden.differences('moves', 'legs');
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');

-- deltas that cancel out leave no row behind
INSERT INTO moves VALUES (9, 9, 5, 5, '2024-03-03');
DELETE FROM moves WHERE product_id = 9;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT count(*) FROM daily_stock_snapshots WHERE product_id = 9;
SELECT count(*) FROM stock_levels WHERE product_id = 9;

-- a fold that is rolled back
INSERT INTO moves VALUES (3, 1, 1, 1, '2024-03-01');
BEGIN;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
ROLLBACK;
SELECT count(*) AS pending FROM stock_pending;
SELECT * FROM golden.differences('moves', 'legs');

-- every ledger, in one call
CREATE TABLE others (product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('others', prefix => 'other_');
INSERT INTO others VALUES (1, 1, '2024-01-01');
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots() ORDER BY ledger::text;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots(until => '2024-01-01') ORDER BY ledger::text;

-- many deltas of few key-days, and few of many, under the least memory
SET work_mem = '64kB';
INSERT INTO moves SELECT i % 3, 1, i, i, DATE '2024-01-01' + i % 5 FROM generate_series(1, 3000) AS i;
INSERT INTO moves SELECT i, 2, 1, 1, DATE '2024-01-01' + i % 90 FROM generate_series(1, 3000) AS i;
SELECT ledger, deltas_folded > 0 AS folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM inventory_perf.verify_ledger('moves');
WITH expected AS (
    SELECT product_id, location_id, moved_at, sum(sum(quantity)) OVER (PARTITION BY product_id, location_id ORDER BY moved_at) AS closing
    FROM moves GROUP BY product_id, location_id, moved_at)
SELECT count(*) AS days, count(*) FILTER (WHERE s.closing_quantity = e.closing) AS equal
FROM expected AS e FULL JOIN daily_stock_snapshots AS s
    ON (s.product_id, s.location_id, s.snapshot_date) = (e.product_id, e.location_id, e.moved_at);
