-- detach_ledger removes the triggers and what answers; the data goes only when asked.
CREATE TABLE moves (product_id int, quantity int, moved_at date);
INSERT INTO moves VALUES (1, 5, '2024-01-01');
SELECT object, kind FROM inventory_perf.attach_ledger('moves');
SELECT * FROM inventory_perf.detach_ledger('moves');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'moves'::regclass;
SELECT * FROM inventory_perf.ledgers;
-- nothing answers any more: it would be wrong after the next row
INSERT INTO moves VALUES (1, 6, '2024-01-01');
SELECT * FROM stock_levels;
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-01');
SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1;
SELECT * FROM inventory_perf.detach_ledger('moves');

-- attached again: the tables that were kept are in the way until they are dropped, or are taken over
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves', prefix => 'again_');
SELECT * FROM again_stock_levels;
SELECT * FROM inventory_perf.detach_ledger('moves', drop_data => true);

-- with drop_data nothing stays, but an own function of the same name with other arguments
CREATE TABLE others (product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('others', prefix => 'other_');
CREATE FUNCTION other_stock_on(product int) RETURNS text LANGUAGE sql AS 'SELECT $$mine$$';
SELECT * FROM inventory_perf.detach_ledger('others', drop_data => true);
SELECT relname FROM pg_class WHERE relname LIKE 'other\_%' ORDER BY 1;
SELECT other_stock_on(1);
DROP FUNCTION other_stock_on(int);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('others', prefix => 'other_');

-- what the user built on the views is not dropped behind his back
CREATE VIEW mine AS SELECT * FROM other_stock_levels;
SELECT * FROM inventory_perf.detach_ledger('others', drop_data => true);
INSERT INTO others VALUES (1, 5, '2024-01-01');
TABLE mine;
DROP VIEW mine;
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('others', drop_data => true);

-- rolled back, all is as before
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('others', prefix => 'other_');
BEGIN;
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('others', drop_data => true);
INSERT INTO others VALUES (1, 7, '2024-01-01');
ROLLBACK;
INSERT INTO others VALUES (1, 8, '2024-01-01');
SELECT * FROM other_stock_levels;
