-- Indexes that cost more than they give, each with why. {relations} is an array of tables or NULL,
-- {unused_after} an interval.
WITH tables AS (
    SELECT c.oid, c.oid::regclass AS relation
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%'
      AND ({relations} IS NULL OR c.oid = ANY ({relations})
           OR c.relispartition AND EXISTS (SELECT FROM pg_partition_ancestors(c.oid) a
                                           WHERE a.relid = ANY ({relations})))
      -- Tables of an extension, and what a ledger is stored in, are not the user's to change.
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      AND NOT EXISTS (SELECT FROM inventory_perf.ledger l
                      WHERE c.oid IN (l.pending, l.days, l.openings, l.months))
), indexes AS (
    SELECT t.relation, i.indexrelid AS oid, c.relkind, c.relam, a.amname AS method,
           i.indisvalid AND i.indisready AND i.indislive AS is_valid,
           i.indisunique, i.indisclustered, c.relispartition AS is_attached,
           -- An index that is attached goes with that of the partitioned table.
           c.relispartition OR i.indisunique OR i.indisprimary OR i.indisexclusion OR i.indisreplident
               OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) AS is_needed,
           i.indnkeyatts AS keys, i.indrelid, i.indpred IS NULL AS is_full,
           pg_get_expr(i.indpred, i.indrelid) AS predicate,
           ARRAY(SELECT CASE i.indkey[p] WHEN 0 THEN pg_get_indexdef(i.indexrelid, p + 1, false)
                                         ELSE i.indkey[p]::text END
                        || ' ' || i.indclass[p]::oid || ' ' || i.indcollation[p]::oid
                 FROM generate_series(0, i.indnkeyatts - 1) AS p ORDER BY p) AS searched,
           ARRAY(SELECT i.indoption[p]::integer
                 FROM generate_series(0, i.indnkeyatts - 1) AS p ORDER BY p) AS directions,
           ARRAY(SELECT i.indkey[p]::integer
                 FROM generate_series(0, i.indnkeyatts - 1) AS p ORDER BY p) AS key_columns,
           ARRAY(SELECT i.indkey[p]::integer
                 FROM generate_series(0, i.indnatts - 1) AS p WHERE i.indkey[p] <> 0) AS columns,
           ARRAY(SELECT i.indkey[p]::integer
                 FROM generate_series(i.indnkeyatts, i.indnatts - 1) AS p) AS carried,
           coalesce(c.reloptions, '{}') AS options,
           u.scans, u.size_bytes
    FROM tables t
    JOIN pg_index i ON i.indrelid = t.oid
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am a ON a.oid = c.relam
    -- A partitioned index is used and stored in its partitions.
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(pg_stat_get_numscans(part.oid)), 0) AS scans,
               coalesce(sum(pg_relation_size(part.oid)), 0)::bigint AS size_bytes
        FROM (SELECT i.indexrelid AS oid WHERE c.relkind = 'i'
              UNION ALL
              SELECT p.relid FROM pg_partition_tree(i.indexrelid) p
              WHERE c.relkind = 'I' AND p.isleaf) AS part
    ) u
), coverage AS (
    -- What finds, sorts and carries everything that another index does, over the same rows.
    SELECT i.oid, j.oid AS by, i.oid <> j.oid
           AND cardinality(i.searched) = cardinality(j.searched)
           AND i.columns @> j.columns AND j.columns @> i.columns AS is_duplicate
    FROM indexes i JOIN indexes j ON j.indrelid = i.indrelid AND j.relam = i.relam
    WHERE i.oid <> j.oid AND j.is_valid AND i.is_valid
      AND i.predicate IS NOT DISTINCT FROM j.predicate
      AND i.searched = j.searched[:i.keys]
      AND (i.method = 'btree' OR cardinality(i.searched) = cardinality(j.searched))
      AND (i.directions = j.directions[:i.keys]
           -- Read backwards, both bits of every key are turned round.
           OR i.directions = ARRAY(SELECT d # 3 FROM unnest(j.directions[:i.keys]) WITH ORDINALITY AS u (d, n)
                                   ORDER BY n))
      AND j.columns @> i.carried
      -- Storage parameters may be why there are two.
      AND (i.method = 'btree' OR i.options = j.options)
), superfluous AS (
    SELECT DISTINCT ON (i.oid) i.oid, k.by, k.is_duplicate
    FROM indexes i
    JOIN coverage k ON k.oid = i.oid
    JOIN indexes j ON j.oid = k.by
    WHERE NOT i.is_needed AND NOT i.indisclustered
      -- Of two that do the same, the one that is needed stays, else the elder.
      AND NOT (EXISTS (SELECT FROM coverage b WHERE b.oid = k.by AND b.by = i.oid)
               AND (j.is_needed OR j.indisclustered, -j.oid::bigint) < (false, -i.oid::bigint))
      -- What covers it is not superfluous itself.
      AND NOT EXISTS (
          SELECT FROM coverage b JOIN indexes l ON l.oid = b.by
          WHERE b.oid = j.oid AND NOT j.is_needed AND NOT j.indisclustered
            AND NOT (EXISTS (SELECT FROM coverage c WHERE c.oid = b.by AND c.by = j.oid)
                     AND (l.is_needed OR l.indisclustered, -l.oid::bigint) < (false, -j.oid::bigint)))
    ORDER BY i.oid, k.is_duplicate DESC, j.is_needed DESC, j.size_bytes, j.oid
), statistics AS (
    -- Without a reset they are as old as the server's start at least.
    SELECT coalesce(stats_reset, pg_postmaster_start_time()) AS since
    FROM pg_stat_database WHERE datname = current_database()
), unused AS (
    SELECT i.oid FROM indexes i, statistics s
    WHERE i.is_valid AND i.scans = 0 AND NOT i.is_needed AND NOT i.indisclustered
      AND s.since <= now() - {unused_after}
      AND NOT EXISTS (SELECT FROM superfluous x WHERE x.oid = i.oid OR x.by = i.oid)
), supported AS (
    -- The foreign keys whose columns begin an index: deleting a referenced row looks through it.
    SELECT k.oid AS constraint_oid, i.oid
    FROM indexes i JOIN pg_constraint k ON k.conrelid = i.indrelid AND k.contype = 'f'
    WHERE i.is_valid AND i.is_full AND i.method = 'btree'
      AND k.conkey::integer[] @> i.key_columns[:cardinality(k.conkey)]
      AND i.key_columns[:cardinality(k.conkey)] @> k.conkey::integer[]
), advice AS (
    SELECT i.oid, 'invalid' AS kind,
           CASE WHEN i.relkind = 'I' THEN 'not every partition has an index attached to it'
                WHEN i.indisunique THEN 'left behind by a failed CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY: no query can use it, yet it still rejects duplicates'
                ELSE 'left behind by a failed CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY: no query can use it, yet every write maintains it' END
               AS reason
    FROM indexes i
    WHERE NOT i.is_valid AND NOT i.is_attached
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid)
      AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.oid)
    UNION ALL
    SELECT s.oid, CASE WHEN s.is_duplicate THEN 'duplicate' ELSE 'redundant' END,
           format(CASE WHEN s.is_duplicate THEN '%s is the same index'
                       ELSE '%s begins with the same keys and serves every search and order of this one' END,
                  s.by::regclass)
    FROM superfluous s
    UNION ALL
    SELECT i.oid, 'unused',
           format('no scan since %s, %s days ago; scans on standbys are not counted here, and an index made since then may only be new',
                  to_char(s.since, 'YYYY-MM-DD'), extract(day FROM now() - s.since))
           || CASE WHEN i.key_columns @> '{0}' THEN '; the statistics of its expressions go with it' ELSE '' END
    FROM unused i0 JOIN indexes i ON i.oid = i0.oid, statistics s
    WHERE NOT EXISTS (
        SELECT FROM supported f
        WHERE f.oid = i.oid
          AND NOT EXISTS (SELECT FROM supported o
                          WHERE o.constraint_oid = f.constraint_oid AND o.oid <> i.oid
                            AND o.oid NOT IN (SELECT oid FROM unused)))
)
SELECT row_number() OVER (ORDER BY array_position(ARRAY['invalid', 'duplicate', 'redundant', 'unused'], a.kind),
                                   i.size_bytes DESC, i.relation::text, i.oid::regclass::text)::integer AS rank,
       format('DROP INDEX %s%s', CASE i.relkind WHEN 'i' THEN 'CONCURRENTLY ' END, i.oid::regclass) AS drop_ddl,
       -- A partitioned index comes back with those of its partitions.
       CASE i.relkind
           WHEN 'i' THEN regexp_replace(pg_get_indexdef(i.oid), '^CREATE (UNIQUE )?INDEX ',
                                        E'CREATE \\1INDEX CONCURRENTLY ')
           ELSE regexp_replace(pg_get_indexdef(i.oid),
                               '^(CREATE (?:UNIQUE )?INDEX (?:"(?:[^"]|"")*"|[^" ]+) ON) ONLY ', E'\\1 ')
       END AS rollback_ddl,
       i.relation, i.oid::regclass AS index, a.kind, i.size_bytes, a.reason
FROM advice a JOIN indexes i ON i.oid = a.oid
ORDER BY 1
