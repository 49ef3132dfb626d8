-- Queries that cannot be cached are computed; whoever can do something about it is told, once.
CREATE TABLE stock (id int, level int);
CREATE TABLE watched (id int, level int);
CREATE TEMP TABLE mine (id int);
INSERT INTO stock VALUES (1, 5);
INSERT INTO watched VALUES (1, 6);
CREATE SEQUENCE numbers;
CREATE FUNCTION read_stock() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT sum(level) FROM stock); END';
CREATE FUNCTION read_stock_for_all() RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER AS 'BEGIN RETURN (SELECT sum(level) FROM stock); END';
CREATE FUNCTION inlined() RETURNS SETOF stock LANGUAGE sql STABLE AS 'SELECT * FROM stock';
CREATE FUNCTION add_up(bigint, int) RETURNS bigint LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN coalesce($1, 0) + $2; END';
CREATE AGGREGATE added_up(int) (SFUNC = add_up, STYPE = bigint);

SELECT * FROM inventory_perf.cached_query('SELECT level FROM stock');
SELECT * FROM inventory_perf.cached_query('SELECT level FROM stock');
SELECT * FROM inventory_perf.cached_query('SELECT level FROM stock', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT level FROM inlined()');
SELECT * FROM inventory_perf.cached_query('SELECT count(*) > 0 AS yes FROM pg_class');
SELECT * FROM inventory_perf.cached_query('SELECT id FROM mine', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT random() < 2 AS yes', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT nextval(''numbers'')', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT nextval(''numbers'')', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT count(*) FROM stock TABLESAMPLE system (100)', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT now() > ''2024-01-01'' AS yes', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT localtimestamp > ''2024-01-01'' AS yes', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT ''Today''::date > ''2024-01-01'' AS yes', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT '' today''::date > ''2024-01-01'' AS yes', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT $$TODAY$$::date > ''2024-01-01'' AS yes', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT read_stock()', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT read_stock_for_all()');
SELECT * FROM inventory_perf.cached_query('SELECT read_stock_for_all()', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT added_up(level) FROM stock', tags => '{stock}');
SELECT * FROM inventory_perf.cached_query('SELECT * FROM inventory_perf.cached_query(''SELECT 1 AS a'')');

-- no obstacle
SELECT * FROM inventory_perf.cached_query('SELECT CURRENT_DATE > ''2024-01-01'' AS yes');
SELECT * FROM inventory_perf.cached_query('SELECT to_char(''2024-01-01''::timestamptz, ''YYYY'') AS year, current_setting(''app.tenant'', true) AS tenant');
-- whatever a backslash means
SET standard_conforming_strings = off;
SELECT * FROM inventory_perf.cached_query('SELECT level FROM watched');
RESET standard_conforming_strings;
