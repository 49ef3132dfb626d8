-- Triggers that do not fire: switched off for the table, or for the session as a replica is.
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
