-- Commands that drop the triggers of an attached table, whatever they are called by now.
SELECT pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE t.tgrelid = $1
  AND (t.tgname LIKE '00\_inventory\_perf\_%'
       OR n.nspname = 'inventory_perf' AND p.proname = 'capture_moves')
