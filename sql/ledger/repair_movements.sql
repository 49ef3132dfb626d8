-- Adds to the days of the range what they lack (or have too much of), so that stored ⊎ pending are
-- the ledger again. Balances are made anew afterwards.
WITH leg AS MATERIALIZED (
    {legs}
), expected AS (
    SELECT {keys l}, l.day, sum(greatest(l.quantity, 0)) AS in_quantity,
           sum(greatest(-l.quantity, 0)) AS out_quantity, count(*) AS move_count
           {value:, sum(l.value) AS value_change}
    FROM leg l
    WHERE ({from_date} IS NULL OR l.day >= {from_date})
      AND ({to_date} IS NULL OR l.day <= {to_date}) {tenant_condition}
    GROUP BY {keys l}, l.day
), found AS (
    SELECT {keys e}, e.day, sum(e.in_quantity) AS in_quantity,
           sum(e.out_quantity) AS out_quantity, sum(e.move_count) AS move_count
           {value:, sum(e.value) AS value_change}
    FROM (
        SELECT {keys d}, d.day, d.in_quantity, d.out_quantity, d.move_count
               {value:, d.value_change AS value}
        FROM {days} d
        UNION ALL
        SELECT {keys p}, p.day, p.in_quantity, p.out_quantity, p.move_count
               {value:, p.value_change}
        FROM {pending} p
    ) e
    WHERE ({from_date} IS NULL OR e.day >= {from_date})
      AND ({to_date} IS NULL OR e.day <= {to_date}) {tenant_condition}
    GROUP BY {keys e}, e.day
)
INSERT INTO {days} AS s ({keys}, month, day, in_quantity, out_quantity, move_count,
                         month_quantity {value:, value_change, month_value})
SELECT {either e f}, pg_catalog.date_trunc('month', coalesce(e.day, f.day)::timestamp)::date,
       coalesce(e.day, f.day),
       coalesce(e.in_quantity, 0) - coalesce(f.in_quantity, 0),
       coalesce(e.out_quantity, 0) - coalesce(f.out_quantity, 0),
       coalesce(e.move_count, 0) - coalesce(f.move_count, 0),
       0 {value:, coalesce(e.value_change, 0) - coalesce(f.value_change, 0), 0}
FROM expected e
FULL JOIN found f ON {match e f} AND e.day = f.day
WHERE coalesce(e.in_quantity, 0) <> coalesce(f.in_quantity, 0)
   OR coalesce(e.out_quantity, 0) <> coalesce(f.out_quantity, 0)
   OR coalesce(e.move_count, 0) <> coalesce(f.move_count, 0)
   {value:OR coalesce(e.value_change, 0) <> coalesce(f.value_change, 0)}
ON CONFLICT (month, {keys}, day) DO UPDATE
SET in_quantity = s.in_quantity + excluded.in_quantity,
    out_quantity = s.out_quantity + excluded.out_quantity,
    move_count = s.move_count + excluded.move_count
    {value:, value_change = s.value_change + excluded.value_change}
