-- Partitions and children that lack a trigger of the table that they belong to, with that table; those
-- that hang below another table as well, with both; and former ones that still have such triggers,
-- with NULL.
WITH RECURSIVE triggers AS (
    SELECT t.tgrelid, t.tgargs,
           t.tgname LIKE 'inventory\_perf\_invalidate\_part\_%' AS is_part,
           pg_catalog.regexp_replace(t.tgname, '^inventory_perf_invalidate_(part_)?', '') AS event
    FROM pg_catalog.pg_trigger t
    WHERE t.tgfoid = 'inventory_perf.invalidate_cache()'::pg_catalog.regprocedure
      AND t.tgname LIKE 'inventory\_perf\_invalidate\_%'
), tree AS (
    SELECT t.tgrelid AS root, t.tgrelid AS member
    FROM triggers t
    WHERE NOT t.is_part
    UNION
    SELECT tree.root, i.inhrelid
    FROM pg_catalog.pg_inherits i
    JOIN tree ON tree.member = i.inhparent
)
SELECT p.member, p.root, p.other
FROM (
    SELECT t.member, t.root,
           (SELECT min(i.inhparent) FROM pg_catalog.pg_inherits i
            WHERE i.inhrelid = t.member AND NOT EXISTS (
                SELECT FROM tree o WHERE o.root = t.root AND o.member = i.inhparent)) AS other
    FROM tree t
) p
WHERE p.other IS NOT NULL OR p.member <> p.root AND EXISTS (
    SELECT FROM triggers r
    WHERE r.tgrelid = p.root AND NOT r.is_part AND NOT EXISTS (
        SELECT FROM triggers t
        WHERE t.tgrelid = p.member AND t.is_part
          AND t.event = r.event AND t.tgargs = r.tgargs))
UNION ALL
SELECT DISTINCT r.tgrelid, NULL::oid, NULL::oid
FROM triggers r
WHERE r.is_part AND NOT EXISTS (
    SELECT FROM tree t WHERE t.member = r.tgrelid AND t.member <> t.root)
ORDER BY 1, 2
