-- Typed reads of one ledger. Plain SQL that PostgreSQL inlines, so that a condition on a key
-- column reaches the indexes.

CREATE FUNCTION {stock_on}(as_of date)
RETURNS TABLE ({public_key_definitions}, quantity numeric{value:, value numeric})
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
-- The balance of the nearest month opening, and the days between: from the first of the month on,
-- or back from the first of the next. Each part is in the order of its index, so that the groups
-- come out of a merge: no hash table, whatever the number of keys.
SELECT {keys e}, sum(e.quantity){value:, sum(e.value)}
FROM (
    (SELECT {keys o}, o.quantity{value:, o.value}, o.move_count
     FROM {opening_entries} o
     WHERE o.month = (SELECT inventory_perf.opening_month({ledger}, $1))
     ORDER BY {keys o})
    UNION ALL
    (SELECT {keys d}, d.quantity{value:, d.value}, d.move_count
     FROM {day_entries} d
     WHERE d.month = (SELECT inventory_perf.added_month({ledger}, $1))
       AND d.day <= $1
     ORDER BY {keys d})
    UNION ALL
    (SELECT {keys d}, -d.quantity{value:, -d.value}, -d.move_count
     FROM {day_entries} d
     WHERE d.month = (SELECT inventory_perf.removed_month({ledger}, $1))
       AND d.day > $1
     ORDER BY {keys d})
    UNION ALL
    (SELECT {keys p}, p.quantity{value:, p.value}, p.move_count
     FROM {pending_entries} p
     WHERE p.day <= $1
     ORDER BY {keys p})
) e
WHERE inventory_perf.check_day($1)
GROUP BY {keys e}
HAVING inventory_perf.total(e.move_count) <> 0;
END;
COMMENT ON FUNCTION {stock_on}(date) IS 'stock of every key at the end of the day as_of; a key appears from its first movement on. Error 22004 for a null day';

CREATE FUNCTION {stock_period}(from_date date, to_date date)
RETURNS TABLE ({public_key_definitions}, opening_quantity numeric, in_quantity numeric,
               out_quantity numeric, total_movements numeric, closing_quantity numeric,
               move_count bigint
               {value:, opening_value numeric, value_change numeric, closing_value numeric})
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
-- Openings hold what came and what is there, so that the sums over a range are the difference of
-- two of them, with a part of a month at each end. Where the same openings serve both ends, or days
-- are few and keys many, the days of the range are read instead: period_months() decides. A month
-- that is null costs nothing. Days up to the last of the range count either before it or in it, and
-- so do the days from its first on that are taken from the openings after it.
WITH part AS MATERIALIZED (SELECT inventory_perf.period_months({ledger}, $1, $2) AS month)
SELECT {keys p}, p.opening_quantity, p.in_quantity, p.out_quantity,
       p.in_quantity - p.out_quantity,
       p.opening_quantity + p.in_quantity - p.out_quantity,
       p.move_count
       {value:, p.opening_value, p.value_change, p.opening_value + p.value_change}
FROM (
    SELECT {keys e}, coalesce(sum(e.opening_quantity), 0) AS opening_quantity,
           coalesce(sum(e.in_quantity), 0) AS in_quantity,
           coalesce(sum(e.out_quantity), 0) AS out_quantity,
           inventory_perf.total(e.move_count) AS move_count
           {value:, coalesce(sum(e.opening_value), 0) AS opening_value,
           coalesce(sum(e.value_change), 0) AS value_change}
    FROM (
        (SELECT {keys o}, o.quantity AS opening_quantity,
                CASE WHEN (SELECT x.month[2] FROM part x) IS NOT NULL THEN -o.in_quantity END
                    AS in_quantity,
                CASE WHEN (SELECT x.month[2] FROM part x) IS NOT NULL THEN -o.out_quantity END
                    AS out_quantity,
                CASE WHEN (SELECT x.month[2] FROM part x) IS NOT NULL THEN -o.move_count END
                    AS move_count,
                o.move_count AS earlier_count
                {value:, o.value AS opening_value,
                CASE WHEN (SELECT x.month[2] FROM part x) IS NOT NULL THEN -o.value END
                    AS value_change}
         FROM {opening_entries} o
         WHERE o.month = (SELECT x.month[1] FROM part x)
         ORDER BY {keys o})
        UNION ALL
        (SELECT {keys o}, NULL AS opening_quantity, o.in_quantity, o.out_quantity, o.move_count,
                NULL AS earlier_count {value:, NULL AS opening_value, o.value}
         FROM {opening_entries} o
         WHERE o.month = (SELECT x.month[2] FROM part x)
         ORDER BY {keys o})
        UNION ALL
        (SELECT {keys d}, d.quantity, -d.in_quantity, -d.out_quantity, -d.move_count, d.move_count
                {value:, d.value, -d.value}
         FROM {day_entries} d
         WHERE d.month = (SELECT x.month[3] FROM part x) AND d.day < $1
         ORDER BY {keys d})
        UNION ALL
        (SELECT {keys d}, -d.quantity, CASE WHEN d.day <= $2 THEN d.in_quantity END,
                CASE WHEN d.day <= $2 THEN d.out_quantity END,
                CASE WHEN d.day <= $2 THEN d.move_count END, -d.move_count
                {value:, -d.value, CASE WHEN d.day <= $2 THEN d.value END}
         FROM {day_entries} d
         WHERE d.month = (SELECT x.month[4] FROM part x) AND d.day >= $1
         ORDER BY {keys d})
        UNION ALL
        (SELECT {keys d}, {in_period d}
         FROM {day_entries} d
         WHERE d.month = (SELECT x.month[5] FROM part x) AND d.day <= $2
         ORDER BY {keys d})
        UNION ALL
        (SELECT {keys d}, NULL AS opening_quantity, -d.in_quantity, -d.out_quantity, -d.move_count,
                NULL AS earlier_count {value:, NULL AS opening_value, -d.value}
         FROM {day_entries} d
         WHERE d.month = (SELECT x.month[6] FROM part x) AND d.day > $2
         ORDER BY {keys d})
        UNION ALL
        (SELECT {keys d}, {in_period d}
         FROM {day_entries} d
         WHERE d.month = ANY ((SELECT x.month[7:] FROM part x)::date[])
           AND d.day >= (SELECT x.month[7] FROM part x) AND d.day <= $2
         ORDER BY {keys d})
        UNION ALL
        (SELECT {keys c}, {in_period c}
         FROM {pending_entries} c
         WHERE c.day <= $2
         ORDER BY {keys c})
    ) e
    WHERE inventory_perf.check_period($1, $2)
    GROUP BY {keys e}
    HAVING inventory_perf.total(e.move_count) + inventory_perf.total(e.earlier_count) <> 0
) p;
END;
COMMENT ON FUNCTION {stock_period}(date, date) IS 'one row per key for the days from_date to to_date, both included: opening, in, out, net, closing, number of movements. Error 22004 for a null day, 22023 when from_date is after to_date';

CREATE FUNCTION {stock_history}(from_date date, to_date date)
RETURNS TABLE ({public_key_definitions}, snapshot_date date, opening_quantity numeric,
               in_quantity numeric, out_quantity numeric, total_movements numeric,
               closing_quantity numeric, move_count bigint
               {value:, opening_value numeric, value_change numeric, closing_value numeric})
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
-- One pass: the movements of each key and day, counted in days from the first of the range on, with
-- all that was before it on day -1. Each is then repeated for the days until the next one.
SELECT {keys h}, $1 + h.n,
       CASE WHEN h.n > h.place THEN h.running_quantity
            ELSE h.running_quantity - h.net_quantity END,
       CASE WHEN h.n = h.place THEN h.in_quantity ELSE 0 END,
       CASE WHEN h.n = h.place THEN h.out_quantity ELSE 0 END,
       CASE WHEN h.n = h.place THEN h.net_quantity ELSE 0 END,
       CASE WHEN h.n >= h.place THEN h.running_quantity
            ELSE h.running_quantity - h.net_quantity END,
       CASE WHEN h.n = h.place THEN h.move_count ELSE 0 END
       {value:, CASE WHEN h.n > h.place THEN h.running_value
            ELSE h.running_value - h.value_change END,
       CASE WHEN h.n = h.place THEN h.value_change ELSE 0 END,
       CASE WHEN h.n >= h.place THEN h.running_value
            ELSE h.running_value - h.value_change END}
FROM (
    SELECT {keys w}, w.place, w.in_quantity, w.out_quantity, w.net_quantity, w.move_count,
           w.running_quantity {value:, w.value_change, w.running_value},
           inventory_perf.days_between(
               CASE WHEN w.previous_place IS NULL THEN 0 ELSE w.place END,
               coalesce(w.next_place, inventory_perf.history_length($1, $2)) - 1) AS n
    FROM (
        SELECT {keys s}, s.place, s.in_quantity, s.out_quantity, s.net_quantity, s.move_count,
               sum(s.net_quantity) OVER running AS running_quantity
               {value:, s.value_change, sum(s.value_change) OVER running AS running_value},
               lag(s.place) OVER running AS previous_place,
               lead(s.place) OVER running AS next_place,
               inventory_perf.total(s.move_count) OVER (PARTITION BY {keys s}) AS key_count
        FROM (
            SELECT {keys e}, greatest(e.day - $1, -1) AS place,
                   sum(e.in_quantity) AS in_quantity, sum(e.out_quantity) AS out_quantity,
                   sum(e.quantity) AS net_quantity,
                   inventory_perf.total(e.move_count) AS move_count
                   {value:, sum(e.value) AS value_change}
            FROM (
                SELECT {keys o}, NULL::date AS day, NULL::numeric AS in_quantity,
                       NULL::numeric AS out_quantity, o.quantity{value:, o.value}, o.move_count
                FROM {opening_entries} o
                WHERE o.month = (SELECT inventory_perf.base_month({ledger}, $1))
                UNION ALL
                SELECT {keys d}, d.day, d.in_quantity, d.out_quantity, d.quantity{value:, d.value},
                       d.move_count
                FROM {day_entries} d
                WHERE d.month = ANY (ARRAY(SELECT inventory_perf.open_months({ledger}, $1, $2)))
                  AND d.day <= $2
                UNION ALL
                SELECT {keys p}, p.day, p.in_quantity, p.out_quantity, p.quantity{value:, p.value},
                       p.move_count
                FROM {pending_entries} p
                WHERE p.day <= $2
            ) e
            WHERE inventory_perf.history_length($1, $2) > 0
            GROUP BY {keys e}, greatest(e.day - $1, -1)
        ) s
        WINDOW running AS (PARTITION BY {keys s} ORDER BY s.place ROWS UNBOUNDED PRECEDING)
    ) w
    WHERE w.key_count <> 0
) h;
END;
COMMENT ON FUNCTION {stock_history}(date, date) IS 'one row per key and every day from from_date to to_date, days without movement included. Error 22004 for a null day, 22023 when from_date is after to_date or a day is infinite';
