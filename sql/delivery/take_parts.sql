-- Takes the other rows of statements that a full batch has some rows of, so that an event is not
-- told before all that it stands for is delivered.
DELETE FROM inventory_perf.cache_outbox o
WHERE o.ctid = ANY (ARRAY(
    SELECT b.ctid FROM inventory_perf.cache_outbox b
    WHERE b.part <> 0 AND b.captured_at = ANY ($1) FOR UPDATE SKIP LOCKED))
RETURNING o.captured_at, o.relation, o.operation, o.keys, o.tags, o.patterns, o.tag_patterns,
          o.channels, o.changes, o.flush, o.ctid, o.part
