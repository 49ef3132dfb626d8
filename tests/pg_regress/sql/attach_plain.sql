-- A plain ledger, one row per movement with a signed quantity: every column is detected by its
-- name, key columns keep their types, and the rows that are there are backfilled.
CREATE TABLE stock_moves (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    product_id bigint NOT NULL,
    location_id integer NOT NULL,
    quantity numeric(12,3) NOT NULL,
    moved_at timestamptz NOT NULL,
    note text
);
INSERT INTO stock_moves (tenant_id, product_id, location_id, quantity, moved_at) VALUES
    ('11111111-1111-1111-1111-111111111111', 10, 1, 100, '2024-01-05 08:00+00'),
    ('11111111-1111-1111-1111-111111111111', 10, 1, -30, '2024-01-05 19:00+00'),
    ('11111111-1111-1111-1111-111111111111', 10, 1, -20, '2024-01-20 08:00+00'),
    ('11111111-1111-1111-1111-111111111111', 10, 2, 4.5, '2024-02-29 23:59:59.999999+00'),
    ('22222222-2222-2222-2222-222222222222', 10, 1, 7, '2024-03-01 00:00+00');

SELECT * FROM inventory_perf.attach_ledger('stock_moves');

-- the columns of the derived relations, in the order tenant, product, location
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relname IN ('daily_stock_snapshots', 'stock_levels') AND c.relnamespace = 'public'::regnamespace
  AND a.attnum > 0
ORDER BY c.relname, a.attnum;

SELECT p.proname, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result,
       p.provolatile, p.proparallel, l.lanname
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = 'public'::regnamespace
ORDER BY p.proname;

-- each has a comment
SELECT relname AS without_comment FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'stock_moves' AND obj_description(oid, 'pg_class') IS NULL
UNION ALL
SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL;

-- the ledger has nothing more than triggers
SELECT count(*) > 0 AS has_triggers,
       bool_and(tgtype & 1 = 0) AS all_per_statement
FROM pg_trigger WHERE tgrelid = 'stock_moves'::regclass AND NOT tgisinternal;
SELECT attname FROM pg_attribute WHERE attrelid = 'stock_moves'::regclass AND attnum > 0 ORDER BY attnum;

-- 2024-01-05: 0 + 100 - 30 = 70; 2024-01-20: 70 - 20 = 50
SELECT * FROM daily_stock_snapshots ORDER BY tenant_id, product_id, location_id, snapshot_date;
SELECT * FROM stock_levels ORDER BY tenant_id, product_id, location_id;

-- a later row counts at once
INSERT INTO stock_moves (tenant_id, product_id, location_id, quantity, moved_at) VALUES
    ('11111111-1111-1111-1111-111111111111', 10, 1, 1, '2024-01-19 12:00+00');
SELECT product_id, location_id, snapshot_date, opening_quantity, total_movements, closing_quantity
FROM daily_stock_snapshots
WHERE tenant_id = '11111111-1111-1111-1111-111111111111' ORDER BY product_id, location_id, snapshot_date;

CREATE VIEW legs AS
    SELECT tenant_id, product_id, location_id, (moved_at AT TIME ZONE 'UTC')::date AS day, quantity FROM stock_moves;
SELECT * FROM golden.differences('stock_moves', 'legs');
SELECT sum(expected) AS rows_compared FROM golden.comparisons;
