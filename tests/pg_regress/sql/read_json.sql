-- The untyped twins: the key as jsonb, for clients that do not know the schema.
CREATE TABLE moves (tenant_id int, product_id int, location_id int, quantity numeric, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
INSERT INTO moves VALUES
    (1, 10, 1, 100, '2024-01-05'),
    (1, 10, 1, -30, '2024-01-05'),   -- 70
    (1, 10, 1, -20, '2024-01-20'),   -- 50
    (1, 10, 1,  50, '2024-02-03'),   -- 100
    (1, 10, 1, -100, '2024-04-01'),  -- 0
    (1, 10, 2,   5, '2024-01-31'),
    (1, 10, 2,  -5, '2024-02-01'),   -- 0
    (1, 20, 1,   7, '2023-12-31'),
    (2, 10, 1, 1.5, '2024-02-29');

SELECT * FROM inventory_perf.stock_on('moves', '2024-01-31') ORDER BY key;
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-31', '{"product_id": 10, "tenant_id": 1}') ORDER BY key;
SELECT * FROM inventory_perf.stock_on(ledger => 'moves', as_of => '2024-01-31', key => '{"tenant_id": 1, "product_id": 10, "location_id": 1}');
SELECT * FROM inventory_perf.stock_history('moves', '2024-02-02', '2024-02-04', '{"tenant_id": 1, "product_id": 10, "location_id": 1}') ORDER BY snapshot_date;
SELECT * FROM inventory_perf.stock_period('moves', '2024-01-01', '2024-01-31', '{"location_id": 1}') ORDER BY key;
SELECT * FROM inventory_perf.stock_period(ledger => 'moves', from_date => '2024-01-01', to_date => '2024-01-31', key => '{}') ORDER BY key;
-- a value as text is read as the column's type
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-31', '{"tenant_id": "1", "product_id": 20}');
-- a key that nothing has
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-31', '{"tenant_id": 77}');

-- names and values that cannot be
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-31', '{"colour": 1}');
SELECT * FROM inventory_perf.stock_history('moves', '2024-01-31', '2024-01-31', '{"colour": 1}');
SELECT * FROM inventory_perf.stock_period('moves', '2024-01-31', '2024-01-31', '{"colour": 1}');
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-31', '{"product_id": "bolt"}');
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-31', '{"product_id": [10]}');
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-31', '{"product_id": null}');
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-31', '[10]');
SELECT * FROM inventory_perf.stock_on('moves', '2024-01-31', '10');
-- with a value measure, the value columns are filled
CREATE TABLE valued (product_id text, quantity int, amount numeric, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('valued', value => 'amount', prefix => 'valued_');
INSERT INTO valued VALUES ('it''s "x"', 2, 5.5, '2024-01-01'), ('it''s "x"', -1, -2.75, '2024-01-02');
SELECT * FROM inventory_perf.stock_on('valued', '2024-01-01', '{"product_id": "it''s \"x\""}');
SELECT * FROM inventory_perf.stock_history('valued', '2024-01-01', '2024-01-02') ORDER BY snapshot_date;
SELECT * FROM inventory_perf.stock_period('valued', '2024-01-01', '2024-01-02');
SELECT * FROM valued_stock_period('2024-01-01', '2024-01-02');

CREATE VIEW legs AS SELECT product_id, moved_at AS day, quantity, amount AS value FROM valued;
SELECT * FROM golden.differences('valued', 'legs');

-- every digit of a number counts
CREATE TABLE lots (product_id numeric, quantity int, moved_at date);
INSERT INTO lots VALUES (12345678901234567890.12345678901234567, 1, '2024-01-01'), (1e400, 2, '2024-01-01');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('lots', prefix => 'lots_');
SELECT quantity FROM inventory_perf.stock_on('lots', '2024-01-01', '{"product_id": 12345678901234567890.12345678901234567}');
SELECT quantity FROM inventory_perf.stock_on('lots', '2024-01-01', '{"product_id": 1e400}');
SELECT quantity FROM inventory_perf.stock_on('lots', '2024-01-01', '{"product_id": 12345678901234567890}');
