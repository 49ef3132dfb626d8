SELECT count(*) AS "snapshots that differ from the ledger"
FROM inventory_perf.verify_ledger('stock_moves');
