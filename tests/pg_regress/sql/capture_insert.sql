-- INSERT in all its forms: every leg of a statement counts once, at once.
CREATE TABLE moves (id int PRIMARY KEY, product_id int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
CREATE VIEW legs AS SELECT product_id, moved_at AS day, quantity FROM moves;

-- one row of pending per statement, key and day
INSERT INTO moves VALUES (1, 1, 10, '2024-01-01'), (2, 1, -4, '2024-01-01'), (3, 1, 1, '2024-01-02'), (4, 2, 5, '2024-01-01');
SELECT count(*) AS pending FROM stock_pending;
SELECT * FROM daily_stock_snapshots ORDER BY product_id, snapshot_date;

INSERT INTO moves SELECT i, 1, 1, '2024-02-01' FROM generate_series(5, 104) AS i;
SELECT snapshot_date, in_quantity, move_count FROM daily_stock_snapshots WHERE snapshot_date = '2024-02-01';

COPY moves FROM STDIN;
200	3	7	2024-01-01
201	3	-7	2024-01-01
\.
SELECT * FROM daily_stock_snapshots WHERE product_id = 3;

-- ON CONFLICT: what is skipped does not count, what is updated counts as the change it is
INSERT INTO moves VALUES (1, 1, 1000, '2024-01-01'), (300, 4, 1, '2024-01-01') ON CONFLICT DO NOTHING;
INSERT INTO moves VALUES (300, 4, 2, '2024-01-05'), (301, 4, 3, '2024-01-05')
ON CONFLICT (id) DO UPDATE SET quantity = moves.quantity + excluded.quantity, moved_at = excluded.moved_at;
SELECT * FROM daily_stock_snapshots WHERE product_id = 4 ORDER BY snapshot_date;

-- statements within a statement
WITH taken AS (DELETE FROM moves WHERE product_id = 2 RETURNING id, quantity, moved_at),
     given AS (INSERT INTO moves SELECT id + 1000, 5, quantity, moved_at FROM taken RETURNING quantity)
SELECT sum(quantity) FROM given;
SELECT product_id, quantity_on_hand FROM stock_levels WHERE product_id IN (2, 5) ORDER BY 1;

-- nothing inserted, nothing emitted
SELECT inventory_perf.populate_daily_stock_snapshots('moves') IS NOT NULL AS folded;
INSERT INTO moves SELECT * FROM moves WHERE false;
INSERT INTO moves VALUES (1, 1, 1, '2024-01-01') ON CONFLICT DO NOTHING;
SELECT count(*) AS pending FROM stock_pending;

-- a BEFORE trigger may change or skip the row: what is stored counts
CREATE FUNCTION halve() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF new.quantity = 0 THEN RETURN NULL; END IF; new.quantity := new.quantity / 2; RETURN new; END $$;
CREATE TRIGGER halve BEFORE INSERT ON moves FOR EACH ROW EXECUTE FUNCTION halve();
INSERT INTO moves VALUES (400, 6, 100, '2024-01-01'), (401, 6, 0, '2024-01-01');
SELECT product_id, quantity_on_hand FROM stock_levels WHERE product_id = 6;
-- and an AFTER trigger may write to the ledger again
CREATE FUNCTION echo() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF pg_trigger_depth() = 1 THEN INSERT INTO moves VALUES (new.id + 500, 7, new.quantity * 2, new.moved_at); END IF; RETURN NULL; END $$;
CREATE TRIGGER echo AFTER INSERT ON moves FOR EACH ROW EXECUTE FUNCTION echo();
INSERT INTO moves VALUES (402, 7, 100, '2024-01-01');
SELECT product_id, quantity_on_hand FROM stock_levels WHERE product_id = 7;

SELECT * FROM golden.differences('moves', 'legs');
