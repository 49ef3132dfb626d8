-- Where a ledger's objects are not put, and whose they become.
\set VERBOSITY terse
CREATE TABLE moves (product int, quantity int, moved_at date);
INSERT INTO moves VALUES (1, 5, '2024-01-01');
CREATE TEMP TABLE one ();
CREATE FUNCTION attach(schema text) RETURNS bigint LANGUAGE sql AS
$$ SELECT count(*) FROM inventory_perf.attach_ledger('moves', product => 'product', quantity => 'quantity', moved_at => 'moved_at', target_schema => schema) $$;
SELECT attach('pg_temp');
CREATE FUNCTION refusal(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
    RETURN format('%s %s', SQLSTATE, regexp_replace(SQLERRM, 'pg_temp_\d+', 'pg_temp_N'));
END $$;
SELECT refusal('SELECT attach((SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()))');
SELECT attach('information_schema');
SELECT attach('pg_catalog');
SELECT attach('pg_toast');
SELECT attach('inventory_perf');
SELECT attach('');
SELECT attach('nowhere');
-- Nor may the mapping call what goes with its session.
CREATE FUNCTION pg_temp.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
SELECT refusal($$ SELECT inventory_perf.attach_ledger('moves', product => 'product', quantity => 'pg_temp.twice(quantity)', moved_at => 'moved_at') $$);

-- Storage is known by what it is, not by its name: what lies in its place in another schema is not touched.
CREATE ROLE stock_victim;
CREATE ROLE stock_thief;
CREATE ROLE stock_heir;
CREATE SCHEMA shop AUTHORIZATION stock_victim;
GRANT CREATE, USAGE ON SCHEMA shop TO stock_thief, stock_heir;
SET ROLE stock_victim;
CREATE TABLE shop.moves (product int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('shop.moves', product => 'product', quantity => 'quantity', moved_at => 'moved_at');
RESET ROLE;
CREATE SCHEMA den AUTHORIZATION stock_thief;
GRANT CREATE, USAGE ON SCHEMA den TO stock_heir;
GRANT stock_heir TO stock_thief;
SET ROLE stock_thief;
CREATE TABLE den.moves (product int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('den.moves', product => 'product', quantity => 'quantity', moved_at => 'moved_at');
ALTER TABLE den.stock_pending RENAME TO waiting;
ALTER INDEX den.stock_pending_k1_day_idx RENAME TO waiting_index;
ALTER TABLE den.waiting SET SCHEMA shop;
ALTER TABLE den.moves OWNER TO stock_heir;
RESET ROLE;
SELECT c.oid::regclass AS relation, c.relowner::regrole AS owner FROM pg_class c
WHERE c.relnamespace IN ('shop'::regnamespace, 'den'::regnamespace) AND c.relkind IN ('r', 'v') ORDER BY 1;
SELECT p.oid::regprocedure AS function, p.proowner::regrole AS owner FROM pg_proc p
WHERE p.pronamespace IN ('shop'::regnamespace, 'den'::regnamespace) ORDER BY 1;
INSERT INTO den.moves VALUES (1, 5, '2024-01-01');
SELECT * FROM den.stock_levels;
SELECT * FROM shop.stock_levels;
SELECT count(*) FROM inventory_perf.detach_ledger('den.moves', drop_data => true);
SELECT count(*) FROM inventory_perf.detach_ledger('shop.moves', drop_data => true);
SELECT c.oid::regclass AS relation FROM pg_class c
WHERE c.relnamespace IN ('shop'::regnamespace, 'den'::regnamespace) AND c.relkind IN ('r', 'v') ORDER BY 1;
DROP SCHEMA shop, den CASCADE;
DROP ROLE stock_victim, stock_thief, stock_heir;
