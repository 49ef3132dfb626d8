-- verify_ledger compares with the ledger itself; repair_ledger and rebuild_ledger mend.
CREATE TABLE moves (product_id int, location_id int, quantity int, cost numeric, moved_at date);
INSERT INTO moves SELECT p, 1, p, p * 1.5, DATE '2024-01-01' + d FROM generate_series(1, 3) AS p, generate_series(0, 99, 9) AS d;
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves', value => 'cost');
CREATE VIEW legs AS SELECT product_id, location_id, moved_at AS day, quantity, cost AS value FROM moves;
INSERT INTO moves VALUES (1, 1, 50, 1, '2024-02-10');
SELECT * FROM inventory_perf.verify_ledger('moves');

-- a day's movement that is wrong
UPDATE stock_days SET in_quantity = in_quantity + 1 WHERE day = '2024-03-04' AND in_quantity = 2;
SELECT * FROM inventory_perf.verify_ledger('moves') ORDER BY key, snapshot_date, measure;
SELECT count(*) > 0 AS found FROM inventory_perf.verify_ledger('moves', '2024-03-01', '2024-03-31');
SELECT count(*) > 0 AS found FROM inventory_perf.verify_ledger('moves', to_date => '2024-03-03');
SELECT inventory_perf.repair_ledger('moves') > 0 AS repaired;
SELECT * FROM inventory_perf.verify_ledger('moves');
SELECT * FROM golden.differences('moves', 'legs');
SELECT inventory_perf.repair_ledger('moves');

-- a day that is missing, one too many, a running total, an opening, a pending row: each is found and mended
CREATE PROCEDURE spoil(statement text) LANGUAGE plpgsql AS $$
DECLARE
    touched bigint;
    found bigint;
    differences bigint;
BEGIN
    EXECUTE statement;
    GET DIAGNOSTICS touched = ROW_COUNT;
    SELECT count(*) INTO found FROM inventory_perf.verify_ledger('moves');
    PERFORM inventory_perf.repair_ledger('moves');
    SELECT count(*) INTO differences FROM (
        SELECT FROM inventory_perf.verify_ledger('moves') UNION ALL SELECT FROM golden.differences('moves', 'legs')) AS d;
    RAISE NOTICE 'spoiled: %, found: %, mended: %', touched > 0, found > 0, differences = 0;
END $$;
CALL spoil($$DELETE FROM stock_days WHERE day = '2024-02-06'$$);
CALL spoil($$INSERT INTO stock_days (k1, k2, month, day, in_quantity, out_quantity, month_quantity, value_change, month_value, move_count)
    VALUES (2, 1, '2024-02-01', '2024-02-07', 1, 0, 1, 1, 1, 1)$$);
CALL spoil($$UPDATE stock_days SET month_quantity = month_quantity + 5 WHERE day = '2024-01-19'$$);
CALL spoil($$UPDATE stock_days SET move_count = move_count + 1 WHERE day = '2024-01-19'$$);
CALL spoil($$UPDATE stock_days SET value_change = value_change + 1 WHERE day = '2024-01-19'$$);
CALL spoil($$UPDATE stock_days SET in_quantity = in_quantity + 1, out_quantity = out_quantity + 1 WHERE day = '2024-01-19'$$);
CALL spoil($$UPDATE stock_openings SET quantity = quantity - 1 WHERE month = '2024-03-01'$$);
CALL spoil($$DELETE FROM stock_openings WHERE month = '2024-02-01'$$);
CALL spoil($$DELETE FROM stock_openings$$);
CALL spoil($$DELETE FROM stock_days$$);
CALL spoil($$DELETE FROM stock_months WHERE month = '2024-02-01'$$);
INSERT INTO moves VALUES (2, 1, 9, 9, '2024-02-12');
CALL spoil($$DELETE FROM stock_pending$$);

-- rebuild: everything made again from the ledger, whose rows it counts
DELETE FROM stock_days WHERE day > '2024-02-01';
SELECT inventory_perf.rebuild_ledger('moves') = (SELECT count(*) FROM moves) AS all_rows_read;
SELECT * FROM inventory_perf.verify_ledger('moves');
SELECT * FROM golden.differences('moves', 'legs');
SELECT count(*) AS pending FROM stock_pending;
-- in a transaction that wrote before, and goes on writing
BEGIN;
INSERT INTO moves VALUES (7, 1, 1, 1, '2024-02-12');
SELECT inventory_perf.rebuild_ledger('moves') = (SELECT count(*) FROM moves) AS all_rows_read;
INSERT INTO moves VALUES (7, 1, 2, 1, '2024-02-12');
COMMIT;
SELECT * FROM golden.differences('moves', 'legs');
-- rolled back: as before
BEGIN;
SELECT inventory_perf.rebuild_ledger('moves') > 0 AS rebuilt;
ROLLBACK;
SELECT * FROM golden.differences('moves', 'legs');
-- an empty ledger
TRUNCATE moves;
SELECT inventory_perf.rebuild_ledger('moves');
SELECT inventory_perf.repair_ledger('moves');
SELECT * FROM inventory_perf.verify_ledger('moves');
INSERT INTO moves VALUES (7, 1, 2, 1, '2024-02-12');
SELECT * FROM golden.differences('moves', 'legs');
-- a range the wrong way round
SELECT * FROM inventory_perf.verify_ledger('moves', '2024-02-01', '2024-01-01');
