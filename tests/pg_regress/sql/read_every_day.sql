-- Every day, and every range of days, of a ledger with a gap and a short month, all in one lateral
-- join each: the answers do not depend on which month's openings they are reached from.
CREATE TABLE moves (product_id int, quantity numeric, worth numeric, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves', value => 'worth');
INSERT INTO moves VALUES
    -- a key of every month but April, one that begins late, one that is only moved in May, one whose moves cancel out
    (1, 10, 1, '2023-12-30'), (1, -3, -0.5, '2024-01-01'), (1, 4, 2.25, '2024-01-16'), (1, -1, -1, '2024-01-31'),
    (1, 5.5, 3, '2024-02-14'), (1, 2, 2, '2024-02-15'), (1, -2, -2, '2024-02-29'), (1, 1, 1, '2024-03-03'),
    (1, -7, -1, '2024-03-25'), (1, 3, 3, '2024-05-02'), (1, 1, 1, '2024-05-20'),
    (2, 20, 5, '2024-02-20'), (2, -20, -5, '2024-03-01'), (2, 6, 1, '2024-03-28'),
    (3, 8, 8, '2024-05-17'),
    (4, 9, 9, '2024-01-20'), (4, -9, -9, '2024-01-21');
CREATE TABLE days AS SELECT day::date FROM generate_series(TIMESTAMP '2023-12-28', TIMESTAMP '2024-06-03', '1 day') AS day;
CREATE TABLE ranges AS SELECT f.day AS from_day, t.day AS to_day FROM days AS f JOIN days AS t ON f.day <= t.day;

-- the rows that only one side has
CREATE VIEW wrong_days AS
WITH actual AS (SELECT d.day, s.* FROM days AS d, LATERAL stock_on(d.day) AS s),
     expected AS (SELECT d.day, m.product_id, sum(quantity) AS quantity, sum(worth) AS value
                  FROM days AS d JOIN moves AS m ON m.moved_at <= d.day GROUP BY 1, 2)
(SELECT 'extension', * FROM (TABLE actual EXCEPT ALL TABLE expected) AS a)
UNION ALL (SELECT 'ledger', * FROM (TABLE expected EXCEPT ALL TABLE actual) AS e);
CREATE VIEW wrong_ranges AS
WITH actual AS (SELECT r.*, s.* FROM ranges AS r, LATERAL stock_period(r.from_day, r.to_day) AS s),
     expected AS (
         SELECT from_day, to_day, product_id,
                coalesce(sum(quantity) FILTER (WHERE moved_at < from_day), 0),
                coalesce(sum(quantity) FILTER (WHERE moved_at >= from_day AND quantity > 0), 0),
                coalesce(-sum(quantity) FILTER (WHERE moved_at >= from_day AND quantity < 0), 0),
                coalesce(sum(quantity) FILTER (WHERE moved_at >= from_day), 0), sum(quantity),
                count(*) FILTER (WHERE moved_at >= from_day),
                coalesce(sum(worth) FILTER (WHERE moved_at < from_day), 0),
                coalesce(sum(worth) FILTER (WHERE moved_at >= from_day), 0), sum(worth)
         FROM ranges JOIN moves ON moved_at <= to_day GROUP BY 1, 2, 3)
(SELECT 'extension', * FROM (TABLE actual EXCEPT ALL TABLE expected) AS a)
UNION ALL (SELECT 'ledger', * FROM (TABLE expected EXCEPT ALL TABLE actual) AS e);
CREATE VIEW wrong_histories AS
WITH short AS (SELECT * FROM ranges WHERE to_day - from_day IN (0, 1, 5, 33)),
     actual AS (SELECT r.*, s.* FROM short AS r, LATERAL stock_history(r.from_day, r.to_day) AS s),
     expected AS (
         SELECT from_day, to_day, product_id, d.day,
                coalesce(sum(quantity) FILTER (WHERE moved_at < d.day), 0),
                coalesce(sum(quantity) FILTER (WHERE moved_at = d.day AND quantity > 0), 0),
                coalesce(-sum(quantity) FILTER (WHERE moved_at = d.day AND quantity < 0), 0),
                coalesce(sum(quantity) FILTER (WHERE moved_at = d.day), 0),
                coalesce(sum(quantity) FILTER (WHERE moved_at <= d.day), 0),
                count(*) FILTER (WHERE moved_at = d.day),
                coalesce(sum(worth) FILTER (WHERE moved_at < d.day), 0),
                coalesce(sum(worth) FILTER (WHERE moved_at = d.day), 0),
                coalesce(sum(worth) FILTER (WHERE moved_at <= d.day), 0)
         FROM short JOIN moves ON moved_at <= to_day JOIN days AS d ON d.day BETWEEN from_day AND to_day
         GROUP BY 1, 2, 3, 4)
(SELECT 'extension', * FROM (TABLE actual EXCEPT ALL TABLE expected) AS a)
UNION ALL (SELECT 'ledger', * FROM (TABLE expected EXCEPT ALL TABLE actual) AS e);

SELECT (SELECT count(*) FROM days) AS days, (SELECT count(*) FROM ranges) AS ranges;
-- all pending
TABLE wrong_days;
TABLE wrong_ranges;
TABLE wrong_histories;
-- stored up to the middle of a month, the rest pending
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves', until => '2024-02-14');
TABLE wrong_days;
TABLE wrong_ranges;
TABLE wrong_histories;
-- all stored
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong_days;
TABLE wrong_ranges;
TABLE wrong_histories;
SET plan_cache_mode = force_generic_plan;
TABLE wrong_days;
RESET plan_cache_mode;
-- late rows: folded before the month that stays open without movements, and still pending; then all deleted but one
INSERT INTO moves VALUES (2, 100, 1, '2024-01-10'), (3, 1, 1, '2024-04-18'), (5, -4, 0, '2024-02-27');
DELETE FROM moves WHERE product_id = 4;
TABLE wrong_days;
TABLE wrong_ranges;
TABLE wrong_histories;
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong_days;
TABLE wrong_ranges;
TABLE wrong_histories;
DELETE FROM moves WHERE moved_at <> '2024-03-25';
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves', until => '2024-02-28');
TABLE wrong_days;
TABLE wrong_ranges;
TABLE wrong_histories;
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
TABLE wrong_days;
TABLE wrong_ranges;
TABLE wrong_histories;

-- with many keys that hardly move, the days of a short range are read rather than openings
INSERT INTO moves SELECT 100 + i, i, 1, '2023-12-30' FROM generate_series(1, 120) AS i;
INSERT INTO moves SELECT 100 + i, -1, 0, DATE '2024-01-05' + i * 20 FROM generate_series(1, 6) AS i;
DELETE FROM ranges WHERE (from_day - DATE '2024-01-01') % 4 <> 0;
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
ANALYZE;
TABLE wrong_ranges;
SELECT f AS from_day, t AS to_day, inventory_perf.period_months('moves', f, t)
FROM (VALUES (DATE '2024-01-10', DATE '2024-01-12'), ('2024-01-10', '2024-01-25'), ('2024-01-10', '2024-02-03'), ('2023-12-20', '2024-01-20'), ('2024-02-20', '2024-03-05'), ('2024-01-20', '2024-05-31'), ('-infinity', 'infinity')) AS r (f, t);

-- by what months a balance is reached
SELECT d AS as_of, inventory_perf.opening_month('moves', d), inventory_perf.added_month('moves', d), inventory_perf.removed_month('moves', d)
FROM unnest(ARRAY[DATE '2023-11-30', '2023-12-31', '2024-01-15', '2024-01-16', '2024-02-14', '2024-02-15', '2024-05-31', 'infinity', '-infinity']) AS d;
SELECT inventory_perf.removed_month('moves', NULL);
