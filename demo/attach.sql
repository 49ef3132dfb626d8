CREATE EXTENSION inventory_perf;

SELECT object, purpose
FROM inventory_perf.attach_ledger('stock_moves', product => 'product_id', location => 'store_id')
WHERE kind <> 'trigger' AND purpose NOT LIKE 'internal%';
