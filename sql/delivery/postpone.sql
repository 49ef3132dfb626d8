-- Puts back what tells of a statement. The patterns of the row are delivered with the batch.
INSERT INTO inventory_perf.cache_outbox
    (captured_at, relation, operation, keys, tags, channels, changes, flush, broadened, part)
VALUES ($1, $2, $3, nullif($4::text[], '{}'), nullif($5::text[], '{}'), nullif($6::text[], '{}'),
        $7, false, false, 1)
