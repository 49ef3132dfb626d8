-- A schema that has a daily_stock_snapshots of its own: it is never touched.
CREATE TABLE daily_stock_snapshots (tenant text, closing int);
INSERT INTO daily_stock_snapshots VALUES ('mine', 42);
CREATE TABLE stock_moves (tenant text, product_id int, quantity int, moved_at date);
INSERT INTO stock_moves VALUES ('t', 1, 5, '2024-01-01');
SELECT * FROM inventory_perf.attach_ledger('stock_moves');
TABLE daily_stock_snapshots;
SELECT * FROM inventory_perf.ledgers;
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1;

-- a prefix, or another schema
SELECT object, kind FROM inventory_perf.attach_ledger('stock_moves', prefix => 'perf_');
SELECT * FROM perf_daily_stock_snapshots;
SELECT tenant, quantity FROM perf_stock_on('2024-01-01');
TABLE daily_stock_snapshots;
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('stock_moves', drop_data => true);
CREATE SCHEMA derived;
SELECT object, kind FROM inventory_perf.attach_ledger('stock_moves', target_schema => 'derived');
SELECT * FROM derived.daily_stock_snapshots;
SELECT tenant, quantity FROM derived.stock_on('2024-01-01');
TABLE daily_stock_snapshots;

-- a second ledger needs names of its own
CREATE SCHEMA other;
CREATE TABLE other.moves (product_id int, quantity int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('other.moves', target_schema => 'derived');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('other.moves');
SELECT ledger, target_schema, prefix FROM inventory_perf.ledgers ORDER BY ledger::text;

-- a function, an index or a type of the name is a clash too
CREATE SCHEMA crowded;
CREATE TABLE crowded.moves (product_id int, quantity int, moved_at date);
CREATE FUNCTION crowded.stock_on(as_of date) RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT * FROM inventory_perf.attach_ledger('crowded.moves');
DROP FUNCTION crowded.stock_on(date);
CREATE TYPE crowded.stock_levels AS ENUM ('low', 'high');
SELECT * FROM inventory_perf.attach_ledger('crowded.moves');
DROP TYPE crowded.stock_levels;
CREATE INDEX stock_days ON crowded.moves (moved_at);
SELECT * FROM inventory_perf.attach_ledger('crowded.moves');
DROP INDEX crowded.stock_days;
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('crowded.moves');

-- a schema that does not exist; a prefix that leaves no room
CREATE TABLE more_moves (product_id int, quantity int, moved_at date);
SELECT * FROM inventory_perf.attach_ledger('more_moves', target_schema => 'nowhere');
SELECT * FROM inventory_perf.attach_ledger('more_moves', prefix => repeat('x', 60));
