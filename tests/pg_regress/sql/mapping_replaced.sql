-- The mapping view belongs to the ledger's owner, who may replace it. Compiled code reads it only while
-- it is what attaching made: anything else makes the ledger stale, and writers go on.
\set VERBOSITY terse
CREATE TABLE moves (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product int, note text, wide bigint, quantity int, moved_at date, state text);
CREATE TABLE others (product int, note text, quantity int, moved_at date);
INSERT INTO moves (product, note, wide, quantity, moved_at, state) VALUES (1, 'a note', 7, 5, '2024-01-01', 'done');

CREATE FUNCTION attach() RETURNS bigint LANGUAGE sql SET client_min_messages = error AS
$$ SELECT count(*) FROM inventory_perf.attach_ledger('moves', product => 'product', quantity => 'quantity', moved_at => 'moved_at', filter => 'state = ''done''') $$;
-- What becomes of a ledger whose mapping is replaced by a query.
CREATE PROCEDURE replaced_by(query text) LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    PERFORM attach();
    EXECUTE 'CREATE OR REPLACE VIEW stock_mapped_moves AS ' || query;
    INSERT INTO moves (product, quantity, moved_at, state) VALUES (1, 1, '2024-01-02', 'done');
    SELECT state INTO answer FROM inventory_perf.ledgers;
    RAISE NOTICE 'state %', answer;
    BEGIN
        SELECT quantity_on_hand INTO answer FROM stock_levels;
        RAISE NOTICE 'answers %', answer;
    EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE '%: %', SQLSTATE, SQLERRM;
    END;
    PERFORM inventory_perf.detach_ledger('moves', drop_data => true);
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'not replaced: %', SQLERRM;
    PERFORM inventory_perf.detach_ledger('moves', drop_data => true)
    FROM inventory_perf.ledgers;
END $$;

-- The same once more is the same.
CALL replaced_by('SELECT product AS k1, moved_at::date AS day, quantity::int AS quantity FROM moves WHERE state = ''done''');
CALL replaced_by('SELECT 1 AS k1, DATE ''2024-01-01'' AS day, 2 AS quantity');
CALL replaced_by('SELECT product AS k1, moved_at AS day, quantity FROM moves UNION ALL SELECT 1, DATE ''2024-01-01'', 2');
CALL replaced_by('SELECT product AS k1, moved_at AS day, quantity FROM others');
CALL replaced_by('SELECT o.product AS k1, o.moved_at AS day, o.quantity FROM moves m JOIN others o USING (product)');
CALL replaced_by('SELECT length(note) AS k1, moved_at AS day, quantity FROM moves WHERE state = ''done''');
CALL replaced_by('SELECT product AS k1, moved_at AS day, quantity FROM moves');
CALL replaced_by('SELECT product AS k1, moved_at AS day, 2 * quantity AS quantity FROM moves WHERE state = ''done''');
CALL replaced_by('SELECT product AS k1, moved_at AS day, quantity FROM ONLY moves WHERE state = ''done''');
CALL replaced_by('SELECT product AS k1, moved_at AS day, quantity FROM moves TABLESAMPLE system (50) WHERE state = ''done''');
CALL replaced_by('SELECT product AS k1, moved_at AS day, quantity FROM moves WHERE state = ''done'' LIMIT 1');
CALL replaced_by('SELECT product AS k1, moved_at AS day, quantity FROM moves WHERE state = ''done'' FOR UPDATE');
CALL replaced_by('SELECT DISTINCT product AS k1, moved_at AS day, quantity FROM moves WHERE state = ''done''');
CALL replaced_by('SELECT product AS k1, max(moved_at) AS day, 1 AS quantity FROM moves GROUP BY product');
CALL replaced_by('WITH m AS (SELECT * FROM moves) SELECT product AS k1, moved_at AS day, quantity FROM m WHERE state = ''done''');
CALL replaced_by('SELECT product AS k1, moved_at AS day, (SELECT 1) AS quantity FROM moves WHERE state = ''done''');
CALL replaced_by('SELECT product AS k1, moved_at AS day, quantity, note FROM moves WHERE state = ''done''');
CALL replaced_by('VALUES (1, DATE ''2024-01-01'', 1)');
CALL replaced_by('SELECT ((m.*)::text)::char::int AS k1, moved_at AS day, quantity FROM moves m WHERE state = ''done''');

-- Names may change.
SELECT attach() > 0 AS attached;
ALTER TABLE moves RENAME quantity TO amount;
ALTER TABLE moves RENAME state TO status;
ALTER TABLE moves RENAME TO movements;
ALTER VIEW stock_mapped_moves RENAME TO a_mapping;
CREATE SCHEMA elsewhere;
ALTER VIEW a_mapping SET SCHEMA elsewhere;
INSERT INTO movements (product, amount, moved_at, status) VALUES (1, 100, '2024-01-02', 'done');
SELECT quantity_on_hand FROM stock_levels;
SELECT state FROM inventory_perf.ledgers;
\c
INSERT INTO movements (product, amount, moved_at, status) VALUES (1, 100, '2024-01-02', 'done');
SELECT quantity_on_hand FROM stock_levels;
SELECT expressions FROM inventory_perf.ledger;
SELECT * FROM inventory_perf.verify_ledger('movements');
SELECT count(*) FROM inventory_perf.detach_ledger('movements', drop_data => true);

-- Gone without a word to anybody: an error, whoever looks for it.
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('movements', product => 'product', quantity => 'amount', moved_at => 'moved_at', filter => 'status = ''done''');
UPDATE inventory_perf.ledger SET mapped_moves = 1;
\c
\set VERBOSITY terse
SELECT * FROM stock_levels;
INSERT INTO movements (product, amount, moved_at, status) VALUES (1, 100, '2024-01-02', 'done');
SELECT * FROM inventory_perf.populate_daily_stock_snapshots('movements');
SELECT count(*) FROM inventory_perf.populate_daily_stock_snapshots();
SELECT state, last_error FROM inventory_perf.ledgers;
ALTER TABLE movements ADD other int;
INSERT INTO movements (product, amount, moved_at, status) VALUES (1, 100, '2024-01-02', 'done');
SELECT inventory_perf.rebuild_ledger('movements');
SELECT count(*) FROM inventory_perf.detach_ledger('movements', drop_data => true);
