-- Members of a ledger with a capture trigger that is not enabled.
SELECT DISTINCT t.tgrelid
FROM inventory_perf.ledger l
JOIN pg_catalog.pg_trigger t ON t.tgrelid = ANY (l.members)
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE l.ledger = $1::oid
  AND n.nspname = 'inventory_perf' AND p.proname = 'capture_moves'
  AND t.tgenabled IN ('D', 'R')
