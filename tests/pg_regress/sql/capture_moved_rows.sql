-- Rows that a statement moves from one partition to another.
CREATE TABLE moves (id int, product_id int, quantity int, moved_at date) PARTITION BY RANGE (moved_at);
CREATE TABLE moves_2023 PARTITION OF moves FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE moves_2024 PARTITION OF moves FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
    PARTITION BY LIST (product_id);
CREATE TABLE moves_2024_1 PARTITION OF moves_2024 FOR VALUES IN (1);
CREATE TABLE moves_2024_2 PARTITION OF moves_2024 DEFAULT;
INSERT INTO moves SELECT n, n % 3, 10, date '2023-12-01' + n FROM generate_series(1, 60) n;
SELECT object FROM inventory_perf.attach_ledger('moves') WHERE kind = 'trigger' ORDER BY 1;
SELECT inventory_perf.invalidate_on_change('moves', keys => ARRAY['product:{product_id}:{moved_at}']);
CREATE VIEW told AS
    SELECT operation AS op, array(SELECT unnest(keys) ORDER BY 1) AS keys
    FROM inventory_perf.cache_outbox WHERE operation <> 'ALTER TABLE' ORDER BY ctid;
CREATE VIEW triggers AS
    SELECT tgrelid::regclass AS on, tgname AS trigger, tgenabled AS enabled FROM pg_trigger
    WHERE tgfoid = 'inventory_perf.expect_moved_rows'::regproc ORDER BY 1, 2;
TABLE triggers;
-- a user's own triggers are fired for the actions that the statement names, as ever
CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE NOTICE '% %', TG_WHEN, TG_OP; RETURN NULL; END $$;
CREATE TRIGGER said AFTER INSERT OR UPDATE OR DELETE ON moves FOR EACH STATEMENT EXECUTE FUNCTION say();
-- UPDATE
UPDATE moves SET moved_at = moved_at + 31, product_id = 1 WHERE id <= 3;
SELECT * FROM inventory_perf.verify_ledger('moves');
-- MERGE, the first statement of its session that the library has to see
TRUNCATE inventory_perf.cache_outbox;
\c -
MERGE INTO moves USING generate_series(4, 6) n ON moves.id = n
    WHEN MATCHED THEN UPDATE SET moved_at = moved_at + 31;
SELECT * FROM inventory_perf.verify_ledger('moves');
TABLE told;
-- within the partition, and to another one below a partition
MERGE INTO moves USING generate_series(7, 8) n ON moves.id = n
    WHEN MATCHED THEN UPDATE SET quantity = 20;
MERGE INTO moves_2024 USING generate_series(31, 40) n ON moves_2024.id = n
    WHEN MATCHED THEN UPDATE SET product_id = 3 - product_id;
SELECT * FROM inventory_perf.verify_ledger('moves');
-- with one of the other actions, and with both
MERGE INTO moves USING generate_series(9, 12) n ON moves.id = n
    WHEN MATCHED AND n < 11 THEN DELETE
    WHEN MATCHED THEN UPDATE SET moved_at = moved_at + 31;
SELECT * FROM inventory_perf.verify_ledger('moves');
MERGE INTO moves USING generate_series(60, 62) n ON moves.id = n
    WHEN MATCHED THEN UPDATE SET moved_at = moved_at - 100
    WHEN NOT MATCHED THEN INSERT VALUES (n, 5, 50, '2024-05-05');
SELECT * FROM inventory_perf.verify_ledger('moves');
MERGE INTO moves USING generate_series(13, 17) n ON moves.id = n + (n = 17)::int * 100
    WHEN MATCHED AND n < 14 THEN DELETE
    WHEN MATCHED THEN UPDATE SET moved_at = moved_at + 31
    WHEN NOT MATCHED THEN INSERT VALUES (n + 100, 5, 50, '2024-05-05');
SELECT * FROM inventory_perf.verify_ledger('moves');
-- in a function, in a savepoint that is taken back, and of no row
DO $$ BEGIN
    MERGE INTO moves USING generate_series(18, 20) n ON moves.id = n
        WHEN MATCHED THEN UPDATE SET moved_at = moved_at + 31;
    BEGIN
        MERGE INTO moves USING generate_series(21, 23) n ON moves.id = n
            WHEN MATCHED THEN UPDATE SET moved_at = moved_at + 31;
        RAISE EXCEPTION 'back';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
    MERGE INTO moves USING generate_series(1000, 1001) n ON moves.id = n
        WHEN MATCHED THEN UPDATE SET moved_at = moved_at + 31;
END $$;
SELECT * FROM inventory_perf.verify_ledger('moves');
SELECT sum(quantity_on_hand) = (SELECT sum(quantity) FROM moves) AS same FROM stock_levels;
-- the triggers go with the others
SELECT inventory_perf.stop_invalidating('moves');
TABLE triggers;
SELECT * FROM inventory_perf.detach_ledger('moves') WHERE kind = 'trigger' ORDER BY 1;
TABLE triggers;
