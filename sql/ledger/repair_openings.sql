-- Month openings, made again from the days.
WITH month_of_days AS (
    INSERT INTO {months}
    SELECT DISTINCT d.month FROM {days} d
    WHERE NOT EXISTS (SELECT FROM {months} m WHERE m.month = d.month)
), open AS (
    SELECT m.month FROM {months} m UNION SELECT d.month FROM {days} d
), closing AS (
    SELECT {keys d}, d.month, lead(d.month) OVER w AS next_month,
           sum(sum(d.in_quantity - d.out_quantity)) OVER w AS quantity,
           sum(sum(d.in_quantity)) OVER w AS in_quantity,
           {value:sum(sum(d.value_change)) OVER w AS value,}
           sum(sum(d.move_count)) OVER w AS move_count
    FROM {days} d
    WHERE true {tenant_condition}
    GROUP BY {keys d}, d.month
    WINDOW w AS (PARTITION BY {keys d} ORDER BY d.month)
), wanted AS MATERIALIZED (
    SELECT {keys c}, m.month, c.quantity, c.in_quantity, {value:c.value,}
           c.move_count::bigint AS move_count
    FROM closing c
    JOIN open m ON m.month > c.month AND (c.next_month IS NULL OR m.month <= c.next_month)
    WHERE c.move_count <> 0
), removed AS (
    DELETE FROM {openings} o
    WHERE NOT EXISTS (SELECT FROM wanted w WHERE {match w o} AND w.month = o.month)
          {tenant_condition}
)
INSERT INTO {openings} AS o ({keys}, month, quantity, in_quantity, {value:value,} move_count)
SELECT {keys w}, w.month, w.quantity, w.in_quantity, {value:w.value,} w.move_count
FROM wanted w
ON CONFLICT (month, {keys}) DO UPDATE
SET quantity = excluded.quantity, in_quantity = excluded.in_quantity,
    {value:value = excluded.value,} move_count = excluded.move_count
WHERE o.quantity <> excluded.quantity OR o.in_quantity <> excluded.in_quantity
   {value:OR o.value <> excluded.value}
   OR o.move_count <> excluded.move_count
