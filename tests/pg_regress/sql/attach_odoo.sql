-- Odoo's stock_move: counted when done; rows become done, or are cancelled, by UPDATE.
CREATE TABLE stock_move (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id integer NOT NULL,
    product_id integer NOT NULL,
    location_id integer NOT NULL,
    location_dest_id integer NOT NULL,
    product_qty numeric,
    product_uom_qty numeric,
    state varchar,
    date timestamp NOT NULL,
    create_date timestamp
);
INSERT INTO stock_move (company_id, product_id, location_id, location_dest_id, product_qty, state, date) VALUES
    (1, 5, 4, 8, 12, 'done', '2024-05-01 10:00'),
    (1, 5, 8, 9, 2, 'done', '2024-05-02 10:00'),
    (1, 5, 8, 9, 3, 'draft', '2024-05-03 10:00');

-- detected without naming the preset
SELECT object, kind FROM inventory_perf.attach_ledger('stock_move');
-- location 4 is the supplier: -12; 8: +12, -2; 9: +2
SELECT * FROM daily_stock_snapshots ORDER BY location_id, snapshot_date;

-- draft to done: the move counts now, at the day it is done
UPDATE stock_move SET state = 'done', date = '2024-05-04 09:00' WHERE state = 'draft';
SELECT location_id, quantity_on_hand, last_moved_on FROM stock_levels ORDER BY location_id;
-- and back: cancelled moves do not count
UPDATE stock_move SET state = 'cancel' WHERE product_qty = 12;
SELECT location_id, quantity_on_hand, last_moved_on FROM stock_levels ORDER BY location_id;
SELECT location_id, opening_quantity, in_quantity, out_quantity, total_movements, closing_quantity, move_count
FROM stock_period('2024-05-03', '2024-05-31') ORDER BY location_id;

CREATE VIEW legs AS
    SELECT company_id, product_id, location_id, date::date AS day, -product_qty AS quantity
    FROM stock_move WHERE state = 'done'
    UNION ALL
    SELECT company_id, product_id, location_dest_id, date::date, product_qty FROM stock_move WHERE state = 'done';
SELECT * FROM golden.differences('stock_move', 'legs');
SELECT count(*) > 0 AS detached FROM inventory_perf.detach_ledger('stock_move', drop_data => true);

-- named, with an argument of the caller's that comes before the preset's
SELECT count(*) > 0 AS attached
FROM inventory_perf.attach_ledger('stock_move', 'odoo', filter => $$state IN ('done', 'cancel')$$);
SELECT location_id, quantity_on_hand FROM stock_levels ORDER BY location_id;

-- a preset whose columns are missing, and one that does not exist
CREATE TABLE not_odoo (product_id int, quantity int, date date);
SELECT * FROM inventory_perf.attach_ledger('not_odoo', preset => 'odoo');
SELECT * FROM inventory_perf.attach_ledger('not_odoo', preset => 'sap');
