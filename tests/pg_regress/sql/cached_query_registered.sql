-- Registered queries, which cache_warm() computes before anybody asks.
CREATE ROLE golden_planner;
CREATE ROLE golden_guest;
GRANT EXECUTE ON FUNCTION inventory_perf.register_cached_query, inventory_perf.unregister_cached_query, inventory_perf.cache_warm TO golden_planner, golden_guest;
CREATE TABLE stock (id int, level int);
INSERT INTO stock VALUES (1, 5), (2, 6);
GRANT SELECT ON stock TO golden_planner;
SET client_min_messages = warning;

SET ROLE golden_planner;
SELECT inventory_perf.register_cached_query('all "levels"', 'SELECT level FROM stock', ttl => '1 hour', tags => '{stock}');
SELECT inventory_perf.register_cached_query('one', 'SELECT level FROM stock WHERE id = $1', '[2]');
SELECT name, rows, bytes FROM inventory_perf.cache_warm('all "levels"');
SELECT name, rows, bytes FROM inventory_perf.cache_warm();
SELECT inventory_perf.register_cached_query('one', 'SELECT id FROM stock WHERE level > $1', '[0]');
SELECT name, rows, bytes FROM inventory_perf.cache_warm('one');

-- what cached_query() refuses is refused at once
SELECT inventory_perf.register_cached_query('bad', 'SELECT 1; SELECT 2');
SELECT inventory_perf.register_cached_query('bad', 'SELECT $1::int', '[]');
SELECT inventory_perf.register_cached_query('bad', 'SELECT 1', ttl => '0');
SELECT inventory_perf.register_cached_query('', 'SELECT 1');
SELECT inventory_perf.register_cached_query(NULL, 'SELECT 1');
SELECT inventory_perf.unregister_cached_query(NULL);
SELECT inventory_perf.unregister_cached_query('bad');
SELECT * FROM inventory_perf.cache_warm('bad');

-- others neither run nor replace nor read it
SET ROLE golden_guest;
SELECT * FROM inventory_perf.cache_warm('one');
SELECT inventory_perf.register_cached_query('one', 'SELECT 1');
SELECT inventory_perf.unregister_cached_query('one');
SELECT * FROM inventory_perf.cached_queries;
SELECT name, rows, bytes FROM inventory_perf.cache_warm();
-- registering gives no right to what is read
SELECT inventory_perf.register_cached_query('mine', 'SELECT level FROM stock');
SELECT * FROM inventory_perf.cache_warm('mine');
RESET ROLE;
SELECT name, rows, bytes FROM inventory_perf.cache_warm('mine');
SELECT inventory_perf.unregister_cached_query('mine');
SELECT name, query, params, ttl, tags, owner FROM inventory_perf.cached_queries ORDER BY name;

-- nobody gets them unasked
SELECT proname, has_function_privilege('public', oid, 'EXECUTE') AS may_call FROM pg_proc
WHERE pronamespace = 'inventory_perf'::regnamespace AND proname IN ('cached_query', 'cache_warm', 'register_cached_query', 'unregister_cached_query')
ORDER BY 1;
DROP OWNED BY golden_planner, golden_guest;
DROP ROLE golden_planner, golden_guest;
