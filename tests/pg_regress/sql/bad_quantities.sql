-- NaN, infinity and days without end cannot be summed: the write is refused, and the error names
-- the ledger and the value. A filter that leaves such rows out lets them pass.
CREATE TABLE moves (id int, product_id int, quantity numeric, cost numeric, moved_at timestamp);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves', value => 'cost');
INSERT INTO moves VALUES (1, 1, 10, 1, '2024-01-01');
INSERT INTO moves VALUES (2, 1, 'NaN', 1, '2024-01-01');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO moves VALUES (2, 1, 'Infinity', 1, '2024-01-01');
INSERT INTO moves VALUES (2, 1, '-Infinity', 1, '2024-01-01');
INSERT INTO moves VALUES (2, 1, 1, 'NaN', '2024-01-01');
INSERT INTO moves VALUES (2, 1, 1, 1, 'infinity');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO moves VALUES (2, 1, 1, 1, '-infinity');
UPDATE moves SET quantity = 'NaN';
UPDATE moves SET moved_at = 'infinity';
COPY moves FROM STDIN;
3	1	NaN	1	2024-01-01
\.
-- with a NULL in the key the row does not count, so it may hold anything
INSERT INTO moves VALUES (3, NULL, 'NaN', 1, 'infinity');
SELECT count(*) FROM moves;
SELECT * FROM stock_levels;
SELECT * FROM inventory_perf.verify_ledger('moves');

-- an attach over such rows
CREATE TABLE dirty (product_id int, quantity float8, moved_at date);
INSERT INTO dirty VALUES (1, 1, '2024-01-01'), (1, 'NaN', '2024-01-01'), (1, 'Infinity', '2024-01-01'), (1, 2, 'infinity');
SELECT count(*) FROM inventory_perf.attach_ledger('dirty', prefix => 'dirty_');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('dirty', prefix => 'dirty_',
    filter => $$quantity NOT IN ('NaN', 'Infinity', '-Infinity') AND isfinite(moved_at)$$);
INSERT INTO dirty VALUES (1, 'NaN', '2024-01-01'), (1, 4, '2024-01-01');
-- 1 + 4
SELECT * FROM dirty_stock_levels;
SELECT * FROM inventory_perf.verify_ledger('dirty');

-- finite in float8, and too large or too fine for the fixed scale
CREATE TABLE wide (product_id int, quantity float8, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('wide', prefix => 'wide_');
INSERT INTO wide VALUES (1, 1e300, '2024-01-01');
INSERT INTO wide VALUES (1, 1e-300, '2024-01-01');
SELECT count(*) FROM wide;
SELECT move_count FROM wide_daily_stock_snapshots;
SELECT * FROM inventory_perf.verify_ledger('wide');
