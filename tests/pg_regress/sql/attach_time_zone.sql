-- Where a timestamptz day begins. The session's own zone has no say.
CREATE TABLE moves (product_id int, quantity int, moved_at timestamptz);
INSERT INTO moves VALUES
    (1, 1, '2024-03-09 22:59:59.999999+00'),   -- 2024-03-09 in Paris (UTC+1)
    (1, 2, '2024-03-09 23:00:00+00'),          -- 2024-03-10 in Paris
    (1, 4, '2024-07-31 21:59:59+00'),          -- 2024-07-31 in Paris (UTC+2 in summer)
    (1, 8, '2024-07-31 22:00:00+00');          -- 2024-08-01 in Paris
SHOW timezone;
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves', time_zone => 'Europe/Paris', prefix => 'paris_');
SELECT snapshot_date, total_movements FROM paris_daily_stock_snapshots ORDER BY 1;
SET timezone = 'Asia/Tokyo';
INSERT INTO moves VALUES (1, 16, '2024-12-31 22:59:59+00'), (1, 32, '2024-12-31 23:00:00+00');
SELECT snapshot_date, total_movements FROM paris_daily_stock_snapshots ORDER BY 1;
CREATE VIEW legs AS SELECT product_id, (moved_at AT TIME ZONE 'Europe/Paris')::date AS day, quantity FROM moves;
SELECT * FROM golden.differences('moves', 'legs');
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('moves', drop_data => true);

-- UTC by default
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
SELECT snapshot_date, total_movements FROM daily_stock_snapshots ORDER BY 1;
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('moves', drop_data => true);

-- unknown zones, and NULL
SELECT * FROM inventory_perf.attach_ledger('moves', time_zone => 'Mars/Olympus');
SELECT * FROM inventory_perf.attach_ledger('moves', time_zone => '');
SELECT * FROM inventory_perf.attach_ledger('moves', time_zone => NULL);

-- a date or a timestamp without zone has no need of one
CREATE TABLE local_moves (product_id int, quantity int, moved_at timestamp);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('local_moves', time_zone => 'Asia/Tokyo');
INSERT INTO local_moves VALUES (1, 1, '2024-01-01 23:59:59.999999'), (1, 2, '2024-01-02 00:00');
SELECT snapshot_date, total_movements FROM daily_stock_snapshots ORDER BY 1;
