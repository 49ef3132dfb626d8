SELECT s.epoch, s.run_id,
       s.started_at OPERATOR(pg_catalog.=) pg_catalog.pg_postmaster_start_time() AS is_current,
       s.batches, o.is_concerned, o.patterns, o.tag_patterns
FROM inventory_perf.cache_state s
LEFT JOIN LATERAL (
    -- Where a row names no keys, or no tags, it has NULL.
    SELECT (q.flush OR q.keys OPERATOR(pg_catalog.&&) $1 OR q.tags OPERATOR(pg_catalog.&&) $2)
               IS TRUE AS is_concerned,
           q.patterns, q.tag_patterns
    FROM inventory_perf.cache_outbox q
    LIMIT $3
) o ON true
