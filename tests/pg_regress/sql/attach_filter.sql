-- A filter: only rows for which it is true count; NULL is not true.
CREATE TABLE moves (id int PRIMARY KEY, product_id int, quantity int, moved_at date, state text, void boolean);
INSERT INTO moves VALUES
    (1, 1, 10, '2024-01-01', 'done', false),
    (2, 1, 20, '2024-01-01', 'draft', false),
    (3, 1, 40, '2024-01-01', NULL, false),
    (4, 1, 80, '2024-01-02', 'done', NULL);
SELECT object, kind FROM inventory_perf.attach_ledger('moves', filter => $$state = 'done' AND void IS NOT TRUE$$);
-- 10 and 80
SELECT * FROM daily_stock_snapshots ORDER BY snapshot_date;

-- into the filter, out of the filter, moved while in it, changed while out of it
UPDATE moves SET state = 'done' WHERE id = 2;
SELECT snapshot_date, closing_quantity, move_count FROM daily_stock_snapshots ORDER BY snapshot_date;
UPDATE moves SET void = true WHERE id = 1;
SELECT snapshot_date, closing_quantity, move_count FROM daily_stock_snapshots ORDER BY snapshot_date;
UPDATE moves SET moved_at = '2024-01-03' WHERE id = 4;
UPDATE moves SET quantity = 41 WHERE id = 3;
DELETE FROM moves WHERE id = 3;
INSERT INTO moves VALUES (5, 2, 5, '2024-01-01', 'draft', false);
SELECT snapshot_date, closing_quantity, move_count FROM daily_stock_snapshots ORDER BY snapshot_date;

CREATE VIEW legs AS
    SELECT product_id, moved_at AS day, quantity FROM moves WHERE state = 'done' AND void IS NOT TRUE;
SELECT * FROM golden.differences('moves', 'legs');
