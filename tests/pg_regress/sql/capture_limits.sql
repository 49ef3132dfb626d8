-- What no sum or index could hold later is refused when it is written, and can be deleted again.
\set SHOW_CONTEXT never
CREATE TABLE moves (product text, quantity numeric, value numeric, moved_on date);
SELECT count(*) FROM inventory_perf.attach_ledger('moves', product => 'product', quantity => 'quantity', value => 'value', moved_at => 'moved_on');
-- a magnitude of which two are too many
DO $$
BEGIN
    INSERT INTO moves VALUES ('a', 9 * 10::numeric ^ 131071, 0, '2025-01-01');
    INSERT INTO moves VALUES ('a', 9 * 10::numeric ^ 131071, 0, '2025-01-01');
    DELETE FROM moves WHERE quantity > 0;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE '% %', SQLSTATE, SQLERRM;
END
$$;
DO $$
BEGIN
    INSERT INTO moves VALUES ('a', 1, -9 * 10::numeric ^ 131071, '2025-01-01');
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE '% %', SQLSTATE, SQLERRM;
END
$$;
INSERT INTO moves VALUES ('a', 10::numeric ^ 99999, 0, '2025-01-01'), ('a', 10::numeric ^ 99999, 0, '2025-01-01'),
    ('a', 10::numeric ^ 99999, -10::numeric ^ 99999, '2025-02-01');
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT count(*) FROM inventory_perf.verify_ledger('moves');
DELETE FROM moves;
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM stock_levels;
SELECT inventory_perf.repair_ledger('moves');
-- what is no number at all
INSERT INTO moves VALUES ('a', 'NaN', 0, '2025-01-01');
\echo :SQLSTATE
INSERT INTO moves VALUES ('a', 'Infinity', 0, '2025-01-01');
INSERT INTO moves VALUES ('a', 1, '-Infinity', '2025-01-01');
-- days at the ends of what can be summed
INSERT INTO moves VALUES ('a', 1, 1, 'infinity');
INSERT INTO moves VALUES ('a', 1, 1, '5874897-12-31');
INSERT INTO moves VALUES ('a', 1, 1, '4714-11-24 BC');
INSERT INTO moves VALUES ('a', 1, 1, '4713-01-01 BC'), ('a', 2, 1, '294276-11-30'), ('a', 4, 1, '0001-12-31 BC'), ('a', 8, 1, '0001-01-01');
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM stock_on('0001-01-01');
SELECT * FROM stock_levels;
SELECT count(*) FROM inventory_perf.verify_ledger('moves');
-- a key that an index of the storage has no room for, however well it is compressed
INSERT INTO moves VALUES (repeat('x', 2668), 1, 1, '2025-01-01');
INSERT INTO moves VALUES (repeat('x', 2669), 1, 1, '2025-01-01');
\echo :SQLSTATE
INSERT INTO moves VALUES (repeat('x', 100000), 1, 1, '2025-01-01');
INSERT INTO moves SELECT string_agg(md5(n::text), ''), 1, 1, '2025-01-01' FROM generate_series(1, 84) n;
INSERT INTO moves SELECT left(string_agg(md5(n::text), ''), 2660), 1, 1, '2025-01-01' FROM generate_series(1, 84) n;
INSERT INTO moves SELECT left(string_agg(md5(n::text), ''), 2660), 1, 1, '2025-02-01' FROM generate_series(1, 84) n;
SELECT deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT count(*) FROM inventory_perf.verify_ledger('moves');
-- none of it is attached either
CREATE TABLE large (product text, quantity numeric, moved_on date);
INSERT INTO large VALUES ('a', 9 * 10::numeric ^ 131071, '2025-01-01');
SELECT inventory_perf.attach_ledger('large', product => 'product', quantity => 'quantity', moved_at => 'moved_on', prefix => 'large_');
UPDATE large SET product = repeat('x', 3000), quantity = 1;
SELECT inventory_perf.attach_ledger('large', product => 'product', quantity => 'quantity', moved_at => 'moved_on', prefix => 'large_');
SELECT count(*) FROM inventory_perf.attach_ledger('large', product => 'product', quantity => 'quantity', moved_at => 'moved_on', prefix => 'large_', filter => 'length(product) < 500');
