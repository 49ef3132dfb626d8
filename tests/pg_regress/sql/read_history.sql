-- stock_history(from_date, to_date): one row per key and every day, gaps filled.
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

-- 2024-01-30 … 2024-02-04: (1, 10, 2) is a key of the range from its first day on
SELECT * FROM stock_history('2024-01-30', '2024-02-04') WHERE tenant_id = 1 AND product_id = 10 ORDER BY 1, 2, 3, 4;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves', until => '2024-01-31');
SELECT * FROM stock_history('2024-01-30', '2024-02-04') WHERE tenant_id = 1 AND product_id = 10 ORDER BY 1, 2, 3, 4;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM stock_history('2024-01-30', '2024-02-04') WHERE tenant_id = 1 AND product_id = 10 ORDER BY 1, 2, 3, 4;
-- one day, and none
SELECT * FROM stock_history('2024-01-05', '2024-01-05') ORDER BY 1, 2, 3, 4;
SELECT count(*) FROM stock_history('2000-01-01', '2000-01-31');
-- the wrong way round, and NULL
SELECT count(*) FROM stock_history('2024-02-04', '2024-02-03');
SELECT count(*) FROM stock_history(NULL, '2024-02-03');
SELECT count(*) FROM stock_history('2024-02-03', NULL);
-- a leap year has 366 days, for each of the 4 keys
SELECT count(*), count(DISTINCT snapshot_date), sum(total_movements), sum(move_count) FROM stock_history('2024-01-01', '2024-12-31');
-- the closing of a day is the opening of the next
SELECT count(*) AS broken FROM (
    SELECT opening_quantity, lag(closing_quantity) OVER (PARTITION BY tenant_id, product_id, location_id ORDER BY snapshot_date) AS before
    FROM stock_history('2023-12-01', '2024-05-01')) AS h
WHERE opening_quantity <> before;
-- only some days of the range
SELECT snapshot_date, closing_quantity FROM stock_history('2023-01-01', '2024-12-31')
WHERE tenant_id = 1 AND product_id = 10 AND location_id = 1 AND snapshot_date IN ('2024-01-04', '2024-01-05', '2024-12-31') ORDER BY 1;

CREATE VIEW legs AS SELECT tenant_id, product_id, location_id, moved_at AS day, quantity FROM moves;
SELECT * FROM golden.differences('moves', 'legs');
