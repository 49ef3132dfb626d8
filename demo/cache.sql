-- What follows from a change of stock: a key of the application's own, and every cached query
-- that read the table.
SELECT inventory_perf.invalidate_on_change('stock_moves', keys => '{"stock:{product_id}:{store_id}"}');
SELECT inventory_perf.invalidate_on_change('products');
