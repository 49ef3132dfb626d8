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
), new_days AS (
    INSERT INTO {days} ({keys}, month, day, in_quantity, out_quantity, move_count,
                        month_quantity {value:, value_change, month_value})
    SELECT {keys r}, r.month, r.day, r.in_quantity, r.out_quantity, r.move_count,
           r.running_quantity + coalesce(b.month_quantity, 0)
           {value:, r.value_change, r.running_value + coalesce(b.month_value, 0)}
    FROM running r
    LEFT JOIN LATERAL (
        SELECT d.day, d.month_quantity {value:, d.month_value}
        FROM {days} d
        WHERE d.month = r.month AND {match d r} AND d.day <= r.day
        ORDER BY d.day DESC LIMIT 1
    ) b ON true
    WHERE b.day IS DISTINCT FROM r.day
    RETURNING 1
), changed_days AS (
    -- the day itself, where it is stored already, and the days after it up to the next delta
    UPDATE {days} d
    SET month_quantity = d.month_quantity + r.running_quantity,
        in_quantity = CASE WHEN d.day = r.day THEN d.in_quantity + r.in_quantity
                           ELSE d.in_quantity END,
        out_quantity = CASE WHEN d.day = r.day THEN d.out_quantity + r.out_quantity
                            ELSE d.out_quantity END,
        move_count = CASE WHEN d.day = r.day THEN d.move_count + r.move_count
                          ELSE d.move_count END
        {value:, month_value = d.month_value + r.running_value,
        value_change = CASE WHEN d.day = r.day THEN d.value_change + r.value_change
                            ELSE d.value_change END}
    FROM running r
    WHERE d.month = r.month AND {match d r} AND d.day >= r.day AND d.day < r.next_day
    RETURNING 1
), carried AS MATERIALIZED (
    SELECT {keys c}, m.month, sum(c.quantity) AS quantity, sum(c.in_quantity) AS in_quantity,
           {value:sum(c.value) AS value,} sum(c.move_count)::bigint AS move_count
    FROM (
        SELECT {keys d}, d.month, sum(d.in_quantity - d.out_quantity) AS quantity,
               sum(d.in_quantity) AS in_quantity,
               {value:sum(d.value_change) AS value,} sum(d.move_count) AS move_count
        FROM delta d
        WHERE d.month < (SELECT max(m.month) FROM {months} m)
        GROUP BY {keys d}, d.month
    ) c
    JOIN {months} m ON m.month > c.month
    GROUP BY {keys c}, m.month
), changed_openings AS (
    UPDATE {openings} o
    SET quantity = o.quantity + c.quantity, in_quantity = o.in_quantity + c.in_quantity,
        {value:value = o.value + c.value,} move_count = o.move_count + c.move_count
    FROM carried c
    WHERE o.month = c.month AND {match o c}
), new_openings AS (
    INSERT INTO {openings} ({keys}, month, quantity, in_quantity, {value:value,} move_count)
    SELECT {keys c}, c.month, c.quantity, c.in_quantity, {value:c.value,} c.move_count
    FROM carried c
    WHERE NOT EXISTS (SELECT FROM {openings} o WHERE o.month = c.month AND {match o c})
)
SELECT (SELECT count(*) FROM taken),
       (SELECT count(*) FROM new_days) + (SELECT count(*) FROM changed_days)
