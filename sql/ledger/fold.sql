-- One fold: takes pending rows of blocks $1 to $2 whose month is open, up to day $3, and adds
-- them to days and openings. One statement, so one snapshot: no reader sees a change twice or
-- not at all. Months $4 are open but have no openings yet.
WITH taken AS (
    DELETE FROM {pending} p
    WHERE p.ctid >= $1 AND p.ctid < $2
      AND ($3 IS NULL OR p.day <= $3)
      AND EXISTS (SELECT FROM {months} m
                  WHERE m.month = pg_catalog.date_trunc('month', p.day::timestamp)::date)
    RETURNING {keys p}, p.day, p.in_quantity, p.out_quantity, p.move_count
              {value:, p.value_change}
), running AS (
    -- in the order of the index of days, so that its pages are read one after the other
    SELECT {keys d}, d.month, d.day, d.in_quantity, d.out_quantity, d.move_count
           {value:, d.value_change, sum(d.value_change) OVER w AS running_value},
           sum(d.in_quantity - d.out_quantity) OVER w AS running_quantity,
           coalesce(lead(d.day) OVER w, (d.month + interval '1 month')::date) AS next_day
    FROM (
        SELECT pg_catalog.date_trunc('month', t.day::timestamp)::date AS month, {keys t}, t.day,
               sum(t.in_quantity) AS in_quantity, sum(t.out_quantity) AS out_quantity,
               sum(t.move_count)::bigint AS move_count
               {value:, sum(t.value_change) AS value_change}
        FROM taken t
        GROUP BY pg_catalog.date_trunc('month', t.day::timestamp)::date, {keys t}, t.day
        HAVING sum(t.in_quantity) <> 0 OR sum(t.out_quantity) <> 0 OR sum(t.move_count) <> 0
               {value:OR sum(t.value_change) <> 0}
    ) d
    WINDOW w AS (PARTITION BY d.month, {keys d} ORDER BY d.day ROWS UNBOUNDED PRECEDING)
), placed AS MATERIALIZED (
    -- The last stored day before the next delta: mostly it is before this one as well, and then
    -- there is nothing to change.
    SELECT {keys r}, r.month, r.day, r.in_quantity, r.out_quantity, r.move_count,
           r.running_quantity {value:, r.value_change, r.running_value},
           l.day AS last_day, l.month_quantity AS last_quantity
           {value:, l.month_value AS last_value}
    FROM running r
    LEFT JOIN LATERAL (
        SELECT d.day, d.month_quantity {value:, d.month_value}
        FROM {days} d
        WHERE d.month = r.month AND {match d r} AND d.day < r.next_day
        ORDER BY d.day DESC LIMIT 1
    ) l ON true
), new_days AS (
    INSERT INTO {days} ({keys}, month, day, in_quantity, out_quantity, move_count,
                        month_quantity {value:, value_change, month_value})
    SELECT {keys r}, r.month, r.day, r.in_quantity, r.out_quantity, r.move_count,
           r.running_quantity + coalesce(r.last_quantity, 0)
           {value:, r.value_change, r.running_value + coalesce(r.last_value, 0)}
    FROM placed r
    WHERE r.last_day IS NULL OR r.last_day < r.day
    UNION ALL
    SELECT {keys r}, r.month, r.day, r.in_quantity, r.out_quantity, r.move_count,
           r.running_quantity + coalesce(b.month_quantity, 0)
           {value:, r.value_change, r.running_value + coalesce(b.month_value, 0)}
    FROM placed r
    LEFT JOIN LATERAL (
        SELECT d.day, d.month_quantity {value:, d.month_value}
        FROM {days} d
        WHERE d.month = r.month AND {match d r} AND d.day <= r.day
        ORDER BY d.day DESC LIMIT 1
    ) b ON true
    WHERE r.last_day > r.day AND b.day IS DISTINCT FROM r.day
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
    FROM placed r
    WHERE r.last_day >= r.day
      AND d.month = r.month AND {match d r} AND d.day >= r.day AND d.day <= r.last_day
      AND (d.day = r.day OR r.running_quantity <> 0 {value:OR r.running_value <> 0})
    RETURNING 1
), carried AS MATERIALIZED (
    SELECT {keys c}, m.month, sum(c.quantity) AS quantity, sum(c.in_quantity) AS in_quantity,
           {value:sum(c.value) AS value,} sum(c.move_count)::bigint AS move_count
    FROM (
        SELECT {keys r}, r.month, sum(r.in_quantity - r.out_quantity) AS quantity,
               sum(r.in_quantity) AS in_quantity,
               {value:sum(r.value_change) AS value,} sum(r.move_count) AS move_count
        FROM placed r
        WHERE r.month < (SELECT max(m.month) FROM {months} m WHERE m.month <> ALL ($4))
        GROUP BY r.month, {keys r}
        HAVING sum(r.in_quantity) <> 0 OR sum(r.out_quantity) <> 0 OR sum(r.move_count) <> 0
               {value:OR sum(r.value_change) <> 0}
    ) c
    JOIN {months} m ON m.month > c.month
    WHERE m.month <> ALL ($4)
    GROUP BY m.month, {keys c}
    ORDER BY m.month, {keys c}
), changed_openings AS (
    UPDATE {openings} o
    SET quantity = o.quantity + c.quantity, in_quantity = o.in_quantity + c.in_quantity,
        {value:value = o.value + c.value,} move_count = o.move_count + c.move_count
    FROM carried c
    WHERE o.month = c.month AND {match o c}
    RETURNING {keys o}, o.month
), new_openings AS (
    -- What is carried and did not meet an opening. No join: estimates of what a statement itself
    -- makes are too far off to choose one by.
    INSERT INTO {openings} ({keys}, month, quantity, in_quantity, {value:value,} move_count)
    SELECT {keys c}, c.month, sum(c.quantity), sum(c.in_quantity), {value:sum(c.value),}
           sum(c.move_count)::bigint
    FROM (
        SELECT {keys c}, c.month, c.quantity, c.in_quantity, {value:c.value,} c.move_count,
               0 AS is_stored
        FROM carried c
        UNION ALL
        SELECT {keys o}, o.month, NULL, NULL, {value:NULL,} NULL, 1
        FROM changed_openings o
    ) c
    GROUP BY c.month, {keys c}
    HAVING sum(c.is_stored) = 0
)
SELECT (SELECT count(*) FROM taken),
       (SELECT count(*) FROM new_days) + (SELECT count(*) FROM changed_days)
