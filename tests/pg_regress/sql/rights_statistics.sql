-- A role that may not read the ledger learns nothing of it from the planner: estimates call operators
-- with values out of the statistics of the storage, before a query is executed.
CREATE ROLE golden_spy;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO golden_spy;
CREATE TABLE shop.moves (product_id text, quantity int, moved_at date);
INSERT INTO shop.moves SELECT 'secret', 1, date '2024-01-01' + n FROM generate_series(1, 100) n;
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('shop.moves');
INSERT INTO shop.moves SELECT 'pending', 1, date '2024-01-01' + n FROM generate_series(1, 100) n;
ANALYZE shop.stock_pending, shop.stock_days, shop.stock_openings;

SET ROLE golden_spy;
CREATE FUNCTION pg_temp.tell(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
CREATE OPERATOR pg_temp.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_temp.tell, RESTRICT = eqsel);
EXPLAIN SELECT * FROM shop.stock_levels WHERE product_id OPERATOR(pg_temp.===) '';
EXPLAIN SELECT * FROM shop.daily_stock_snapshots WHERE product_id OPERATOR(pg_temp.===) '';
EXPLAIN SELECT * FROM shop.stock_on('2024-01-31') WHERE product_id OPERATOR(pg_temp.===) '';
EXPLAIN SELECT * FROM shop.stock_period('2024-01-31', '2024-02-10') WHERE product_id OPERATOR(pg_temp.===) '';
EXPLAIN SELECT * FROM shop.stock_history('2024-01-31', '2024-02-10') WHERE product_id OPERATOR(pg_temp.===) '';
EXPLAIN SELECT * FROM shop.stock_day_entries WHERE k1 OPERATOR(pg_temp.===) '';
EXPLAIN SELECT * FROM shop.stock_opening_entries WHERE k1 OPERATOR(pg_temp.===) '';
EXPLAIN SELECT * FROM shop.stock_pending_entries WHERE k1 OPERATOR(pg_temp.===) '';
EXPLAIN SELECT * FROM (SELECT * FROM shop.stock_levels OFFSET 0) s WHERE product_id OPERATOR(pg_temp.===) '';
EXPLAIN SELECT * FROM shop.stock_levels a JOIN shop.stock_levels b ON a.product_id OPERATOR(pg_temp.===) b.product_id;
PREPARE spying AS SELECT * FROM shop.stock_levels WHERE product_id OPERATOR(pg_temp.===) $1;
EXPLAIN EXECUTE spying('');

-- nor does one from whom row-level security hides rows
RESET ROLE;
GRANT SELECT ON shop.moves TO golden_spy;
ALTER TABLE shop.moves ENABLE ROW LEVEL SECURITY;
SET ROLE golden_spy;
EXPLAIN SELECT * FROM shop.stock_levels WHERE product_id OPERATOR(pg_temp.===) '';

-- who may read the ledger sees what it has
RESET ROLE;
ALTER TABLE shop.moves DISABLE ROW LEVEL SECURITY;
SET ROLE golden_spy;
SELECT count(*) FROM shop.stock_levels WHERE product_id = 'secret';
SET client_min_messages = warning;
EXECUTE spying('');

RESET ROLE;
DROP SCHEMA shop CASCADE;
DROP OWNED BY golden_spy;
DROP ROLE golden_spy;
