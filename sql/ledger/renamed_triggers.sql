-- Commands that drop the capture triggers of a table that were given other names.
SELECT pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE t.tgrelid = $1 AND n.nspname = 'inventory_perf' AND p.proname = 'capture_moves'
  AND t.tgname NOT LIKE '00\_inventory\_perf\_%'
