-- Writes past the triggers: those of a replica are captured; when the triggers are switched off or
-- dropped, reads refuse to answer instead of being wrong.
CREATE TABLE moves (product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
INSERT INTO moves VALUES (1, 1, '2024-01-01');
CREATE VIEW legs AS SELECT product_id, moved_at AS day, quantity FROM moves;

-- as logical replication and pg_restore --disable-triggers write
SET session_replication_role = replica;
INSERT INTO moves VALUES (1, 2, '2024-01-01');
RESET session_replication_role;
SELECT quantity_on_hand FROM stock_levels;
SELECT * FROM golden.differences('moves', 'legs');

-- switched off: reads refuse to answer until the ledger is rebuilt
ALTER TABLE moves DISABLE TRIGGER ALL;
INSERT INTO moves VALUES (1, 4, '2024-01-01');
SELECT state FROM inventory_perf.ledgers;
SELECT quantity_on_hand FROM stock_levels;
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM stock_on('2024-01-01');
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-01');
ALTER TABLE moves ENABLE TRIGGER ALL;
SELECT quantity_on_hand FROM stock_levels;
SELECT inventory_perf.rebuild_ledger('moves') AS ledger_rows_read;
SELECT state FROM inventory_perf.ledgers;
SELECT quantity_on_hand FROM stock_levels;
INSERT INTO moves VALUES (1, 8, '2024-01-01');
SELECT * FROM golden.differences('moves', 'legs');

-- one of them, under its name
ALTER TABLE moves DISABLE TRIGGER "00_inventory_perf_delete";
SELECT quantity_on_hand FROM stock_levels;
SELECT inventory_perf.repair_ledger('moves') IS NOT NULL AS repaired;
SELECT quantity_on_hand FROM stock_levels;
DELETE FROM moves WHERE quantity = 8;
SELECT * FROM golden.differences('moves', 'legs');

-- one dropped
DROP TRIGGER "00_inventory_perf_update" ON moves;
UPDATE moves SET quantity = quantity * 10;
SELECT quantity_on_hand FROM stock_levels;
SELECT inventory_perf.rebuild_ledger('moves') AS ledger_rows_read;
UPDATE moves SET quantity = quantity + 1;
SELECT quantity_on_hand FROM stock_levels;
SELECT * FROM golden.differences('moves', 'legs');

-- another's trigger switched off is another's affair
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER mine AFTER INSERT ON moves FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE moves DISABLE TRIGGER mine;
SELECT quantity_on_hand FROM stock_levels;

-- enabled like others, they go on capturing what a replica writes
ALTER TABLE moves ENABLE TRIGGER ALL;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'moves'::regclass AND tgname <> 'mine' ORDER BY 1;
SET session_replication_role = replica;
INSERT INTO moves VALUES (1, 16, '2024-01-01');
RESET session_replication_role;
SELECT * FROM golden.differences('moves', 'legs');

-- one replaced by another's
CREATE OR REPLACE TRIGGER "00_inventory_perf_insert" AFTER INSERT ON moves EXECUTE FUNCTION nothing();
INSERT INTO moves VALUES (1, 32, '2024-01-01');
SELECT quantity_on_hand FROM stock_levels;
SELECT inventory_perf.repair_ledger('moves') AS corrected;
INSERT INTO moves VALUES (1, 64, '2024-01-01');
SELECT * FROM golden.differences('moves', 'legs');

-- one renamed captures as before, and only once after its ledger was rebuilt, or attached anew
ALTER TRIGGER "00_inventory_perf_insert" ON moves RENAME TO renamed;
INSERT INTO moves VALUES (1, 128, '2024-01-01');
SELECT * FROM golden.differences('moves', 'legs');
ALTER TABLE moves DISABLE TRIGGER "00_inventory_perf_update";
SELECT inventory_perf.rebuild_ledger('moves') AS ledger_rows_read;
INSERT INTO moves VALUES (1, 256, '2024-01-01');
SELECT * FROM golden.differences('moves', 'legs');
ALTER TRIGGER "00_inventory_perf_insert" ON moves RENAME TO renamed;
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('moves', drop_data => true);
SELECT tgname FROM pg_trigger WHERE tgrelid = 'moves'::regclass;
