-- The level of one key: its opening of the last open month, its days of that month and what is pending.
-- $1 is the ledger's name, $2 the key, and then come the texts of its values.
SELECT pg_catalog.jsonb_build_object(
    'ledger', $1, 'key', $2, 'quantity', coalesce(pg_catalog.sum(p.quantity), 0),
    'value', CASE WHEN pg_catalog.sum(p.move_count) <> 0 THEN pg_catalog.sum(p.value) END)::text
FROM (
    SELECT o.quantity, {opening_value} AS value, o.move_count
    FROM {openings} o
    WHERE o.month = (SELECT pg_catalog.max(m.month) FROM {months} m) AND {key o}
    UNION ALL
    SELECT d.in_quantity - d.out_quantity, {change d}, d.move_count
    FROM {days} d
    WHERE d.month = (SELECT pg_catalog.max(m.month) FROM {months} m) AND {key d}
    UNION ALL
    SELECT c.in_quantity - c.out_quantity, {change c}, c.move_count
    FROM {pending} c
    WHERE {key c}
) p
