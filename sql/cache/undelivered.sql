SELECT s.epoch, s.run_id,
       s.started_at OPERATOR(pg_catalog.=) pg_catalog.pg_postmaster_start_time() AS is_current,
       s.batches, o.is_concerned, o.patterns, o.tag_patterns
FROM inventory_perf.cache_state s
LEFT JOIN LATERAL (
    SELECT q.flush OR q.keys OPERATOR(pg_catalog.&&) $1 OR q.tags OPERATOR(pg_catalog.&&) $2
               AS is_concerned,
           CASE WHEN q.patterns OPERATOR(pg_catalog.<>) '{}' THEN q.patterns END AS patterns,
           CASE WHEN q.tag_patterns OPERATOR(pg_catalog.<>) '{}' THEN q.tag_patterns END
               AS tag_patterns
    FROM inventory_perf.cache_outbox q
    LIMIT $3
) o ON true
