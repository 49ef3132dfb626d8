-- The view of all ledgers: mapping, state, what is pending, when it was folded, how big it is.
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'inventory_perf.ledgers'::regclass AND attnum > 0 ORDER BY attnum;
CREATE TABLE plain (tenant_id int, product_id int, location_id int, lot text, quantity int, cost int, moved_at timestamptz, state text);
CREATE SCHEMA warehouse;
CREATE TABLE warehouse.transfers (product_id int, from_store int, to_store int, qty int, moved_on date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('plain', dimensions => '{lot}', value => 'cost',
    filter => $$state = 'done'$$, time_zone => 'America/New_York', prefix => 'p_');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('warehouse.transfers');
SELECT ledger, state, target_schema, prefix, pending_rows, oldest_pending IS NULL AS nothing_pending, storage_bytes > 0 AS has_storage
FROM inventory_perf.ledgers ORDER BY ledger::text;
SELECT ledger, jsonb_pretty(mapping) FROM inventory_perf.ledgers ORDER BY ledger::text;
INSERT INTO warehouse.transfers VALUES (1, 1, 2, 5, '2024-01-01'), (1, NULL, 2, 5, '2024-01-01');
-- one statement, two keys
SELECT ledger, pending_rows, oldest_pending BETWEEN now() - interval '1 minute' AND clock_timestamp() AS just_now
FROM inventory_perf.ledgers WHERE pending_rows > 0;
SELECT count(*) FROM inventory_perf.populate_daily_stock_snapshots();
SELECT ledger, pending_rows, oldest_pending, last_fold IS NOT NULL AS folded FROM inventory_perf.ledgers ORDER BY ledger::text;
-- the name follows a rename
ALTER TABLE warehouse.transfers RENAME TO movements;
SELECT ledger FROM inventory_perf.ledgers ORDER BY ledger::text;
-- a role that may not read a ledger
CREATE ROLE golden_ledgers_reader;
GRANT SELECT ON plain TO golden_ledgers_reader;
SET ROLE golden_ledgers_reader;
SELECT ledger, state, pending_rows FROM inventory_perf.ledgers ORDER BY ledger::text;
RESET ROLE;
REVOKE SELECT ON plain FROM golden_ledgers_reader;
DROP ROLE golden_ledgers_reader;
