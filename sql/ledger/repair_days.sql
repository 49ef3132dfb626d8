-- Running quantities of the month, made again from the days themselves.
UPDATE {days} d
SET month_quantity = w.month_quantity {value:, month_value = w.month_value}
FROM (
    SELECT {keys}, month, day,
           sum(in_quantity - out_quantity) OVER running AS month_quantity
           {value:, sum(value_change) OVER running AS month_value}
    FROM {days}
    WHERE true {tenant_condition}
    WINDOW running AS (PARTITION BY {keys}, month ORDER BY day)
) w
WHERE d.month = w.month AND {match d w} AND d.day = w.day
  AND (d.month_quantity <> w.month_quantity {value:OR d.month_value <> w.month_value})
