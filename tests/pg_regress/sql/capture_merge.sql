-- MERGE: inserts, updates and deletes of one statement.
CREATE TABLE moves (id int PRIMARY KEY, product_id int, quantity int, moved_at date);
INSERT INTO moves VALUES (1, 1, 10, '2024-01-01'), (2, 1, 20, '2024-01-02'), (3, 2, 30, '2024-01-03');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
CREATE VIEW legs AS SELECT product_id, moved_at AS day, quantity FROM moves;
MERGE INTO moves USING (VALUES (1, 11), (2, 0), (4, 44)) AS counted (id, quantity) ON moves.id = counted.id
    WHEN MATCHED AND counted.quantity = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET quantity = counted.quantity
    WHEN NOT MATCHED THEN INSERT VALUES (counted.id, 4, counted.quantity, '2024-01-04');
-- product 1: 11; product 2: 30; product 4: 44
SELECT * FROM daily_stock_snapshots ORDER BY product_id, snapshot_date;
SELECT * FROM golden.differences('moves', 'legs');
MERGE INTO moves USING (VALUES (1), (99)) AS counted (id) ON moves.id = counted.id
    WHEN MATCHED THEN DO NOTHING
    WHEN NOT MATCHED THEN DO NOTHING;
MERGE INTO moves USING (VALUES (3)) AS counted (id) ON moves.id = counted.id
    WHEN MATCHED THEN DELETE;
SELECT * FROM stock_levels ORDER BY product_id;
SELECT * FROM golden.differences('moves', 'legs');
