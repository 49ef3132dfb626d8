SELECT pg_catalog.jsonb_build_object(
    'ledger', $3, 'key', $2,
    'quantity', coalesce(pg_catalog.sum(s.quantity), 0), 'value', pg_catalog.sum(s.value))::text
FROM inventory_perf.stock_on($1::oid::regclass, 'infinity', $2) s
