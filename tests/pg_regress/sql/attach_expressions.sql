-- Expressions for the quantity, the value and the day.
CREATE TABLE journal (
    sku text, direction text, pieces int, unit_cost numeric(10,4), day_number int
);
INSERT INTO journal VALUES
    ('bolt', 'in', 100, 0.25, 19723),     -- 2024-01-01
    ('bolt', 'out', 30, 0.25, 19724),
    ('nut', 'in', 7, 1.5, 19723);
SELECT object, kind FROM inventory_perf.attach_ledger('journal',
    product => 'sku',
    quantity => $$CASE direction WHEN 'in' THEN pieces ELSE -pieces END$$,
    value => $$CASE direction WHEN 'in' THEN pieces ELSE -pieces END * unit_cost$$,
    moved_at => $$DATE '1970-01-01' + day_number$$);

-- bolt: +100 (25.00), -30 (-7.50); nut: +7 (10.50)
SELECT * FROM daily_stock_snapshots ORDER BY sku, snapshot_date;
SELECT * FROM stock_levels ORDER BY sku;

-- a change of any column of an expression counts
UPDATE journal SET direction = 'out' WHERE sku = 'nut';
UPDATE journal SET unit_cost = 0.5 WHERE sku = 'bolt' AND direction = 'out';
UPDATE journal SET day_number = day_number + 31 WHERE sku = 'bolt' AND direction = 'in';
-- bolt: 2024-01-02 -30 (-15), 2024-02-01 +100 (25); nut: -7 (-10.5)
SELECT sku, snapshot_date, total_movements, closing_quantity, value_change, closing_value
FROM daily_stock_snapshots ORDER BY sku, snapshot_date;

CREATE VIEW legs AS
    SELECT sku, DATE '1970-01-01' + day_number AS day,
           CASE direction WHEN 'in' THEN pieces ELSE -pieces END AS quantity,
           CASE direction WHEN 'in' THEN pieces ELSE -pieces END * unit_cost AS value
    FROM journal;
SELECT * FROM golden.differences('journal', 'legs');
SELECT count(*) AS folded FROM inventory_perf.populate_daily_stock_snapshots('journal');
SELECT * FROM golden.differences('journal', 'legs');

-- an error in an expression refuses the row, as it must: the ledger and its snapshots stay alike
CREATE TABLE ratios (product_id int, total int, parts int, moved_at date);
SELECT count(*) > 0 AS attached
FROM inventory_perf.attach_ledger('ratios', quantity => 'total / parts', prefix => 'ratio_');
INSERT INTO ratios VALUES (1, 10, 2, '2024-01-01');
INSERT INTO ratios VALUES (1, 10, 0, '2024-01-01');
SELECT * FROM ratio_stock_levels;
