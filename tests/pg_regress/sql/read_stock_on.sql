-- stock_on(as_of): every key that has had a movement by the end of that day.
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

SELECT * FROM stock_on('2023-12-30') ORDER BY 1, 2, 3;
SELECT * FROM stock_on('2023-12-31') ORDER BY 1, 2, 3;
SELECT * FROM stock_on('2024-01-05') ORDER BY 1, 2, 3;
SELECT * FROM stock_on('2024-01-31') ORDER BY 1, 2, 3;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves', until => '2024-01-15');
SELECT * FROM stock_on('2024-01-31') ORDER BY 1, 2, 3;
SELECT ledger, deltas_folded FROM inventory_perf.populate_daily_stock_snapshots('moves');
SELECT * FROM stock_on('2023-12-30') ORDER BY 1, 2, 3;
SELECT * FROM stock_on('2023-12-31') ORDER BY 1, 2, 3;
SELECT * FROM stock_on('2024-01-05') ORDER BY 1, 2, 3;
SELECT * FROM stock_on('2024-01-31') ORDER BY 1, 2, 3;
-- a key of which nothing is left is listed with 0
SELECT * FROM stock_on('2024-02-01') ORDER BY 1, 2, 3;
SELECT * FROM stock_on('2030-01-01') ORDER BY 1, 2, 3;

SELECT * FROM stock_on(as_of => '2024-02-02') WHERE tenant_id = 1 AND product_id = 10 AND location_id = 1;
SELECT * FROM stock_on('2024-02-02') WHERE product_id = 10 AND quantity > 0;
SELECT sum(quantity) FROM stock_on('2024-02-02') WHERE tenant_id = 1;
SELECT * FROM stock_on('2024-02-02') WHERE tenant_id = 99;

-- in a lateral join, a sub-query, a prepared statement, a view, a function
SELECT d::date, s.quantity
FROM generate_series(TIMESTAMP '2024-01-04', TIMESTAMP '2024-01-06', '1 day') AS d,
     LATERAL stock_on(d::date) AS s
WHERE s.tenant_id = 1 AND s.product_id = 10 AND s.location_id = 1 ORDER BY d;
SELECT m.moved_at, (SELECT quantity FROM stock_on(m.moved_at) AS s WHERE (s.tenant_id, s.product_id, s.location_id) = (m.tenant_id, m.product_id, m.location_id))
FROM moves AS m WHERE m.product_id = 10 AND m.location_id = 1 AND m.tenant_id = 1 ORDER BY m.moved_at, m.quantity;
PREPARE on_day (date, int) AS SELECT product_id, location_id, quantity FROM stock_on($1) WHERE tenant_id = 1 AND product_id = $2 ORDER BY 2;
EXECUTE on_day ('2024-01-31', 10);
SET plan_cache_mode = force_generic_plan;
EXECUTE on_day ('2024-02-03', 10);
EXECUTE on_day ('2023-01-01', 10);
EXECUTE on_day (NULL, 10);
RESET plan_cache_mode;
CREATE VIEW new_year AS SELECT * FROM stock_on('2024-01-01');
SELECT * FROM new_year;
CREATE FUNCTION level(p int, d date) RETURNS numeric LANGUAGE plpgsql AS
$$ DECLARE q numeric; BEGIN SELECT sum(quantity) INTO q FROM stock_on(d) WHERE product_id = p; RETURN q; END $$;
SELECT level(10, '2024-01-20'), level(20, '2024-01-20'), level(30, '2024-01-20');

-- no day is an error; a day without end is not
SELECT count(*) FROM stock_on(NULL);
SELECT * FROM stock_on('infinity') ORDER BY 1, 2, 3;
SELECT * FROM stock_on('-infinity');

CREATE VIEW legs AS SELECT tenant_id, product_id, location_id, moved_at AS day, quantity FROM moves;
SELECT * FROM golden.differences('moves', 'legs');
