-- Takes a batch out of the outbox, from a place on. Rows that another session is delivering are left
-- to it.
DELETE FROM inventory_perf.cache_outbox o
WHERE o.ctid = ANY (ARRAY(
    SELECT b.ctid FROM inventory_perf.cache_outbox b WHERE b.ctid >= $2
    LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING o.captured_at, o.relation, o.operation, o.keys, o.tags, o.patterns, o.tag_patterns,
          o.channels, o.changes, o.flush, o.ctid, o.part
