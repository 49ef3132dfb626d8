-- by_location => false: the legs of a movement are netted, and there is no location key.
CREATE TABLE moves (tenant_id int, product_id int, from_location_id int, to_location_id int, quantity int, moved_at date);
INSERT INTO moves VALUES
    (1, 1, NULL, 10, 50, '2024-01-01'),   -- receipt: +50
    (1, 1, 10, 20, 30, '2024-01-02'),     -- transfer: one leg of 0
    (1, 1, 20, NULL, 5, '2024-01-02'),    -- issue: -5
    (1, 1, NULL, NULL, 8, '2024-01-02'),  -- neither side: no leg
    (1, 2, NULL, NULL, 8, '2024-01-02');  -- so this product has no key
SELECT object, kind FROM inventory_perf.attach_ledger('moves', by_location => false);

-- 2024-01-02 has two legs: the transfer (0) and the issue (-5)
SELECT * FROM daily_stock_snapshots ORDER BY tenant_id, product_id, snapshot_date;
SELECT * FROM stock_levels ORDER BY tenant_id, product_id;

-- a transfer that becomes an issue
UPDATE moves SET to_location_id = NULL WHERE quantity = 30;
SELECT * FROM daily_stock_snapshots ORDER BY tenant_id, product_id, snapshot_date;
CREATE VIEW legs AS
    SELECT tenant_id, product_id, moved_at AS day,
           (to_location_id IS NOT NULL)::int * quantity - (from_location_id IS NOT NULL)::int * quantity AS quantity
    FROM moves WHERE from_location_id IS NOT NULL OR to_location_id IS NOT NULL;
SELECT * FROM golden.differences('moves', 'legs');
SELECT * FROM inventory_perf.verify_ledger('moves');

-- a one-location ledger: the location column is left out of the key
CREATE TABLE counts (product_id int, warehouse_id int, store_id int, quantity int, moved_at date);
INSERT INTO counts VALUES (1, 1, NULL, 5, '2024-01-01'), (1, 2, NULL, 6, '2024-01-01');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('counts', by_location => false, prefix => 'counts_');
SELECT * FROM counts_stock_levels;
