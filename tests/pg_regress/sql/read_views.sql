-- The views: one row per key and day with a movement, and one per key. The same answers come from
-- pending rows, from folded ones, and from both.
CREATE TABLE moves (tenant_id int, product_id int, location_id int, quantity numeric, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
INSERT INTO moves VALUES
    (1, 10, 1, 100, '2024-01-05'),
    (1, 10, 1, -30, '2024-01-05'),   -- 70
    (1, 10, 1, -20, '2024-01-20'),   -- 50
    (1, 10, 1,  50, '2024-02-03'),   -- 100
    (1, 10, 1, -100, '2024-04-01'),  -- 0
    (1, 10, 2,   5, '2024-01-31'),
    (1, 10, 2,  -5, '2024-02-01'),   -- 0
    (1, 20, 1,   7, '2023-12-31'),
    (2, 10, 1, 1.5, '2024-02-29');

-- all pending
SELECT * FROM daily_stock_snapshots ORDER BY 1, 2, 3, 4;
SELECT * FROM stock_levels ORDER BY 1, 2, 3;

-- half folded: the later half is pending
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves', until => '2024-01-31');
SELECT * FROM daily_stock_snapshots ORDER BY 1, 2, 3, 4;
SELECT * FROM stock_levels ORDER BY 1, 2, 3;

-- all folded
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM daily_stock_snapshots ORDER BY 1, 2, 3, 4;
SELECT * FROM stock_levels ORDER BY 1, 2, 3;

-- by key and date
SELECT * FROM daily_stock_snapshots WHERE tenant_id = 1 AND product_id = 10 AND location_id = 1
    AND snapshot_date BETWEEN '2024-01-06' AND '2024-02-28' ORDER BY snapshot_date;
SELECT tenant_id, product_id, snapshot_date, closing_quantity FROM daily_stock_snapshots
WHERE snapshot_date >= '2024-02-01' AND closing_quantity > 0 ORDER BY 1, 2, 3;
-- the first and last of a key
(SELECT snapshot_date, closing_quantity FROM daily_stock_snapshots
 WHERE tenant_id = 1 AND product_id = 10 AND location_id = 1 ORDER BY snapshot_date LIMIT 1)
UNION ALL
(SELECT snapshot_date, closing_quantity FROM daily_stock_snapshots
 WHERE tenant_id = 1 AND product_id = 10 AND location_id = 1 ORDER BY snapshot_date DESC LIMIT 1);
SELECT count(*) FROM daily_stock_snapshots;

-- a future-dated movement is part of the level
INSERT INTO moves VALUES (1, 20, 1, 3, '2999-12-31');
SELECT * FROM stock_levels WHERE product_id = 20;
-- views are for reading
INSERT INTO daily_stock_snapshots SELECT * FROM daily_stock_snapshots;
DELETE FROM stock_levels;

CREATE VIEW legs AS SELECT tenant_id, product_id, location_id, moved_at AS day, quantity FROM moves;
SELECT * FROM golden.differences('moves', 'legs');
SELECT sum(expected) AS rows_compared FROM golden.comparisons;
