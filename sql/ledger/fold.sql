-- One fold: takes pending rows of blocks $1 to $2 whose month is open, up to day $3, and adds
-- them to days and openings. One statement, so one snapshot: no reader sees a change twice or
-- not at all.
WITH taken AS (
    DELETE FROM {pending} p
    WHERE p.ctid >= $1 AND p.ctid < $2
      AND ($3 IS NULL OR p.day <= $3)
      AND EXISTS (SELECT FROM {months} m
                  WHERE m.month = pg_catalog.date_trunc('month', p.day::timestamp)::date)
    RETURNING {keys p}, p.day, p.in_quantity, p.out_quantity, p.move_count
              {value:, p.value_change}
), delta AS MATERIALIZED (
    SELECT {keys t}, pg_catalog.date_trunc('month', t.day::timestamp)::date AS month, t.day,
           sum(t.in_quantity) AS in_quantity, sum(t.out_quantity) AS out_quantity,
           sum(t.move_count)::bigint AS move_count
           {value:, sum(t.value_change) AS value_change}
    FROM taken t
    GROUP BY {keys t}, t.day
    HAVING sum(t.in_quantity) <> 0 OR sum(t.out_quantity) <> 0 OR sum(t.move_count) <> 0
           {value:OR sum(t.value_change) <> 0}
), running AS MATERIALIZED (
    SELECT {keys d}, d.month, d.day, d.in_quantity, d.out_quantity, d.move_count
           {value:, d.value_change, sum(d.value_change) OVER w AS running_value},
           sum(d.in_quantity - d.out_quantity) OVER w AS running_quantity,
           coalesce(lead(d.day) OVER w, (d.month + interval '1 month')::date) AS next_day
    FROM delta d
    WINDOW w AS (PARTITION BY {keys d}, d.month ORDER BY d.day)
), days_of_deltas AS (
    INSERT INTO {days} AS s ({keys}, month, day, in_quantity, out_quantity, move_count,
                             month_quantity {value:, value_change, month_value})
    SELECT {keys r}, r.month, r.day, r.in_quantity, r.out_quantity, r.move_count,
           r.running_quantity + coalesce(b.month_quantity, 0)
           {value:, r.value_change, r.running_value + coalesce(b.month_value, 0)}
    FROM running r
    LEFT JOIN LATERAL (
        SELECT d.month_quantity {value:, d.month_value}
        FROM {days} d
        WHERE {match d r} AND d.day >= r.month AND d.day < r.day
        ORDER BY d.day DESC LIMIT 1
    ) b ON true
    ON CONFLICT ({keys}, day) DO UPDATE
    SET in_quantity = s.in_quantity + excluded.in_quantity,
        out_quantity = s.out_quantity + excluded.out_quantity,
        move_count = s.move_count + excluded.move_count,
        month_quantity = excluded.month_quantity + s.in_quantity - s.out_quantity
        {value:, value_change = s.value_change + excluded.value_change,
        month_value = excluded.month_value + s.value_change}
    RETURNING 1
), days_after AS (
    UPDATE {days} d
    SET month_quantity = d.month_quantity + r.running_quantity
        {value:, month_value = d.month_value + r.running_value}
    FROM running r
    WHERE {match d r} AND d.day > r.day AND d.day < r.next_day
    RETURNING 1
), later_openings AS (
    INSERT INTO {openings} AS o ({keys}, month, quantity, {value:value,} move_count)
    SELECT {keys c}, m.month, sum(c.quantity), {value:sum(c.value),} sum(c.move_count)::bigint
    FROM (
        SELECT {keys d}, d.month, sum(d.in_quantity - d.out_quantity) AS quantity,
               {value:sum(d.value_change) AS value,} sum(d.move_count) AS move_count
        FROM delta d
        GROUP BY {keys d}, d.month
    ) c
    JOIN {months} m ON m.month > c.month
    GROUP BY {keys c}, m.month
    ON CONFLICT (month, {keys}) DO UPDATE
    SET quantity = o.quantity + excluded.quantity,
        {value:value = o.value + excluded.value,}
        move_count = o.move_count + excluded.move_count
    RETURNING 1
)
SELECT (SELECT count(*) FROM taken),
       (SELECT count(*) FROM days_of_deltas) + (SELECT count(*) FROM days_after)
