-- What the location key of a two-leg ledger is called: the side it leaves, without from_, source_, src_.
CREATE TABLE a (product_id int, source_warehouse_id int, dest_warehouse_id int, quantity int, moved_at date);
CREATE TABLE b (product_id int, src_bin text, target_bin text, quantity int, moved_at date);
CREATE TABLE c (product_id int, shelf_a int, shelf_b int, quantity int, moved_at date);
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('a', prefix => 'a_');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('b', prefix => 'b_',
    from_location => 'src_bin', to_location => 'target_bin');
SELECT count(*) > 0 AS attached FROM inventory_perf.attach_ledger('c', prefix => 'c_',
    from_location => 'shelf_a', to_location => 'shelf_b');
SELECT attrelid::regclass AS view, attname FROM pg_attribute
WHERE attrelid IN ('a_stock_levels'::regclass, 'b_stock_levels'::regclass, 'c_stock_levels'::regclass) AND attnum = 2
ORDER BY 1;
