-- One registered ledger, its names as they are now.
SELECT pg_catalog.format('%I.%I', s.nspname, c.relname) AS name, c.relowner AS owner,
       l.state, l.mapping::text AS mapping, n.nspname::text AS schema, l.prefix,
       l.pending::oid AS pending, l.days::oid AS days, l.openings::oid AS openings,
       l.months::oid AS months, l.mapped_moves::oid AS mapped_moves,
       l.views::oid[] AS views, l.functions::oid[] AS functions, l.expressions, l.fingerprint
FROM inventory_perf.ledger l
JOIN pg_catalog.pg_class c ON c.oid = l.ledger
JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = l.schema
WHERE l.ledger = $1
