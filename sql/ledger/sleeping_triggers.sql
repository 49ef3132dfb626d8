-- Commands that enable the capture triggers of a ledger for sessions that apply changes as a replica,
-- where ALTER TABLE … ENABLE TRIGGER has made them like others.
SELECT pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.tgrelid::regclass, t.tgname)
FROM inventory_perf.ledger l
JOIN pg_catalog.pg_trigger t ON t.tgrelid = ANY (l.members)
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE l.ledger = $1::oid
  AND n.nspname = 'inventory_perf' AND p.proname = 'capture_moves' AND t.tgenabled = 'O'
