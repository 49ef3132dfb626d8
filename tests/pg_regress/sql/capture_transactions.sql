-- Capture follows the transaction: rollback, savepoints, errors caught in PL/pgSQL, PREPARE TRANSACTION.
CREATE TABLE moves (id int PRIMARY KEY, product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
CREATE VIEW legs AS SELECT product_id, moved_at AS day, quantity FROM moves;
INSERT INTO moves VALUES (1, 1, 1, '2024-01-01');

BEGIN;
INSERT INTO moves VALUES (2, 1, 2, '2024-01-01');
SELECT quantity_on_hand AS within FROM stock_levels;
ROLLBACK;
SELECT quantity_on_hand AS after_rollback FROM stock_levels;

-- 1 + 4 + 32
BEGIN;
INSERT INTO moves VALUES (3, 1, 4, '2024-01-02');
SAVEPOINT a;
INSERT INTO moves VALUES (4, 1, 8, '2024-01-02');
SAVEPOINT b;
UPDATE moves SET quantity = 1000;
SELECT quantity_on_hand AS within FROM stock_levels;
ROLLBACK TO b;
SELECT quantity_on_hand AS after_rollback_to_b FROM stock_levels;
ROLLBACK TO a;
INSERT INTO moves VALUES (5, 1, 32, '2024-01-02');
RELEASE a;
COMMIT;
SELECT quantity_on_hand FROM stock_levels;
SELECT * FROM golden.differences('moves', 'legs');

-- a statement that fails half-way
INSERT INTO moves VALUES (6, 1, 64, '2024-01-02'), (1, 1, 64, '2024-01-02');
DO $$
BEGIN
    FOR i IN 10..14 LOOP
        BEGIN
            INSERT INTO moves VALUES (i, 2, 1, '2024-01-03');
            IF i % 2 = 1 THEN
                RAISE EXCEPTION 'no odd ones';
            END IF;
        EXCEPTION WHEN raise_exception THEN
            NULL;
        END;
    END LOOP;
END $$;
-- 10, 12, 14
SELECT product_id, quantity_on_hand FROM stock_levels ORDER BY 1;

-- a procedure that commits half-way
CREATE PROCEDURE receive() LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO moves VALUES (20, 3, 1, '2024-01-03');
    COMMIT;
    INSERT INTO moves VALUES (21, 3, 2, '2024-01-03');
    ROLLBACK;
    INSERT INTO moves VALUES (22, 3, 4, '2024-01-03');
END $$;
CALL receive();
SELECT product_id, quantity_on_hand FROM stock_levels ORDER BY 1;

BEGIN;
INSERT INTO moves VALUES (30, 4, 1, '2024-01-03');
PREPARE TRANSACTION 'kept';
BEGIN;
INSERT INTO moves VALUES (31, 4, 2, '2024-01-03');
PREPARE TRANSACTION 'dropped';
SELECT product_id, quantity_on_hand FROM stock_levels WHERE product_id = 4;
COMMIT PREPARED 'kept';
ROLLBACK PREPARED 'dropped';
SELECT product_id, quantity_on_hand FROM stock_levels WHERE product_id = 4;

-- in one transaction with a fold, and with the attach itself
BEGIN;
INSERT INTO moves VALUES (40, 5, 1, '2024-01-03');
SELECT count(*) AS folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
INSERT INTO moves VALUES (41, 5, 2, '2024-01-03');
SELECT product_id, quantity_on_hand FROM stock_levels WHERE product_id = 5;
COMMIT;
SELECT * FROM golden.differences('moves', 'legs');
BEGIN;
CREATE TABLE fresh (product_id int, quantity int, moved_at date);
INSERT INTO fresh VALUES (1, 1, '2024-01-01');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('fresh', prefix => 'fresh_');
INSERT INTO fresh VALUES (1, 2, '2024-01-01');
SELECT * FROM fresh_stock_levels;
COMMIT;
INSERT INTO fresh VALUES (1, 4, '2024-01-01');
SELECT * FROM fresh_stock_levels;

-- attached in a transaction that is rolled back: nothing stays, in this session either
BEGIN;
CREATE TABLE brief (product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('brief', prefix => 'brief_');
INSERT INTO brief VALUES (1, 2, '2024-01-01');
ROLLBACK;
SELECT ledger FROM inventory_perf.ledgers ORDER BY ledger::text;
