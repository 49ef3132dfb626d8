-- The form that existing jobs use: tenant, start_date, end_date. It makes the tenant's range right
-- from the ledger itself and tells how many snapshot rows the range has.
CREATE TABLE moves (tenant_id int, product_id int, quantity int, moved_at date);
INSERT INTO moves VALUES
    (1, 10, 5, '2024-01-01'), (1, 10, 6, '2024-01-02'), (1, 11, 7, '2024-01-02'), (1, 10, 8, '2024-02-01'),
    (2, 10, 100, '2024-01-02');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
CREATE VIEW legs AS SELECT tenant_id, product_id, moved_at AS day, quantity FROM moves;

-- three rows in January, one in February
SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-01-31');
SELECT inventory_perf.populate_daily_stock_snapshots(tenant => 1, start_date => '2024-01-01', end_date => '2024-02-29');
SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-02-01');
SELECT inventory_perf.populate_daily_stock_snapshots(1::bigint, '2024-01-02', '2024-01-02');
SELECT inventory_perf.populate_daily_stock_snapshots(99, '2024-01-01', '2024-12-31');
SELECT * FROM golden.differences('moves', 'legs');

-- pending rows and figures that are wrong: right afterwards, in the range and for the tenant
INSERT INTO moves VALUES (1, 12, 1, '2024-01-15');
UPDATE stock_days SET in_quantity = in_quantity + 1000 WHERE day = '2024-01-02';
SELECT key, snapshot_date, measure, ledger_value, snapshot_value FROM inventory_perf.verify_ledger('moves') ORDER BY 1, 2, 3;
SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-01-31');
SELECT DISTINCT key FROM inventory_perf.verify_ledger('moves');
SELECT inventory_perf.populate_daily_stock_snapshots(2, '2024-01-01', '2024-01-31');
SELECT * FROM inventory_perf.verify_ledger('moves');
SELECT * FROM golden.differences('moves', 'legs');
-- and again: nothing changes
SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-01-31');
SELECT * FROM golden.differences('moves', 'legs');

SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-02-01', '2024-01-01');
SELECT inventory_perf.populate_daily_stock_snapshots(1, 'infinity', 'infinity');
SELECT inventory_perf.populate_daily_stock_snapshots(NULL::int, '2024-01-01', '2024-01-31');
SELECT inventory_perf.populate_daily_stock_snapshots(1, NULL, '2024-01-31');
SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', NULL);
SELECT inventory_perf.populate_daily_stock_snapshots('one'::text, '2024-01-01', '2024-01-31');

-- several ledgers: which one is meant is not clear
CREATE TABLE more (tenant_id int, product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('more', prefix => 'more_');
SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-01-31');
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots() ORDER BY ledger::text;
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('more', drop_data => true);
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('moves', drop_data => true);
-- none at all
SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-01-31');
SELECT * FROM inventory_perf.populate_daily_stock_snapshots();

-- tenants of type uuid, text, and an enum
CREATE TABLE by_uuid (tenant_id uuid, product_id int, quantity int, moved_at date);
INSERT INTO by_uuid VALUES ('11111111-1111-1111-1111-111111111111', 1, 1, '2024-01-01');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('by_uuid');
SELECT inventory_perf.populate_daily_stock_snapshots('11111111-1111-1111-1111-111111111111'::uuid, '2024-01-01', '2024-01-31');
SELECT inventory_perf.populate_daily_stock_snapshots('11111111-1111-1111-1111-111111111111', '2024-01-01', '2024-01-31');
SELECT inventory_perf.populate_daily_stock_snapshots(5, '2024-01-01', '2024-01-31');
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('by_uuid', drop_data => true);
CREATE TYPE company AS ENUM ('north', 'south');
CREATE TABLE by_enum (tenant company, product_id int, quantity int, moved_at date);
INSERT INTO by_enum VALUES ('north', 1, 1, '2024-01-01');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('by_enum');
SELECT inventory_perf.populate_daily_stock_snapshots('north'::text, '2024-01-01', '2024-01-31');
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('by_enum', drop_data => true);
-- a ledger without tenant
CREATE TABLE single (product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('single');
SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-01-31');
