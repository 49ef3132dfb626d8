SELECT count(*) FROM inventory_perf.verify_ledger('stock_moves');
