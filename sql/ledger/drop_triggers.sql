-- Commands that drop the triggers of attached tables, whatever they are called by now.
SELECT pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = ANY ($1)
  AND (t.tgfoid = 'inventory_perf.capture_moves()'::regprocedure
       OR t.tgfoid = 'inventory_perf.expect_moved_rows()'::regprocedure
          AND t.tgname = '00_inventory_perf_moved')
