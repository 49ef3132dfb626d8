-- The second measure: the value of the movements, in every relation, NULL values and zero quantities included.
CREATE TABLE moves (product_id int, quantity numeric, cost numeric(12,2), moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves', value => 'cost');
INSERT INTO moves VALUES
    (1, 10, 100.00, '2024-01-10'),
    (1, -4, -40.00, '2024-01-20'),
    (1, 0, 3.50, '2024-01-25'),     -- a revaluation: no quantity, a leg all the same
    (1, 5, NULL, '2024-02-02'),     -- a movement of no known value: worth nothing
    (2, 1, 9.99, '2024-01-31');
SELECT * FROM daily_stock_snapshots ORDER BY product_id, snapshot_date;
SELECT * FROM stock_levels ORDER BY product_id;
SELECT * FROM stock_on('2024-01-31') ORDER BY product_id;
SELECT * FROM stock_period('2024-01-15', '2024-02-28') ORDER BY product_id;
SELECT * FROM stock_history('2024-01-25', '2024-01-26') ORDER BY product_id;
UPDATE moves SET cost = 12 WHERE cost = 9.99;
UPDATE moves SET cost = 50 WHERE cost IS NULL;
SELECT ledger, deltas_folded > 0 AS folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM stock_levels ORDER BY product_id;
CREATE VIEW legs AS SELECT product_id, moved_at AS day, quantity, coalesce(cost, 0) AS value FROM moves;
SELECT * FROM golden.differences('moves', 'legs');
SELECT * FROM inventory_perf.verify_ledger('moves');
