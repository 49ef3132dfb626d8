CREATE EXTENSION inventory_perf;
SELECT object, kind, purpose
FROM inventory_perf.attach_ledger('stock_moves', product => 'product_id', location => 'store_id');
