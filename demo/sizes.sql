SELECT ledger, state, pg_size_pretty(pg_total_relation_size(ledger)) AS "ledger and its indexes",
       pg_size_pretty(storage_bytes) AS "snapshots and their indexes"
FROM inventory_perf.ledgers;
