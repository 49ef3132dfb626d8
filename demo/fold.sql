SELECT ledger, pending_rows, date_trunc('second', last_fold) AS last_fold
FROM inventory_perf.ledgers;
