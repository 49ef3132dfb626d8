-- A statement that writes one pending row adds it to the index itself, without what a row of any
-- index would need: so with the indexes that an owner may have put there, and with none.
\set VERBOSITY terse
CREATE TABLE moves (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product text, location uuid, quantity numeric(14, 3), moved_at date
);
SELECT count(*) > 0 AS attached
FROM inventory_perf.attach_ledger('moves', product => 'product', location => 'location', quantity => 'quantity', moved_at => 'moved_at');

-- What a search of each index finds, against what is there.
CREATE FUNCTION found() RETURNS TABLE (index_name name, by_index bigint, stored bigint)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE i record;
BEGIN
    SELECT count(*) INTO stored FROM stock_pending;
    FOR i IN SELECT x.relname FROM pg_index d JOIN pg_class x ON x.oid = d.indexrelid
             WHERE d.indrelid = 'stock_pending'::regclass ORDER BY x.relname
    LOOP
        index_name := i.relname;
        EXECUTE format('SELECT count(*) FROM stock_pending WHERE %s',
            CASE WHEN i.relname LIKE '%move_count%' THEN 'move_count BETWEEN -9 AND 9' ELSE 'k1 >= ''''' END)
            INTO by_index;
        RETURN NEXT;
    END LOOP;
END $$;

CREATE FUNCTION one(product text) RETURNS void LANGUAGE sql
AS $$ INSERT INTO moves (product, location, quantity, moved_at) VALUES (product, '00000000-0000-0000-0000-000000000001', 1.5, '2024-02-29') $$;

\d stock_pending
SELECT one('as created'), one(repeat('long ', 300));
SELECT * FROM found();

-- Another one: written as the rows of larger statements are.
CREATE INDEX by_move_count ON stock_pending (move_count) INCLUDE (captured_at);
SELECT one('with another');
SELECT * FROM found();

-- Its only one, of another shape.
DROP INDEX stock_pending_k1_k2_day_idx;
SELECT one('another only');
SELECT * FROM found();
DROP INDEX by_move_count;
CREATE INDEX by_brin ON stock_pending USING brin (k1) WITH (pages_per_range = 1);
SELECT one('of another kind');
DROP INDEX by_brin;
SELECT one('without any');
CREATE UNIQUE INDEX by_unique ON stock_pending (k1);
SELECT one('unique');
SELECT one('unique');
DROP INDEX by_unique;

-- What a row cannot be added to without a query is refused.
CREATE INDEX by_expression ON stock_pending (lower(k1));
SELECT one('by expression');
DROP INDEX by_expression;
CREATE INDEX by_condition ON stock_pending (k1) WHERE move_count > 0;
SELECT one('by condition');
DROP INDEX by_condition;
SELECT count(*), sum(quantity) FROM moves;
SELECT count(*) FROM stock_pending;
SELECT * FROM inventory_perf.verify_ledger('moves');

-- With other columns it is not written to, though the ledger is; it answers once it is attached anew.
ALTER TABLE stock_pending ADD note text;
SELECT one('one more column');
ALTER TABLE stock_pending DROP note;
SELECT one('one more column');
SELECT count(*) FROM stock_levels;
SELECT inventory_perf.rebuild_ledger('moves');
SELECT count(*) FROM inventory_perf.detach_ledger('moves', drop_data => true);
SELECT count(*) > 0 AS attached
FROM inventory_perf.attach_ledger('moves', product => 'product', location => 'location', quantity => 'quantity', moved_at => 'moved_at');
SELECT count(*) FROM inventory_perf.verify_ledger('moves');
