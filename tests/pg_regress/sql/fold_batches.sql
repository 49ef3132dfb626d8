-- A fold in many batches, which meet the same keys, days and months again; with numbers that
-- integers hold, numbers that they do not hold, and sums that go from one to the other.
CREATE TABLE moves (product_id text COLLATE "C", location_id uuid, quantity numeric, cost numeric, moved_at date);
CREATE FUNCTION place(i int) RETURNS uuid STABLE LANGUAGE sql RETURN md5(i::text)::uuid;
INSERT INTO moves VALUES ('p0', place(0), 1.50, 1, '2023-01-31'), ('p0', place(0), -2, 3, '2023-03-01');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves', value => 'cost');
CREATE VIEW expected AS
    SELECT product_id, location_id, moved_at AS snapshot_date,
           sum(sum(quantity)) OVER so_far - sum(quantity) AS opening_quantity,
           coalesce(sum(quantity) FILTER (WHERE quantity > 0), 0) AS in_quantity,
           coalesce(-sum(quantity) FILTER (WHERE quantity < 0), 0) AS out_quantity,
           sum(quantity) AS total_movements, sum(sum(quantity)) OVER so_far AS closing_quantity, count(*) AS move_count,
           sum(sum(cost)) OVER so_far - sum(cost) AS opening_value, sum(cost) AS value_change,
           sum(sum(cost)) OVER so_far AS closing_value
    FROM moves GROUP BY product_id, location_id, moved_at
    WINDOW so_far AS (PARTITION BY product_id, location_id ORDER BY moved_at);
CREATE VIEW wrong AS
    SELECT count(*) AS wrong_rows FROM (
        (TABLE daily_stock_snapshots EXCEPT ALL TABLE expected) UNION ALL (TABLE expected EXCEPT ALL TABLE daily_stock_snapshots)) AS d;
SET inventory_perf.fold_batch = 1000;

-- months that are open, that lie between, before and after them
DO $$
BEGIN
    FOR i IN 1..3500 LOOP
        INSERT INTO moves VALUES (
            'p' || i % 7, place(i % 4),
            CASE WHEN i % 50 = 0 THEN 1e20 * (i % 9 - 4) WHEN i % 31 = 0 THEN 1e-20 * i ELSE ((i * 37 % 101 - 50) / 10.0)::numeric(8, 2) END,
            CASE WHEN i % 77 = 0 THEN -7e30 ELSE i % 13 END,
            DATE '2022-11-15' + (i * 59) % 200);
    END LOOP;
END $$;
SELECT count(*) FROM stock_pending;
TABLE wrong;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves', until => '2023-03-31');
TABLE wrong;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong;
SELECT count(*) FROM stock_pending;
SELECT * FROM stock_months ORDER BY month;
SELECT * FROM inventory_perf.verify_ledger('moves');

-- what was beyond integers is taken back: sums come back to numbers that fit
DELETE FROM moves WHERE abs(quantity) > 1e12 OR scale(quantity) > 12 OR abs(cost) > 1e12;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong;
SELECT * FROM inventory_perf.verify_ledger('moves');
-- sums at the edge of what integers hold
INSERT INTO moves SELECT 'edge', place(0), q, 0, d FROM (VALUES
    (170141183460469231731687303.715884105727, DATE '2023-01-01'), (0.000000000001, '2023-01-01'),
    (170141183460469231731687303.715884105727, '2023-01-02'), (-340282366920938463463374607.431768211455, '2023-01-02'),
    (99999999999.999999999999, '2023-02-01')) AS v (q, d);
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
INSERT INTO moves VALUES ('edge', place(0), 170141183460469231731687303.715884105727, 0, '2023-01-01');
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong;
SELECT snapshot_date, opening_quantity, total_movements, closing_quantity FROM daily_stock_snapshots WHERE product_id = 'edge' ORDER BY 1;
SELECT * FROM inventory_perf.verify_ledger('moves');

-- the same as a rebuild from nothing gives
CREATE TABLE folded_days AS SELECT d.* FROM stock_days d WHERE d.move_count <> 0;
CREATE TABLE folded_openings AS SELECT * FROM stock_openings WHERE move_count <> 0;
SELECT inventory_perf.rebuild_ledger('moves') = (SELECT count(*) FROM moves) AS all_rows_read;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT count(*) FROM folded_days f FULL JOIN stock_days d USING (k1, k2, month, day)
WHERE (f.in_quantity, f.out_quantity, f.month_quantity, f.value_change, f.month_value, f.move_count)
    IS DISTINCT FROM (d.in_quantity, d.out_quantity, d.month_quantity, d.value_change, d.month_value, d.move_count);
SELECT count(*) FROM folded_openings f FULL JOIN stock_openings o USING (k1, k2, month)
WHERE (f.quantity, f.in_quantity, f.value, f.move_count) IS DISTINCT FROM (o.quantity, o.in_quantity, o.value, o.move_count);

-- in REPEATABLE READ, and in a transaction that is rolled back
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO moves SELECT 'p1', place(i % 4), i, i, DATE '2022-12-01' + i % 60 FROM generate_series(1, 1500) AS i;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong;
ROLLBACK;
TABLE wrong;
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO moves SELECT 'p' || i % 9, place(i % 4), i, i, DATE '2022-12-01' + i % 60 FROM generate_series(1, 1500) AS i;
SAVEPOINT before;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
ROLLBACK TO before;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
COMMIT;
TABLE wrong;
SELECT * FROM inventory_perf.verify_ledger('moves');

-- an owner who alters the storage is told
ALTER TABLE stock_openings DROP CONSTRAINT stock_openings_pkey;
INSERT INTO moves VALUES ('p1', place(1), 1, 1, '2022-12-01');
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
ALTER TABLE stock_openings ADD PRIMARY KEY (k1, k2, month);
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
ALTER TABLE stock_openings DROP CONSTRAINT stock_openings_pkey, ADD PRIMARY KEY (month, k1, k2);
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong;
DROP TABLE moves, folded_days, folded_openings CASCADE;
