-- Compares what the ledger's relations answer with sums over the ledger, in one snapshot: every
-- day with a movement from one day to another, and every stored month opening, which decides what is
-- answered for days without one. Key columns come as one jsonb object.
WITH leg AS MATERIALIZED (
    {legs}
), expected AS MATERIALIZED (
    SELECT {keys l}, l.day, sum(greatest(l.quantity, 0)) AS in_quantity,
           sum(greatest(-l.quantity, 0)) AS out_quantity, count(*) AS move_count,
           sum(sum(l.quantity)) OVER (PARTITION BY {keys l} ORDER BY l.day) AS closing_quantity
           {value:, sum(l.value) AS value_change,
           sum(sum(l.value)) OVER (PARTITION BY {keys l} ORDER BY l.day) AS closing_value}
    FROM leg l
    GROUP BY {keys l}, l.day
), found AS (
    SELECT {named_keys}, s.snapshot_date AS day, s.in_quantity, s.out_quantity, s.move_count,
           s.closing_quantity {value:, s.value_change, s.closing_value}
    FROM {snapshots} s
), closing AS (
    SELECT {keys e}, pg_catalog.date_trunc('month', e.day::timestamp)::date AS month,
           lead(pg_catalog.date_trunc('month', e.day::timestamp)::date) OVER running AS next_month,
           sum(sum(e.in_quantity - e.out_quantity)) OVER running AS quantity,
           sum(sum(e.in_quantity)) OVER running AS in_quantity
           {value:, sum(sum(e.value_change)) OVER running AS value}
    FROM expected e
    GROUP BY {keys e}, pg_catalog.date_trunc('month', e.day::timestamp)
    WINDOW running AS (
        PARTITION BY {keys e} ORDER BY pg_catalog.date_trunc('month', e.day::timestamp))
), expected_opening AS (
    SELECT {keys c}, m.month, c.quantity, c.in_quantity {value:, c.value}
    FROM closing c
    JOIN {months} m ON m.month > c.month AND (c.next_month IS NULL OR m.month <= c.next_month)
), found_opening AS (
    SELECT {keys u}, u.month, sum(u.quantity) AS quantity, sum(u.in_quantity) AS in_quantity
           {value:, sum(u.value) AS value}
    FROM (
        SELECT {keys o}, o.month, o.quantity, o.in_quantity, {value:o.value,} o.move_count
        FROM {openings} o
        UNION ALL
        SELECT {keys p}, m.month, p.in_quantity - p.out_quantity, p.in_quantity,
               {value:p.value_change,} p.move_count
        FROM {pending} p
        JOIN {months} m ON m.month > p.day
    ) u
    GROUP BY {keys u}, u.month
    HAVING sum(u.move_count) <> 0
), difference AS (
    SELECT {either e f}, coalesce(e.day, f.day) AS day, v.measure, v.ledger_value,
           v.snapshot_value
    FROM expected e
    FULL JOIN found f ON {match e f} AND e.day = f.day
    CROSS JOIN LATERAL (VALUES
        ('in_quantity', e.in_quantity, f.in_quantity),
        ('out_quantity', e.out_quantity, f.out_quantity),
        ('closing_quantity', e.closing_quantity, f.closing_quantity),
        ('move_count', e.move_count::numeric, f.move_count::numeric)
        {value:, ('value_change', e.value_change, f.value_change),
        ('closing_value', e.closing_value, f.closing_value)}
    ) AS v(measure, ledger_value, snapshot_value)
    UNION ALL
    SELECT {either e f}, coalesce(e.month, f.month), v.measure, v.ledger_value,
           v.snapshot_value
    FROM expected_opening e
    FULL JOIN found_opening f ON {match e f} AND e.month = f.month
    CROSS JOIN LATERAL (VALUES
        ('opening_quantity', e.quantity, f.quantity),
        ('in_quantity_before', e.in_quantity, f.in_quantity)
        {value:, ('opening_value', e.value, f.value)}
    ) AS v(measure, ledger_value, snapshot_value)
)
SELECT {key_object} AS key, d.day, d.measure, d.ledger_value, d.snapshot_value
FROM difference d
WHERE d.ledger_value IS DISTINCT FROM d.snapshot_value
  AND ({from_date} IS NULL OR d.day >= {from_date})
  AND ({to_date} IS NULL OR d.day <= {to_date})
ORDER BY d.day, 1, d.measure
