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
-- Each row of a day counts either before the range or in it. The months come as an array, so that
-- one key is one index probe for each of them.
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
        (SELECT {keys o}, o.quantity AS opening_quantity, NULL::numeric AS in_quantity,
                NULL::numeric AS out_quantity, NULL::bigint AS move_count,
                o.move_count AS earlier_count
                {value:, o.value AS opening_value, NULL::numeric AS value_change}
         FROM {opening_entries} o
         WHERE o.month = (SELECT inventory_perf.base_month({ledger}, $1))
         ORDER BY {keys o})
        UNION ALL
        (SELECT {keys d}, CASE WHEN d.day < $1 THEN d.quantity END,
                CASE WHEN d.day >= $1 THEN d.in_quantity END,
                CASE WHEN d.day >= $1 THEN d.out_quantity END,
                CASE WHEN d.day >= $1 THEN d.move_count END,
                CASE WHEN d.day < $1 THEN d.move_count END
                {value:, CASE WHEN d.day < $1 THEN d.value END,
                CASE WHEN d.day >= $1 THEN d.value END}
         FROM {day_entries} d
         WHERE d.month = ANY (ARRAY(SELECT inventory_perf.open_months({ledger}, $1, $2)))
           AND d.day <= $2
         ORDER BY {keys d})
        UNION ALL
        (SELECT {keys c}, CASE WHEN c.day < $1 THEN c.quantity END,
                CASE WHEN c.day >= $1 THEN c.in_quantity END,
                CASE WHEN c.day >= $1 THEN c.out_quantity END,
                CASE WHEN c.day >= $1 THEN c.move_count END,
                CASE WHEN c.day < $1 THEN c.move_count END
                {value:, CASE WHEN c.day < $1 THEN c.value END,
                CASE WHEN c.day >= $1 THEN c.value END}
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
SELECT {keys h}, h.day,
       h.opening_quantity + h.running_quantity - h.net_quantity,
       h.in_quantity, h.out_quantity, h.net_quantity,
       h.opening_quantity + h.running_quantity, h.move_count
       {value:, h.opening_value + h.running_value - h.value_change, h.value_change,
       h.opening_value + h.running_value}
FROM (
    SELECT {keys k}, g.day, k.opening_quantity,
           coalesce(s.in_quantity, 0) AS in_quantity,
           coalesce(s.out_quantity, 0) AS out_quantity,
           coalesce(s.net_quantity, 0) AS net_quantity,
           coalesce(s.move_count, 0) AS move_count,
           coalesce(sum(s.net_quantity) OVER running, 0) AS running_quantity
           {value:, k.opening_value, coalesce(s.value_change, 0) AS value_change,
           coalesce(sum(s.value_change) OVER running, 0) AS running_value}
    FROM (
        SELECT {keys e},
               coalesce(sum(e.quantity) FILTER (WHERE e.day IS NULL OR e.day < $1), 0)
                   AS opening_quantity
               {value:, coalesce(sum(e.value) FILTER (WHERE e.day IS NULL OR e.day < $1), 0)
                   AS opening_value}
        FROM (
            SELECT {keys o}, NULL::date AS day, o.quantity{value:, o.value}, o.move_count
            FROM {opening_entries} o
            WHERE o.month = (SELECT inventory_perf.base_month({ledger}, $1))
            UNION ALL
            SELECT {keys d}, d.day, d.quantity{value:, d.value}, d.move_count
            FROM {day_entries} d
            WHERE d.month = ANY (ARRAY(SELECT inventory_perf.open_months({ledger}, $1, $2)))
              AND d.day <= $2
            UNION ALL
            SELECT {keys p}, p.day, p.quantity{value:, p.value}, p.move_count
            FROM {pending_entries} p
            WHERE p.day <= $2
        ) e
        GROUP BY {keys e}
        HAVING inventory_perf.total(e.move_count) <> 0
    ) k
    CROSS JOIN (
        SELECT $1 + n.n AS day
        FROM generate_series(0, inventory_perf.history_length($1, $2) - 1) AS n(n)
    ) g
    LEFT JOIN (
        SELECT {keys e}, e.day, sum(e.in_quantity) AS in_quantity,
               sum(e.out_quantity) AS out_quantity, sum(e.quantity) AS net_quantity,
               inventory_perf.total(e.move_count) AS move_count
               {value:, sum(e.value) AS value_change}
        FROM (
            SELECT {keys d}, d.day, d.in_quantity, d.out_quantity, d.quantity{value:, d.value},
                   d.move_count
            FROM {day_entries} d
            WHERE d.month = ANY (ARRAY(SELECT inventory_perf.open_months({ledger}, $1, $2)))
              AND d.day >= $1 AND d.day <= $2
            UNION ALL
            SELECT {keys p}, p.day, p.in_quantity, p.out_quantity, p.quantity{value:, p.value},
                   p.move_count
            FROM {pending_entries} p
            WHERE p.day >= $1 AND p.day <= $2
        ) e
        GROUP BY {keys e}, e.day
    ) s ON {match s k} AND s.day = g.day
    WINDOW running AS (PARTITION BY {keys k} ORDER BY g.day)
) h;
END;
COMMENT ON FUNCTION {stock_history}(date, date) IS 'one row per key and every day from from_date to to_date, days without movement included. Error 22004 for a null day, 22023 when from_date is after to_date or a day is infinite';
