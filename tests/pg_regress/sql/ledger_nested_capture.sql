-- A function in the mapping that writes to the same ledger, and in what rights mapped functions run.
\set VERBOSITY terse
CREATE ROLE ledger_keeper;
CREATE ROLE ledger_writer;
GRANT CREATE, USAGE ON SCHEMA public TO ledger_keeper;
GRANT USAGE ON SCHEMA public TO ledger_writer;
SET ROLE ledger_keeper;
CREATE TABLE moves (product int, quantity int, moved_at date);
GRANT INSERT ON moves TO ledger_writer;
CREATE FUNCTION booked(quantity int) RETURNS void LANGUAGE sql VOLATILE AS
$$ INSERT INTO public.moves SELECT n, 10 * quantity, '2024-01-01' FROM pg_catalog.generate_series(1, quantity) n $$;
CREATE FUNCTION weighed(quantity int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF quantity BETWEEN 1 AND 3 THEN
        PERFORM public.booked(quantity);
    END IF;
    RETURN quantity;
END $$;
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves', product => 'product', quantity => 'weighed(quantity)', moved_at => 'moved_at');
INSERT INTO moves SELECT n, n, '2024-01-01' FROM generate_series(1, 5) n;
SELECT product, quantity_on_hand FROM stock_levels ORDER BY product;
SELECT product, sum(quantity) FROM moves GROUP BY product ORDER BY product;
INSERT INTO moves VALUES (7, 2, '2024-01-01');
SELECT (SELECT sum(quantity_on_hand) FROM stock_levels) = (SELECT sum(quantity) FROM moves) AS exact;

-- Whoever writes, what the owner has put into the mapping runs with the owner's rights.
CREATE OR REPLACE FUNCTION weighed(quantity int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE NOTICE 'as %', current_user;
    RETURN quantity;
END $$;
RESET ROLE;
INSERT INTO moves VALUES (8, 20, '2024-01-01');
SET ROLE ledger_writer;
INSERT INTO moves VALUES (8, 20, '2024-01-01');
RESET ROLE;
SELECT inventory_perf.rebuild_ledger('moves') > 0 AS rebuilt;
DROP TABLE moves CASCADE;
DROP OWNED BY ledger_keeper, ledger_writer;
DROP ROLE ledger_keeper, ledger_writer;
