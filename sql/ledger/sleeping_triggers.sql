-- Commands that enable the capture triggers of tables for sessions that apply changes as a replica,
-- where ALTER TABLE … ENABLE TRIGGER has made them like others.
SELECT pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.tgrelid::regclass, t.tgname)
FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = ANY ($1) AND t.tgenabled = 'O'
  AND t.tgfoid IN ('inventory_perf.capture_moves()'::regprocedure,
                   'inventory_perf.expect_moved_rows()'::regprocedure)
