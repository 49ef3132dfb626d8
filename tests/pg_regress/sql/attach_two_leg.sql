-- A two-leg ledger: the quantity leaves one location and arrives at another; a NULL side emits no leg.
CREATE TABLE transfers (
    company_id integer,
    item_id integer,
    from_location_id integer,
    to_location_id integer,
    qty integer,
    amount numeric,
    move_date date
);
INSERT INTO transfers VALUES
    (1, 7, NULL, 1, 100, 250.00, '2024-01-02'),   -- receipt: only the side where it arrives
    (1, 7, 1, 2, 40, 100.00, '2024-01-03'),       -- transfer: two legs
    (1, 7, 2, NULL, 15, 37.50, '2024-01-31'),     -- issue: only the side it leaves
    (1, 7, 2, 2, 5, 12.50, '2024-02-01'),         -- to itself: two legs that cancel out
    (1, 7, NULL, NULL, 9, 9, '2024-02-01');       -- no leg at all

SELECT object, kind FROM inventory_perf.attach_ledger('transfers', value => 'amount');

-- the location key is called location_id
-- 1: +100 = 100, -40 = 60; 2: +40 = 40, -15 = 25, 0 (5 in, 5 out)
-- value 1: 250, 150; 2: 100, 62.50, 62.50
SELECT * FROM daily_stock_snapshots ORDER BY location_id, snapshot_date;
SELECT * FROM stock_levels ORDER BY location_id;

INSERT INTO transfers VALUES (1, 7, 2, 3, 25, 62.50, '2024-01-31');
SELECT location_id, quantity, value FROM stock_on('2024-01-31') ORDER BY location_id;
UPDATE transfers SET to_location_id = 1 WHERE to_location_id = 3;
SELECT location_id, quantity, value FROM stock_on('2024-01-31') ORDER BY location_id;

CREATE VIEW legs AS
    SELECT company_id, item_id, from_location_id AS location_id, move_date AS day, -qty AS quantity, -amount AS value
    FROM transfers WHERE from_location_id IS NOT NULL
    UNION ALL
    SELECT company_id, item_id, to_location_id, move_date, qty, amount FROM transfers WHERE to_location_id IS NOT NULL;
SELECT * FROM golden.differences('transfers', 'legs');
SELECT deltas_folded > 0 AS folded FROM inventory_perf.populate_daily_stock_snapshots('transfers');
SELECT * FROM golden.differences('transfers', 'legs');
SELECT sum(expected) AS rows_compared FROM golden.comparisons;
SELECT * FROM inventory_perf.verify_ledger('transfers');
