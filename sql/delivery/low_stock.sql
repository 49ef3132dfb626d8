-- Notes whether stock of a key is low, and tells its level if it has just become so.
WITH threshold AS (
    SELECT t.threshold, ($3::jsonb ->> 'quantity')::numeric < t.threshold AS is_low
    FROM inventory_perf.low_stock_thresholds t
    WHERE t.ledger = $1::oid AND NOT EXISTS (
        SELECT FROM pg_catalog.jsonb_each_text(t.key) k
        WHERE $2 ->> k.key IS DISTINCT FROM k.value)
    ORDER BY (SELECT pg_catalog.count(*) FROM pg_catalog.jsonb_object_keys(t.key)) DESC, t.key
    LIMIT 1
), recovered AS (
    DELETE FROM inventory_perf.low_stock l
    WHERE l.ledger = $1::oid AND l.key = $2
      AND NOT EXISTS (SELECT FROM threshold t WHERE t.is_low)
), fallen AS (
    INSERT INTO inventory_perf.low_stock (ledger, key)
    SELECT $1::oid, $2 FROM threshold t WHERE t.is_low
    ON CONFLICT DO NOTHING RETURNING true
)
SELECT ($3::jsonb || pg_catalog.jsonb_build_object('threshold', t.threshold))::text
FROM threshold t, fallen
