-- Whatever hangs below tables with triggers of invalidate_on_change(), with what it hangs below.
WITH RECURSIVE tree AS (
    SELECT t.tgrelid AS member, NULL::oid AS parent
    FROM pg_catalog.pg_trigger t
    WHERE t.tgfoid = 'inventory_perf.invalidate_cache()'::pg_catalog.regprocedure
      AND t.tgname LIKE 'inventory\_perf\_invalidate\_%'
    UNION
    SELECT i.inhrelid, i.inhparent
    FROM pg_catalog.pg_inherits i
    JOIN tree ON tree.member IN (i.inhparent, i.inhrelid)
)
SELECT DISTINCT tree.member, tree.parent FROM tree WHERE tree.parent IS NOT NULL ORDER BY 1, 2
