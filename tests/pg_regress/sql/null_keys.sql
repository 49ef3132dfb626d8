-- Rows with a NULL in key, day or quantity do not count; how many there are is told, and no write is refused.
CREATE TABLE moves (id int, tenant_id int, product_id int, location_id int, quantity int, moved_at date);
INSERT INTO moves VALUES
    (1, 1, 1, 1, 10, '2024-01-01'),
    (2, NULL, 1, 1, 100, '2024-01-01'),
    (3, 1, NULL, 1, 100, '2024-01-01'),
    (4, 1, 1, NULL, 100, '2024-01-01'),
    (5, 1, 1, 1, NULL, '2024-01-01'),
    (6, 1, 1, 1, 100, NULL);
SELECT object, kind FROM inventory_perf.attach_ledger('moves');
SELECT * FROM stock_levels;
INSERT INTO moves VALUES (7, NULL, 1, 1, 100, '2024-01-01'), (8, 1, 1, 1, 5, '2024-01-02');
SELECT * FROM stock_levels;
SELECT * FROM inventory_perf.verify_ledger('moves');
-- from NULL to something and back
UPDATE moves SET tenant_id = 1 WHERE id = 2;
UPDATE moves SET product_id = NULL WHERE id = 1;
UPDATE moves SET quantity = NULL WHERE id = 8;
UPDATE moves SET moved_at = '2024-03-01' WHERE id = 6;
UPDATE moves SET quantity = 7 WHERE tenant_id IS NULL;
DELETE FROM moves WHERE product_id IS NULL;
-- rows 2 and 6 count
SELECT * FROM daily_stock_snapshots ORDER BY snapshot_date;
CREATE VIEW legs AS SELECT tenant_id, product_id, location_id, moved_at AS day, quantity FROM moves
    WHERE (tenant_id, product_id, location_id, moved_at, quantity) IS NOT NULL;
SELECT * FROM golden.differences('moves', 'legs');
SELECT inventory_perf.rebuild_ledger('moves');
SELECT * FROM golden.differences('moves', 'legs');
