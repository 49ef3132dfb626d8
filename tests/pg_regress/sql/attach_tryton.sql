-- Tryton's stock_move: float8 quantity, day = coalesce(effective_date, planned_date), counted when done.
CREATE TABLE stock_move (
    id integer PRIMARY KEY,
    company integer,
    product integer,
    from_location integer,
    to_location integer,
    internal_quantity float8,
    quantity float8,
    effective_date date,
    planned_date date,
    state varchar
);
INSERT INTO stock_move VALUES
    (1, 1, 3, 20, 30, 0.1, 1, '2024-06-01', '2024-05-30', 'done'),
    (2, 1, 3, 20, 30, 0.2, 1, NULL, '2024-06-02', 'done'),
    (3, 1, 3, 30, 20, 0.3, 1, '2024-06-03', NULL, 'done'),
    (4, 1, 3, 20, 30, 9, 1, '2024-06-03', NULL, 'draft'),
    (5, 1, 3, 20, 30, 9, 1, NULL, NULL, 'done');     -- no day: does not count

SELECT object, kind FROM inventory_perf.attach_ledger('stock_move', 'tryton');

-- exactly 0.1 + 0.2 - 0.3 = 0, which float8 sums do not give
SELECT 0.1::float8 + 0.2::float8 - 0.3::float8 = 0 AS float8_sum_is_zero;
SELECT company, product, location, snapshot_date, opening_quantity, total_movements, closing_quantity, move_count
FROM daily_stock_snapshots ORDER BY location, snapshot_date;
SELECT location, quantity_on_hand = 0 AS zero, last_moved_on FROM stock_levels ORDER BY location;

-- the planned move becomes effective on another day
UPDATE stock_move SET effective_date = '2024-06-10' WHERE id = 2;
SELECT location, snapshot_date, closing_quantity FROM daily_stock_snapshots ORDER BY location, snapshot_date;

CREATE VIEW legs AS
    WITH moves AS (
        SELECT *, internal_quantity::numeric AS q, coalesce(effective_date, planned_date) AS day
        FROM stock_move WHERE state = 'done' AND coalesce(effective_date, planned_date) IS NOT NULL)
    SELECT company, product, from_location AS location, day, -q AS quantity FROM moves
    UNION ALL
    SELECT company, product, to_location, day, q FROM moves;
SELECT * FROM golden.differences('stock_move', 'legs');

-- detected by its columns as well
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('stock_move', drop_data => true);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('stock_move');
SELECT mapping FROM inventory_perf.ledgers;
