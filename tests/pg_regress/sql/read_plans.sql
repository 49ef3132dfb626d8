-- Filters on key and date reach the indexes; no read writes, and reads run in parallel and READ ONLY.
CREATE TABLE moves (tenant_id int, product_id int, quantity numeric, moved_at date);
-- 120,000 moves, each on a day of its own for its key
INSERT INTO moves SELECT 1 + i % 3, i % 200, 1, DATE '2022-01-01' + (i * 7) % 797 FROM generate_series(1, 120000) AS i;
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('moves');
ANALYZE;

-- how a query reads the stored data: the conditions that reach the indexes
CREATE FUNCTION scans(query text) RETURNS TABLE (relation text, scan text, index_condition text)
LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN QUERY
        SELECT DISTINCT n ->> 'Relation Name', n ->> 'Node Type',
               regexp_replace(regexp_replace(n ->> 'Index Cond', '\$\d+', '$', 'g'), '([a-z])_\d+\.', '\1.', 'g')
        FROM jsonb_path_query(plan, 'strict $.** ? (exists (@."Relation Name"))') AS n
        WHERE n ->> 'Relation Name' <> 'stock_pending'
        ORDER BY 1, 2, 3;
END $$;
SET enable_bitmapscan = off;
SELECT * FROM scans($$SELECT * FROM stock_on('2023-03-15') WHERE tenant_id = 1 AND product_id = 42$$);
SELECT * FROM scans($$SELECT * FROM daily_stock_snapshots WHERE tenant_id = 1 AND product_id = 42 AND snapshot_date BETWEEN '2023-03-01' AND '2023-03-31'$$);
SELECT * FROM scans($$SELECT * FROM stock_levels WHERE tenant_id = 1 AND product_id = 42$$);
SELECT * FROM scans($$SELECT * FROM stock_period('2022-05-10', '2023-03-15') WHERE tenant_id = 1 AND product_id = 42$$);
SELECT * FROM scans($$SELECT * FROM stock_history('2023-03-10', '2023-03-15') WHERE tenant_id = 1 AND product_id = 42$$);
-- every key over a range: two openings, and no more than a part of a month at each end is read
CREATE FUNCTION rows_read(query text) RETURNS TABLE (relation text, scans bigint, rows numeric)
LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, FORMAT JSON) ' || query INTO plan;
    RETURN QUERY
        SELECT n ->> 'Relation Name', count(*) FILTER (WHERE (n ->> 'Actual Rows')::int > 0),
               sum((n ->> 'Actual Rows')::int * (n ->> 'Actual Loops')::int)::numeric
        FROM jsonb_path_query(plan, 'strict $.** ? (exists (@."Relation Name"))') AS n
        GROUP BY 1 ORDER BY 1;
END $$;
SET max_parallel_workers_per_gather = 0;
SELECT * FROM rows_read($$SELECT * FROM stock_period('2022-05-01', '2023-03-31')$$);
SELECT * FROM rows_read($$SELECT * FROM stock_period('2022-05-10', '2023-03-20')$$);
SELECT count(*) FILTER (WHERE moved_at BETWEEN '2022-05-01' AND '2022-05-09') + count(*) FILTER (WHERE moved_at BETWEEN '2023-03-21' AND '2023-03-31') AS days_read,
       count(*) FILTER (WHERE moved_at BETWEEN '2022-05-10' AND '2023-03-20') AS days_of_the_range, count(DISTINCT (tenant_id, product_id)) AS keys
FROM moves;
RESET max_parallel_workers_per_gather;
-- every key at a date: one month of days, and its openings
SELECT * FROM scans($$SELECT * FROM stock_on('2023-03-15')$$) WHERE scan <> 'Seq Scan';
-- a prepared statement that does not know its arguments
PREPARE level (date, int, int) AS SELECT quantity FROM stock_on($1) WHERE tenant_id = $2 AND product_id = $3;
SET plan_cache_mode = force_generic_plan;
SELECT * FROM scans($$EXECUTE level('2023-03-15', 1, 42)$$);
EXECUTE level('2023-03-15', 1, 42);
RESET plan_cache_mode;
EXPLAIN (COSTS OFF) SELECT * FROM stock_on('2023-03-15') WHERE tenant_id = 1 AND product_id = 42;
RESET enable_bitmapscan;

-- READ ONLY, without a transaction id
BEGIN READ ONLY;
SELECT quantity FROM stock_on('2023-03-15') WHERE tenant_id = 1 AND product_id = 42;
SELECT quantity_on_hand FROM stock_levels WHERE tenant_id = 1 AND product_id = 42;
SELECT count(*) FROM stock_history('2023-03-01', '2023-03-31') WHERE tenant_id = 1 AND product_id = 42;
SELECT closing_quantity FROM stock_period('2023-03-01', '2023-03-31') WHERE tenant_id = 1 AND product_id = 42;
SELECT count(*) FROM daily_stock_snapshots WHERE tenant_id = 1 AND product_id = 42;
SELECT quantity FROM inventory_perf.stock_on('moves', '2023-03-15', '{"tenant_id": 1, "product_id": 42}');
SELECT count(*) FROM inventory_perf.stock_history('moves', '2023-03-01', '2023-03-31', '{"tenant_id": 1, "product_id": 42}');
SELECT closing_quantity FROM inventory_perf.stock_period('moves', '2023-03-01', '2023-03-31', '{"tenant_id": 1, "product_id": 42}');
SELECT count(*) FROM inventory_perf.verify_ledger('moves');
SELECT ledger, state FROM inventory_perf.ledgers;
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_transaction_id;
COMMIT;
-- by hand: rows of the key up to the day
SELECT count(*) FROM moves WHERE tenant_id = 1 AND product_id = 42 AND moved_at <= '2023-03-15';

-- parallel workers
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SELECT sum(quantity), count(*) FROM stock_on('2023-03-15');
SELECT sum(quantity_on_hand), count(*) FROM stock_levels;
SELECT sum(total_movements), sum(move_count), count(*) FROM daily_stock_snapshots;
SELECT sum(closing_quantity), sum(move_count), count(*) FROM stock_period('2023-02-10', '2023-03-15');
SELECT sum(quantity), count(DISTINCT (tenant_id, product_id)) FROM moves WHERE moved_at <= '2023-03-15';
SELECT sum(quantity), count(DISTINCT (tenant_id, product_id)), count(*), count(DISTINCT (tenant_id, product_id, moved_at)) FROM moves;
SELECT sum(quantity) FILTER (WHERE moved_at <= '2023-03-15'), count(*) FILTER (WHERE moved_at BETWEEN '2023-02-10' AND '2023-03-15'),
       count(DISTINCT (tenant_id, product_id)) FILTER (WHERE moved_at <= '2023-03-15') FROM moves;
