-- Late rows, into days, months and years that are folded long since: exact at once, and after the fold.
CREATE TABLE moves (id int PRIMARY KEY, product_id int, location_id int, quantity int, moved_at date);
INSERT INTO moves SELECT i, i % 5, i % 2, 1 + i % 7 - (i % 3) * 2, DATE '2021-01-01' + (i * 7) % 1200 FROM generate_series(1, 600) AS i;
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
CREATE VIEW expected AS
    SELECT product_id, location_id, moved_at AS snapshot_date,
           sum(sum(quantity)) OVER so_far - sum(quantity) AS opening_quantity,
           coalesce(sum(quantity) FILTER (WHERE quantity > 0), 0) AS in_quantity,
           coalesce(-sum(quantity) FILTER (WHERE quantity < 0), 0) AS out_quantity,
           sum(quantity) AS total_movements, sum(sum(quantity)) OVER so_far AS closing_quantity, count(*) AS move_count
    FROM moves GROUP BY product_id, location_id, moved_at
    WINDOW so_far AS (PARTITION BY product_id, location_id ORDER BY moved_at);
CREATE VIEW wrong AS
    SELECT count(*) AS wrong_rows FROM (
        (TABLE daily_stock_snapshots EXCEPT ALL TABLE expected) UNION ALL (TABLE expected EXCEPT ALL TABLE daily_stock_snapshots)) AS d;
SELECT count(*) AS days, (TABLE wrong) FROM expected;

-- into an old day, between days, before the first day of all, after the last
INSERT INTO moves VALUES (1001, 1, 1, 1000, '2021-01-08'), (1002, 1, 1, -2000, '2022-06-15'), (1003, 1, 1, 4000, '2020-02-29'), (1004, 1, 1, -8000, '2024-12-31');
TABLE wrong;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong;
-- into a month that the key has nothing in, and a month that no key has
INSERT INTO moves VALUES (1005, 2, 0, 16000, '2019-07-01'), (1006, 77, 0, 1, '2021-08-08');
TABLE wrong;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong;
-- scattered
INSERT INTO moves SELECT 2000 + i, i % 7, i % 2, 5 - i % 11, DATE '2020-01-01' + (i * 37) % 1900 FROM generate_series(1, 300) AS i;
TABLE wrong;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves', until => '2022-01-01');
TABLE wrong;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong;
-- corrections: earlier, later, elsewhere, gone
UPDATE moves SET moved_at = moved_at - 400, quantity = quantity + 1 WHERE id % 10 = 0;
UPDATE moves SET moved_at = moved_at + 31 WHERE id % 10 = 1;
UPDATE moves SET product_id = product_id + 1, location_id = 1 - location_id WHERE id % 10 = 2;
DELETE FROM moves WHERE id % 10 = 3;
TABLE wrong;
SELECT ledger, deltas_folded > 0 AS folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong;
SELECT count(*) AS days FROM expected;
SELECT * FROM inventory_perf.verify_ledger('moves');
-- the same as a rebuild from nothing gives
CREATE TABLE folded_days AS SELECT * FROM stock_days WHERE move_count <> 0;
CREATE TABLE folded_stock AS SELECT d.day, s.* FROM generate_series(DATE '2019-06-01', DATE '2025-01-31', '17 days') AS d (day), LATERAL stock_on(d.day::date) AS s;
SELECT inventory_perf.rebuild_ledger('moves') = (SELECT count(*) FROM moves) AS all_rows_read;
SELECT count(*) FROM ((TABLE folded_days EXCEPT ALL TABLE stock_days) UNION ALL (TABLE stock_days EXCEPT ALL TABLE folded_days)) AS d;
SELECT count(*) FROM (
    SELECT d.day, s.* FROM generate_series(DATE '2019-06-01', DATE '2025-01-31', '17 days') AS d (day), LATERAL stock_on(d.day::date) AS s
    EXCEPT ALL TABLE folded_stock) AS d;
