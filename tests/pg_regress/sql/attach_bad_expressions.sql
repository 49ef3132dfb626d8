-- Expressions must be immutable and about one row.
CREATE TABLE moves (product_id int, quantity int, moved_at timestamptz, note text);
CREATE FUNCTION guess(int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT $1';
CREATE FUNCTION lookup(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION twice(int) RETURNS SETOF int LANGUAGE sql IMMUTABLE AS 'VALUES ($1), ($1)';

-- volatile, stable, set-returning, sub-query, aggregate, window
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'guess(quantity)');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'quantity * random()');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'lookup(quantity)');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'twice(quantity)');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => '(SELECT 1)');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'sum(quantity)');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'lag(quantity) OVER ()');
SELECT * FROM inventory_perf.attach_ledger('moves', value => 'guess(quantity)');
SELECT * FROM inventory_perf.attach_ledger('moves', value => '(SELECT 1)');
SELECT * FROM inventory_perf.attach_ledger('moves', moved_at => 'now()');
SELECT * FROM inventory_perf.attach_ledger('moves', moved_at => $$date_trunc('day', moved_at)$$);
SELECT * FROM inventory_perf.attach_ledger('moves', moved_at => 'moved_at::date');
SELECT * FROM inventory_perf.attach_ledger('moves', filter => 'random() < 0.5');
SELECT * FROM inventory_perf.attach_ledger('moves', filter => 'quantity IN (SELECT 1)');
SELECT * FROM inventory_perf.attach_ledger('moves', filter => 'moved_at > now()');
SELECT * FROM inventory_perf.attach_ledger('moves', filter => 'count(*) > 1');

-- types that do not fit
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'note');
SELECT * FROM inventory_perf.attach_ledger('moves', value => 'note');
SELECT * FROM inventory_perf.attach_ledger('moves', moved_at => 'quantity');
SELECT * FROM inventory_perf.attach_ledger('moves', filter => 'quantity');

-- syntax, and text that tries to be more than one expression
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'quantity +');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => '');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'quantity, 1');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'quantity FROM moves; DROP TABLE moves; --');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'quantity) FROM moves; DROP TABLE moves; --');
SELECT * FROM inventory_perf.attach_ledger('moves', filter => 'true) OR (true');
SELECT * FROM inventory_perf.attach_ledger('moves', filter => 'true /*');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => '$1');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'no_such_column');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'no_such_function(quantity)');
SELECT * FROM inventory_perf.attach_ledger('moves', quantity => 'tableoid::int');

-- a comment at the end does no harm
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves', filter => 'quantity > 0 -- receipts');
INSERT INTO moves VALUES (1, 5, '2024-01-01'), (1, -1, '2024-01-01');
SELECT quantity_on_hand FROM stock_levels;
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('moves', drop_data => true);
SELECT count(*) AS still_there FROM moves;
SELECT * FROM inventory_perf.ledgers;
