-- Names follow, mapped columns are protected.
CREATE TABLE moves (product_id int, quantity int, moved_at date, spare int);
INSERT INTO moves VALUES (1, 5, '2024-01-01');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
ALTER TABLE moves RENAME TO movements;
INSERT INTO movements VALUES (1, 6, '2024-01-02');
SELECT * FROM stock_levels;
ALTER TABLE movements RENAME COLUMN quantity TO amount;
ALTER TABLE movements RENAME COLUMN product_id TO article;
INSERT INTO movements VALUES (1, 7, '2024-01-03');
UPDATE movements SET amount = 8 WHERE amount = 7;
-- the derived relations keep the names they were made with
SELECT * FROM stock_levels;
SELECT deltas_folded > 0 AS folded FROM inventory_perf.populate_daily_stock_snapshots('movements');
SELECT * FROM inventory_perf.verify_ledger('movements');
SELECT * FROM inventory_perf.stock_on('movements', '2024-01-02', '{"product_id": 1}');
SELECT inventory_perf.rebuild_ledger('movements');
CREATE SCHEMA elsewhere;
ALTER TABLE movements SET SCHEMA elsewhere;
INSERT INTO elsewhere.movements VALUES (1, 100, '2024-01-04');
SELECT * FROM stock_levels;
SELECT * FROM inventory_perf.verify_ledger('elsewhere.movements');
SELECT inventory_perf.repair_ledger('elsewhere.movements');

-- a mapped column keeps its type and stays
ALTER TABLE elsewhere.movements ALTER COLUMN amount TYPE bigint;
ALTER TABLE elsewhere.movements DROP COLUMN amount;
ALTER TABLE elsewhere.movements DROP COLUMN moved_at;
-- others are free
ALTER TABLE elsewhere.movements ALTER COLUMN spare TYPE bigint;
ALTER TABLE elsewhere.movements DROP COLUMN spare;
ALTER TABLE elsewhere.movements ADD COLUMN more text DEFAULT 'x';
INSERT INTO elsewhere.movements VALUES (1, 1000, '2024-01-05');
SELECT * FROM stock_levels;
-- a rewrite of the table changes nothing
VACUUM FULL elsewhere.movements;
INSERT INTO elsewhere.movements VALUES (1, 10000, '2024-01-05');
SELECT * FROM inventory_perf.verify_ledger('elsewhere.movements');

-- a view of the ledger may be renamed
ALTER VIEW stock_levels RENAME TO levels_of_mine;
SELECT * FROM levels_of_mine;
SELECT * FROM inventory_perf.verify_ledger('elsewhere.movements');

-- the ledger goes, with everything that was made for it
DROP TABLE elsewhere.movements;
DROP TABLE elsewhere.movements CASCADE;
SELECT * FROM inventory_perf.ledgers;
SELECT relname, relkind FROM pg_class WHERE relname LIKE 'stock%' ORDER BY 1;
