-- Appends what is missing (or too much) per key and day between the ledger and stored ⊎ pending,
-- for the days $1 to $2.
WITH leg AS MATERIALIZED (
    {legs}
), expected AS (
    SELECT {keys l}, l.day, sum(greatest(l.quantity, 0)) AS in_quantity,
           sum(greatest(-l.quantity, 0)) AS out_quantity, count(*) AS move_count
           {value:, sum(l.value) AS value_change}
    FROM leg l
    WHERE ($1 IS NULL OR l.day >= $1) AND ($2 IS NULL OR l.day <= $2) {tenant_condition}
    GROUP BY {keys l}, l.day
), found AS (
    SELECT {keys e}, e.day, sum(e.in_quantity) AS in_quantity,
           sum(e.out_quantity) AS out_quantity, sum(e.move_count) AS move_count
           {value:, sum(e.value) AS value_change}
    FROM {entries} e
    WHERE e.part IN (2, 3)
      AND ($1 IS NULL OR e.day >= $1) AND ($2 IS NULL OR e.day <= $2) {tenant_condition}
    GROUP BY {keys e}, e.day
)
INSERT INTO {pending} ({keys}, day, in_quantity, out_quantity, {value:value_change,} move_count,
                       captured_at)
SELECT {either e f}, coalesce(e.day, f.day),
       coalesce(e.in_quantity, 0) - coalesce(f.in_quantity, 0),
       coalesce(e.out_quantity, 0) - coalesce(f.out_quantity, 0),
       {value:coalesce(e.value_change, 0) - coalesce(f.value_change, 0),}
       coalesce(e.move_count, 0) - coalesce(f.move_count, 0), now()
FROM expected e
FULL JOIN found f ON {match e f} AND e.day = f.day
WHERE coalesce(e.in_quantity, 0) <> coalesce(f.in_quantity, 0)
   OR coalesce(e.out_quantity, 0) <> coalesce(f.out_quantity, 0)
   OR coalesce(e.move_count, 0) <> coalesce(f.move_count, 0)
   {value:OR coalesce(e.value_change, 0) <> coalesce(f.value_change, 0)}
