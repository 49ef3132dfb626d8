-- A ledger that cannot be folded, read or verified does not keep the others from it.
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE TABLE first_moves (product int, quantity int, moved_on date);
CREATE TABLE second_moves (product int, quantity int, moved_on date);
CREATE TABLE third_moves (product int, quantity int, moved_on date);
SELECT count(*) FROM inventory_perf.attach_ledger('first_moves', product => 'product', quantity => 'quantity', moved_at => 'moved_on', prefix => 'first_');
SELECT count(*) FROM inventory_perf.attach_ledger('second_moves', product => 'product', quantity => 'quantity', moved_at => 'moved_on', prefix => 'second_');
SELECT count(*) FROM inventory_perf.attach_ledger('third_moves', product => 'product', quantity => 'quantity', moved_at => 'moved_on', prefix => 'third_');
INSERT INTO first_moves VALUES (1, 1, '2025-01-01');
INSERT INTO second_moves VALUES (1, 2, '2025-01-01');
INSERT INTO third_moves VALUES (1, 3, '2025-01-01');
ALTER TABLE second_stock_days DROP CONSTRAINT second_stock_days_pkey;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots();
SELECT ledger, state, pending_rows, last_error, last_error_at IS NOT NULL AS is_dated FROM inventory_perf.ledgers ORDER BY 1;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('second_moves');
-- nor does one whose mapping nobody can read any more
UPDATE inventory_perf.ledger SET mapping = '{}' WHERE ledger = 'second_moves'::regclass;
SELECT ledger, state, pending_rows, last_error FROM inventory_perf.ledgers ORDER BY 1;
INSERT INTO third_moves VALUES (1, 3, '2025-01-01');
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots() WHERE deltas_folded > 0;
SELECT inventory_perf.assert_exact();
-- what is compared with the ledger may be gone
DROP VIEW third_daily_stock_snapshots;
\set VERBOSITY default
SELECT * FROM inventory_perf.verify_ledger('third_moves');
SELECT inventory_perf.assert_exact();
