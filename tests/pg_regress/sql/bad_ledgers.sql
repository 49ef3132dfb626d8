-- What cannot be a ledger, and arguments that say nothing.
CREATE TABLE moves (product_id int, quantity int, moved_at date);
CREATE VIEW moves_view AS SELECT * FROM moves;
CREATE MATERIALIZED VIEW moves_matview AS SELECT * FROM moves;
CREATE TEMP TABLE moves_temp (product_id int, quantity int, moved_at date);
CREATE UNLOGGED TABLE moves_unlogged (product_id int, quantity int, moved_at date);
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE moves_foreign (product_id int, quantity int, moved_at date) SERVER nowhere;
CREATE INDEX moves_index ON moves (product_id);
CREATE SEQUENCE moves_sequence;
CREATE TYPE moves_type AS (product_id int, quantity int, moved_at date);

SELECT * FROM inventory_perf.attach_ledger('moves_view');
SELECT * FROM inventory_perf.attach_ledger('moves_matview');
DO $$
BEGIN
    PERFORM inventory_perf.attach_ledger('moves_temp');
EXCEPTION WHEN wrong_object_type THEN
    RAISE NOTICE '%', regexp_replace(sqlerrm, 'pg_temp_\d+', 'pg_temp');
END $$;
SELECT * FROM inventory_perf.attach_ledger('moves_unlogged');
SELECT * FROM inventory_perf.attach_ledger('moves_foreign');
SELECT * FROM inventory_perf.attach_ledger('moves_index');
SELECT * FROM inventory_perf.attach_ledger('moves_sequence');
SELECT * FROM inventory_perf.attach_ledger('moves_type');
SELECT * FROM inventory_perf.attach_ledger('pg_class', product => 'relname', quantity => 'relpages', moved_at => 'oid');
SELECT * FROM inventory_perf.attach_ledger('no_such_table');
SELECT * FROM inventory_perf.attach_ledger(0::oid::regclass);
SELECT * FROM inventory_perf.attach_ledger(NULL);

-- columns that do not exist
SELECT * FROM inventory_perf.attach_ledger('moves', tenant => 'nobody');
SELECT * FROM inventory_perf.attach_ledger('moves', product => 'nothing');
SELECT * FROM inventory_perf.attach_ledger('moves', location => 'nowhere');
SELECT * FROM inventory_perf.attach_ledger('moves', from_location => 'here', to_location => 'there');
SELECT * FROM inventory_perf.attach_ledger('moves', product => '');
SELECT * FROM inventory_perf.attach_ledger('moves', product => 'ctid');
SELECT * FROM inventory_perf.attach_ledger('moves', product => 'product_id', location => 'product_id');
-- NULL where there must be something; where there may be nothing it is the default
SELECT * FROM inventory_perf.attach_ledger('moves', by_location => NULL);
SELECT * FROM inventory_perf.attach_ledger('moves', dimensions => NULL);
SELECT * FROM inventory_perf.attach_ledger('moves', prefix => NULL);
SELECT * FROM inventory_perf.attach_ledger('moves', backfill => NULL);
SELECT * FROM inventory_perf.ledgers;

-- attaching twice
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
SELECT * FROM inventory_perf.attach_ledger('moves');
SELECT * FROM inventory_perf.attach_ledger('moves', prefix => 'second_');
-- a derived table as a ledger
SELECT * FROM inventory_perf.attach_ledger('stock_days', product => 'k1', quantity => 'in_quantity', moved_at => 'day', prefix => 'loop_');

-- functions of a table that is no ledger, and of one that has gone
CREATE TABLE unattached (product_id int, quantity int, moved_at date);
SELECT * FROM inventory_perf.populate_daily_stock_snapshots('unattached'::regclass);
SELECT * FROM inventory_perf.backfill_ledger('unattached');
SELECT * FROM inventory_perf.verify_ledger('unattached');
SELECT * FROM inventory_perf.repair_ledger('unattached');
SELECT * FROM inventory_perf.rebuild_ledger('unattached');
SELECT * FROM inventory_perf.detach_ledger('unattached');
SELECT * FROM inventory_perf.stock_on('unattached'::regclass, '2024-01-01');
SELECT * FROM inventory_perf.stock_history('unattached'::regclass, '2024-01-01', '2024-01-01');
SELECT * FROM inventory_perf.stock_period('unattached'::regclass, '2024-01-01', '2024-01-01');

-- NULL arguments
SELECT * FROM inventory_perf.backfill_ledger(NULL);
SELECT * FROM inventory_perf.verify_ledger(NULL);
SELECT * FROM inventory_perf.repair_ledger(NULL);
SELECT * FROM inventory_perf.rebuild_ledger(NULL);
SELECT * FROM inventory_perf.detach_ledger(NULL);
SELECT * FROM inventory_perf.detach_ledger('moves', drop_data => NULL);
SELECT * FROM inventory_perf.stock_on(NULL, '2024-01-01');
SELECT * FROM inventory_perf.stock_on('moves', NULL);
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-01', NULL);
SELECT * FROM inventory_perf.stock_history(NULL, '2024-01-01', '2024-01-01');
SELECT * FROM inventory_perf.stock_history('moves', NULL, '2024-01-01');
SELECT * FROM inventory_perf.stock_history('moves', '2024-01-01', NULL);
SELECT * FROM inventory_perf.stock_period(NULL, '2024-01-01', '2024-01-01');
SELECT * FROM inventory_perf.stock_period('moves', NULL, '2024-01-01');
SELECT * FROM inventory_perf.stock_period('moves', '2024-01-01', NULL);

-- days the wrong way round, and days without end
SELECT * FROM inventory_perf.stock_history('moves', '2024-01-02', '2024-01-01');
SELECT * FROM inventory_perf.stock_period('moves', '2024-01-02', '2024-01-01');
SELECT * FROM inventory_perf.stock_history('moves', '2024-01-01', 'infinity');
SELECT * FROM inventory_perf.stock_period('moves', '-infinity', 'infinity');
SELECT * FROM inventory_perf.stock_on('moves', 'infinity');
SELECT * FROM stock_history('-infinity', '2024-01-01');
SELECT * FROM stock_period('-infinity', 'infinity');
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves', until => 'infinity');
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves', until => '-infinity');

-- the triggers' function is not for calling, and on other tables it does nothing
SELECT inventory_perf.capture_moves();
CREATE TRIGGER stray AFTER INSERT ON unattached EXECUTE FUNCTION inventory_perf.capture_moves();
INSERT INTO unattached VALUES (1, 1, '2024-01-01');
-- a BEFORE trigger for each row decides whether the row is kept, so neither function serves as one
SELECT inventory_perf.expect_moved_rows();
CREATE TRIGGER by_row BEFORE INSERT ON unattached FOR EACH ROW EXECUTE FUNCTION inventory_perf.expect_moved_rows();
INSERT INTO unattached VALUES (2, 1, '2024-01-01');
CREATE OR REPLACE TRIGGER by_row BEFORE INSERT ON unattached FOR EACH ROW EXECUTE FUNCTION inventory_perf.capture_moves();
INSERT INTO unattached VALUES (2, 1, '2024-01-01');
DROP TRIGGER by_row ON unattached;
SELECT count(*) FROM unattached;

-- a ledger dropped since
DROP TABLE moves CASCADE;
SELECT * FROM inventory_perf.ledgers;
SELECT * FROM stock_levels;
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'stock%' ORDER BY 1;
SELECT * FROM inventory_perf.populate_daily_stock_snapshots();
