-- Of the tables $1 and all that hangs below them: partitions and children that lack a trigger of a table
-- that they belong to, with that table; those that hang below another table as well, with both; and
-- former ones that still have such triggers, with NULL.
WITH RECURSIVE below AS (
    SELECT u.oid AS member FROM pg_catalog.unnest($1::oid[]) u (oid)
    UNION
    SELECT i.inhrelid
    FROM below
    JOIN pg_catalog.pg_inherits i ON i.inhparent = below.member
), up AS (
    SELECT b.member, b.member AS ancestor FROM below b
    UNION
    SELECT up.member, i.inhparent
    FROM up
    JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.ancestor
), triggers AS (
    SELECT t.tgrelid, t.tgargs,
           t.tgname LIKE 'inventory\_perf\_invalidate\_part\_%' AS is_part,
           pg_catalog.regexp_replace(t.tgname, '^inventory_perf_invalidate_(part_)?', '') AS event
    FROM pg_catalog.pg_trigger t
    WHERE t.tgrelid = ANY (ARRAY(SELECT DISTINCT up.ancestor FROM up))
      AND t.tgfoid = 'inventory_perf.invalidate_cache()'::pg_catalog.regprocedure
      AND t.tgname LIKE 'inventory\_perf\_invalidate\_%'
), belongs AS (
    SELECT DISTINCT up.member, up.ancestor AS root
    FROM up
    JOIN triggers t ON t.tgrelid = up.ancestor AND NOT t.is_part
), placed AS (
    SELECT b.member, b.root,
           (SELECT pg_catalog.min(i.inhparent)
            FROM pg_catalog.pg_inherits i
            WHERE i.inhrelid = b.member AND NOT EXISTS (
                WITH RECURSIVE over AS (
                    SELECT i.inhparent AS ancestor
                    UNION
                    SELECT o.inhparent
                    FROM over
                    JOIN pg_catalog.pg_inherits o ON o.inhrelid = over.ancestor
                )
                SELECT FROM over WHERE over.ancestor = b.root)) AS other
    FROM belongs b
)
SELECT p.member, p.root, p.other
FROM placed p
WHERE p.other IS NOT NULL OR p.member <> p.root AND EXISTS (
    SELECT FROM triggers r
    WHERE r.tgrelid = p.root AND NOT r.is_part AND NOT EXISTS (
        SELECT FROM triggers t
        WHERE t.tgrelid = p.member AND t.is_part
          AND t.event = r.event AND t.tgargs = r.tgargs))
UNION ALL
SELECT DISTINCT t.tgrelid, NULL::oid, NULL::oid
FROM triggers t
JOIN below b ON b.member = t.tgrelid
WHERE t.is_part AND NOT EXISTS (
    SELECT FROM belongs b WHERE b.member = t.tgrelid AND b.root <> b.member)
ORDER BY 1, 2
