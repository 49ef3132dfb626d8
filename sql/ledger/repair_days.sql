-- Running quantities of the month, made again from the days themselves.
UPDATE {days} d
SET month = w.month, month_quantity = w.month_quantity {value:, month_value = w.month_value}
FROM (
    SELECT {keys x}, x.day, pg_catalog.date_trunc('month', x.day::timestamp)::date AS month,
           sum(x.in_quantity - x.out_quantity) OVER running AS month_quantity
           {value:, sum(x.value_change) OVER running AS month_value}
    FROM {days} x
    WINDOW running AS (
        PARTITION BY {keys x}, pg_catalog.date_trunc('month', x.day::timestamp) ORDER BY x.day)
) w
WHERE {match d w} AND d.day = w.day
  AND (d.month <> w.month OR d.month_quantity <> w.month_quantity
       {value:OR d.month_value <> w.month_value})
