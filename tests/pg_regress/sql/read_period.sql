-- stock_period(from_date, to_date): one row per key: opening, in, out, net, closing, moves.
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

-- January: (1,10,1) 0 +100 -50 = 50 in 3 moves; (1,10,2) 0 +5; (1,20,1) 7 all the while
SELECT * FROM stock_period('2024-01-01', '2024-01-31') ORDER BY 1, 2, 3;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves', until => '2024-01-15');
SELECT * FROM stock_period('2024-01-01', '2024-01-31') ORDER BY 1, 2, 3;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM stock_period('2024-01-01', '2024-01-31') ORDER BY 1, 2, 3;
-- within a month, from the middle of one to the middle of another, over years, one day
SELECT * FROM stock_period('2024-01-06', '2024-01-20') ORDER BY 1, 2, 3;
SELECT * FROM stock_period('2024-01-20', '2024-02-15') ORDER BY 1, 2, 3;
SELECT * FROM stock_period('2000-01-01', '2100-01-01') ORDER BY 1, 2, 3;
SELECT * FROM stock_period('2024-02-29', '2024-02-29') WHERE tenant_id = 2;
-- before everything, after everything, the wrong way round, NULL
SELECT count(*) FROM stock_period('2000-01-01', '2000-12-31');
SELECT * FROM stock_period('2030-01-01', '2030-12-31') ORDER BY 1, 2, 3;
SELECT count(*) FROM stock_period('2024-01-31', '2024-01-01');
SELECT count(*) FROM stock_period(NULL, '2024-01-01');
SELECT count(*) FROM stock_period('2024-01-01', NULL);
-- two months are the sum of each
SELECT sum(in_quantity), sum(out_quantity), sum(move_count) FROM (
    SELECT * FROM stock_period('2024-01-01', '2024-01-31') UNION ALL SELECT * FROM stock_period('2024-02-01', '2024-02-29')) AS p;
SELECT sum(in_quantity), sum(out_quantity), sum(move_count) FROM stock_period('2024-01-01', '2024-02-29');

CREATE VIEW legs AS SELECT tenant_id, product_id, location_id, moved_at AS day, quantity FROM moves;
SELECT * FROM golden.differences('moves', 'legs');
