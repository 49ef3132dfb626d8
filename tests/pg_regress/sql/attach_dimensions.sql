-- More key columns: lots and owners, kept in the order they are given, after tenant, product, location.
CREATE TABLE moves (lot_id text, owner_id int, product_id int, location_id int, quantity numeric, moved_at date);
SELECT object, kind FROM inventory_perf.attach_ledger('moves', dimensions => '{owner_id,lot_id}');
INSERT INTO moves VALUES
    ('L1', 1, 9, 5, 10, '2024-01-01'),
    ('L1', 2, 9, 5, 20, '2024-01-01'),
    ('L2', 1, 9, 5, 40, '2024-01-01'),
    ('L1', 1, 9, 5, -3, '2024-01-15'),
    ('L1', NULL, 9, 5, 1000, '2024-01-15');   -- a NULL in the key: does not count
SELECT * FROM stock_levels ORDER BY product_id, location_id, owner_id, lot_id;
SELECT * FROM stock_on('2024-01-14') WHERE lot_id = 'L1' ORDER BY owner_id;
-- per product, from the snapshots: 10 + 20 + 40 - 3
SELECT product_id, sum(quantity) FROM stock_on('2024-02-01') GROUP BY product_id;

CREATE VIEW legs AS
    SELECT product_id, location_id, owner_id, lot_id, moved_at AS day, quantity FROM moves WHERE owner_id IS NOT NULL;
SELECT * FROM golden.differences('moves', 'legs');

-- refused: a dimension that is no column, that is a key already, that is named twice, that is NULL
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('moves', drop_data => true);
SELECT * FROM inventory_perf.attach_ledger('moves', dimensions => '{colour}');
SELECT * FROM inventory_perf.attach_ledger('moves', dimensions => '{product_id}');
SELECT * FROM inventory_perf.attach_ledger('moves', dimensions => '{lot_id,lot_id}');
SELECT * FROM inventory_perf.attach_ledger('moves', dimensions => '{lot_id,NULL}');
