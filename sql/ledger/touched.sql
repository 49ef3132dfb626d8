-- The ledgers that something was done to: to themselves, their parts, storage, mapping or what
-- answers, to a table that hangs below one, or to one that it hangs below.
WITH RECURSIVE above AS (
    (WITH named AS (SELECT n.relation FROM pg_catalog.unnest($1) n(relation))
     SELECT n.relation FROM named n
     UNION
     SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN named n ON n.relation = i.inhparent)
    UNION
    SELECT i.inhparent
    FROM pg_catalog.pg_inherits i
    JOIN above a ON a.relation = i.inhrelid
), touched AS MATERIALIZED (
    SELECT pg_catalog.array_agg(a.relation) AS relations FROM above a
)
SELECT l.ledger::oid
FROM inventory_perf.ledger l, touched t
WHERE t.relations && (ARRAY[l.ledger::oid, l.pending, l.days, l.openings, l.months, l.mapped_moves]
                      || l.members::oid[] || l.views::oid[])
ORDER BY l.ledger::oid
