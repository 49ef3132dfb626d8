-- The last error of a ledger that is still registered.
INSERT INTO inventory_perf.ledger_error AS e (ledger, message, failed_at)
SELECT l.ledger, $2, pg_catalog.clock_timestamp()
FROM inventory_perf.ledger l
WHERE l.ledger = $1::oid
ON CONFLICT (ledger) DO UPDATE SET message = excluded.message, failed_at = excluded.failed_at
