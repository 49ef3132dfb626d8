SELECT * FROM inventory_perf.populate_daily_stock_snapshots();
