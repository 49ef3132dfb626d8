-- Tables that do not have exactly one enabled capture trigger, without a condition, for each of the
-- events, and, partitioned ones, what expects rows that MERGE moves.
WITH wanted(type, old_rows, new_rows) AS (
    -- as pg_trigger.tgtype has them: INSERT, UPDATE, DELETE, before and after TRUNCATE
    VALUES (4, false, true), (16, true, true), (8, true, false), (34, false, false), (32, false, false)
)
SELECT c.oid
FROM pg_catalog.pg_class c
WHERE c.oid = ANY ($1)
  AND ((SELECT count(*) FROM pg_catalog.pg_trigger t
        WHERE t.tgrelid = c.oid AND t.tgfoid = 'inventory_perf.capture_moves()'::regprocedure)
       <> (SELECT count(*) FROM wanted)
    OR EXISTS (
        SELECT FROM wanted w
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_trigger t
            WHERE t.tgrelid = c.oid
              AND t.tgfoid = 'inventory_perf.capture_moves()'::regprocedure
              AND t.tgtype = w.type AND t.tgenabled = 'A' AND t.tgqual IS NULL
              AND t.tgnargs = 0 AND t.tgattr::text = '' AND t.tgconstraint = 0
              AND (t.tgoldtable IS NOT NULL) = w.old_rows
              AND (t.tgnewtable IS NOT NULL) = w.new_rows))
    OR c.relkind = 'p' AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger t
        WHERE t.tgrelid = c.oid
          AND t.tgfoid = 'inventory_perf.expect_moved_rows()'::regprocedure
          AND t.tgtype = 18 AND t.tgenabled = 'A' AND t.tgqual IS NULL))
ORDER BY c.oid
LIMIT 1
