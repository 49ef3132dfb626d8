-- Who may attach, write, read, fold and repair.
CREATE ROLE golden_owner;
CREATE ROLE golden_reader;
CREATE ROLE golden_writer;
CREATE ROLE golden_stranger;
CREATE SCHEMA shop AUTHORIZATION golden_owner;
GRANT USAGE ON SCHEMA shop TO golden_reader, golden_writer, golden_stranger;

SET ROLE golden_owner;
CREATE TABLE shop.moves (product_id int, quantity int, moved_at date);
INSERT INTO shop.moves VALUES (1, 5, '2024-01-01');
GRANT SELECT ON shop.moves TO golden_reader;
GRANT INSERT ON shop.moves TO golden_writer;

-- attaching needs ownership of the ledger, and the right to create in the target schema
SET ROLE golden_reader;
SELECT * FROM inventory_perf.attach_ledger('shop.moves');
RESET ROLE;
CREATE SCHEMA closed;
SET ROLE golden_owner;
SELECT * FROM inventory_perf.attach_ledger('shop.moves', target_schema => 'closed');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('shop.moves');
-- what was made belongs to the ledger's owner
SELECT c.relname, pg_get_userbyid(c.relowner) AS owner FROM pg_class AS c
WHERE relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1;

-- who may read the ledger reads its snapshots
SET ROLE golden_reader;
SELECT * FROM shop.stock_levels;
SELECT * FROM shop.daily_stock_snapshots;
SELECT * FROM shop.stock_on('2024-01-01');
SELECT * FROM shop.stock_history('2024-01-01', '2024-01-01');
SELECT * FROM shop.stock_period('2024-01-01', '2024-01-01');
SELECT * FROM inventory_perf.stock_on('shop.moves', '2024-01-01');
SELECT * FROM inventory_perf.stock_history('shop.moves', '2024-01-01', '2024-01-01');
SELECT * FROM inventory_perf.stock_period('shop.moves', '2024-01-01', '2024-01-01');
SELECT * FROM inventory_perf.verify_ledger('shop.moves');
-- and does nothing else
INSERT INTO shop.stock_pending SELECT * FROM shop.stock_pending;
DELETE FROM shop.stock_days;
UPDATE shop.stock_openings SET quantity = 0;
TRUNCATE shop.stock_months;
SELECT * FROM inventory_perf.populate_daily_stock_snapshots('shop.moves');
SELECT * FROM inventory_perf.repair_ledger('shop.moves');
SELECT * FROM inventory_perf.rebuild_ledger('shop.moves');
SELECT * FROM inventory_perf.backfill_ledger('shop.moves');
SELECT * FROM inventory_perf.detach_ledger('shop.moves');

-- who may write the ledger writes it, and reads nothing
SET ROLE golden_writer;
INSERT INTO shop.moves VALUES (1, 7, '2024-01-02');
SELECT * FROM shop.stock_levels;
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM shop.stock_on('2024-01-01');

-- a stranger
SET ROLE golden_stranger;
SELECT * FROM shop.stock_levels;
SELECT * FROM shop.daily_stock_snapshots;
SELECT * FROM shop.stock_on('2024-01-01');
SELECT * FROM shop.stock_history('2024-01-01', '2024-01-01');
SELECT * FROM shop.stock_period('2024-01-01', '2024-01-01');
SELECT * FROM inventory_perf.stock_on('shop.moves', '2024-01-01');
SELECT * FROM inventory_perf.stock_history('shop.moves', '2024-01-01', '2024-01-01');
SELECT * FROM inventory_perf.stock_period('shop.moves', '2024-01-01', '2024-01-01');
SELECT * FROM inventory_perf.verify_ledger('shop.moves');
SELECT * FROM shop.stock_pending;
SELECT * FROM shop.stock_days;
SELECT * FROM shop.stock_openings;
SELECT * FROM shop.stock_pending_entries;
SELECT * FROM shop.stock_day_entries;
SELECT * FROM shop.stock_opening_entries;
SELECT * FROM shop.stock_mapped_moves;
SELECT * FROM inventory_perf.ledgers;
SELECT inventory_perf.base_month('shop.moves', '2030-01-01');
SELECT inventory_perf.open_months('shop.moves', '2000-01-01', '2030-01-01');
SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-01-31');
SELECT inventory_perf.follow_commands(NULL);
-- not through an error either: a function that tells what it sees
CREATE FUNCTION pg_temp.tell(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.000001 AS
$$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
SELECT * FROM shop.stock_levels AS s WHERE pg_temp.tell(s.quantity_on_hand);
SELECT * FROM shop.daily_stock_snapshots AS s WHERE pg_temp.tell(s.closing_quantity);
SELECT * FROM shop.stock_on('2024-01-01') AS s WHERE pg_temp.tell(s.quantity);

-- the owner may do all, folding included
SET ROLE golden_owner;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots();
SELECT inventory_perf.repair_ledger('shop.moves');
SELECT inventory_perf.rebuild_ledger('shop.moves');
SELECT * FROM shop.stock_levels;

-- NULL as ledger folds the ledgers that the caller may fold
SET ROLE golden_stranger;
SELECT * FROM inventory_perf.populate_daily_stock_snapshots();

-- row-level security: derived relations do not show what it hides
SET ROLE golden_owner;
ALTER TABLE shop.moves ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON shop.moves FOR SELECT USING (product_id = 99);
SELECT count(*) FROM shop.stock_levels;
SET ROLE golden_reader;
SELECT count(*) FROM shop.moves;
SELECT * FROM shop.stock_levels;
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM shop.stock_on('2024-01-01');
SELECT * FROM inventory_perf.stock_on('shop.moves', '2024-01-01');
SET ROLE golden_owner;
ALTER TABLE shop.moves FORCE ROW LEVEL SECURITY;
SELECT count(*) FROM shop.stock_levels;
-- what the owner does not see is not taken out of the storage either
SELECT inventory_perf.repair_ledger('shop.moves');
SELECT * FROM inventory_perf.verify_ledger('shop.moves');
RESET ROLE;
SELECT inventory_perf.repair_ledger('shop.moves');
SELECT count(*) FROM shop.stock_levels;
SET ROLE golden_owner;
ALTER TABLE shop.moves NO FORCE ROW LEVEL SECURITY;
ALTER TABLE shop.moves DISABLE ROW LEVEL SECURITY;

-- a change of owner
RESET ROLE;
GRANT CREATE ON SCHEMA shop TO golden_writer;
ALTER TABLE shop.moves OWNER TO golden_writer;
SET ROLE golden_writer;
INSERT INTO shop.moves VALUES (1, 7, '2024-01-03');
SELECT * FROM shop.stock_levels;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('shop.moves');
SELECT inventory_perf.rebuild_ledger('shop.moves');
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('shop.moves', drop_data => true);
RESET ROLE;
DROP SCHEMA shop CASCADE;
DROP OWNED BY golden_owner, golden_reader, golden_writer, golden_stranger;
DROP ROLE golden_owner, golden_reader, golden_writer, golden_stranger;
