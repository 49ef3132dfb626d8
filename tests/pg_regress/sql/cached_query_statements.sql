-- What a cached query may be, and what its other arguments may be.
CREATE TABLE stock (id int, level int);
INSERT INTO stock VALUES (1, 5);

SELECT * FROM inventory_perf.cached_query('');
SELECT * FROM inventory_perf.cached_query(' ; -- nothing');
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a; SELECT 2 AS a');
SELECT * FROM inventory_perf.cached_query('SELECT 1) AS a; DROP TABLE stock; --');
SELECT * FROM inventory_perf.cached_query('SELEC 1');
SELECT * FROM inventory_perf.cached_query('SELECT nothing FROM stock');
SELECT * FROM inventory_perf.cached_query('UPDATE stock SET level = 0 RETURNING *');
SELECT * FROM inventory_perf.cached_query('TRUNCATE stock');
SELECT * FROM inventory_perf.cached_query('EXPLAIN SELECT 1');
SELECT * FROM inventory_perf.cached_query('EXECUTE something');
SELECT * FROM inventory_perf.cached_query('WITH gone AS (DELETE FROM stock RETURNING *) SELECT * FROM gone');
SELECT * FROM inventory_perf.cached_query('SELECT * INTO copy FROM stock');
SELECT * FROM inventory_perf.cached_query('SELECT * FROM stock FOR UPDATE');
SELECT * FROM inventory_perf.cached_query('SELECT * FROM (SELECT * FROM stock FOR SHARE) AS s');
SELECT * FROM inventory_perf.cached_query('SELECT id, level AS id FROM stock');
SELECT * FROM inventory_perf.cached_query('SELECT 1, 2');
SELECT * FROM inventory_perf.cached_query('SELECT 1 / (level - 5) AS a FROM stock');

SELECT * FROM inventory_perf.cached_query(NULL);
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', NULL);
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', ttl => NULL);
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', ttl => '0');
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', ttl => '-1 s');
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', ttl => '1 day -25 hours');
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', ttl => '11 years');
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', ttl => '100 ms');
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', tags => NULL);
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', tags => ARRAY['a', NULL]);
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', tags => ARRAY['']);
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', tags => ARRAY[repeat('x', 513)]);
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', tags => (SELECT array_agg(g::text) FROM generate_series(1, 1001) AS g));
SELECT * FROM inventory_perf.cached_query('SELECT 1 AS a', tags => '{b,a,b}');

-- nothing was changed
TABLE stock;
SELECT to_regclass('copy');
