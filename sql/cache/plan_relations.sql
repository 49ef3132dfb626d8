-- The tables behind the relations of a plan: storage of a ledger stands for its ledger, a partition
-- for its root. Each with what watches it and what it is made of.
WITH used AS (
    SELECT coalesce(l.ledger::oid, u.oid) AS oid
    FROM pg_catalog.unnest($1::oid[]) u (oid)
    LEFT JOIN inventory_perf.ledger l
        ON u.oid = ANY (ARRAY[l.pending, l.days, l.openings, l.months]::oid[])
        -- Read through the ledger's own relations, which say the same before and after a fold.
        AND l.ledger::oid = ANY ($2::oid[])
    UNION
    SELECT u.oid FROM pg_catalog.unnest($2::oid[]) u (oid)
), roots AS (
    SELECT DISTINCT coalesce(pg_catalog.pg_partition_root(u.oid)::oid, u.oid) AS oid
    FROM used u
), members AS (
    SELECT r.oid AS root, r.oid AS oid FROM roots r
    UNION
    SELECT r.oid, t.relid FROM roots r, LATERAL pg_catalog.pg_partition_tree(r.oid) t
    UNION
    SELECT r.oid, m.oid
    FROM roots r
    JOIN inventory_perf.ledger l ON l.ledger::oid = r.oid,
         LATERAL pg_catalog.unnest(l.members::oid[]) m (oid)
), watched AS (
    SELECT m.root, m.oid, c.relfilenode, c.relkind, c.relpersistence,
           -- Events of a trigger type: 4 INSERT, 8 DELETE, 16 UPDATE, 32 TRUNCATE.
           4 | 8 | 16 | 32 = coalesce((
               SELECT pg_catalog.bit_or(t.tgtype::integer
                   -- What a subscription applies fires triggers for each row (1), and of TRUNCATE.
                   & CASE WHEN t.tgtype::integer & 1 = 0 AND EXISTS (
                         SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = m.oid)
                     THEN 32 ELSE 4 | 8 | 16 | 32 END)
               FROM pg_catalog.pg_trigger t
               JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
               JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
               WHERE t.tgrelid = m.oid AND n.nspname = 'inventory_perf'
                 AND p.proname = 'invalidate_cache'
                 -- Always, for every row and every column.
                 AND t.tgenabled = 'A' AND t.tgqual IS NULL AND t.tgattr = ''
                 AND pg_catalog.position(pg_catalog.decode('00', 'hex') || t.tgargs, pg_catalog.decode('007768656e3a', 'hex')) = 0
           ), 0) AS is_watched
    FROM members m
    JOIN pg_catalog.pg_class c ON c.oid = m.oid
)
SELECT w.root,
       pg_catalog.bool_and(w.is_watched AND w.relkind IN ('r', 'p')),
       pg_catalog.bool_or(w.relpersistence = 't'),
       pg_catalog.array_agg(w.oid ORDER BY w.oid),
       -- Another text when the table is rewritten, partitions come or go, or the snapshots of a
       -- ledger are filled anew: no trigger sees that.
       pg_catalog.string_agg(w.oid::text || ':' || w.relfilenode::text, ' ' ORDER BY w.oid)
           || coalesce((SELECT ' ' || l.generation::text FROM inventory_perf.ledger l
                        WHERE l.ledger::oid = w.root), '')
FROM watched w
WHERE w.relkind <> 'v'
GROUP BY w.root
ORDER BY w.root
