-- The relations that answer: stored balances ⊎ pending changes, in the reader's own snapshot.
-- check_ledger() raises an error for a reader who has no right to the ledger; as a condition
-- without columns it is evaluated once, before any row is read.

-- One view for each table, as the functions run with their caller's rights. They are not one
-- UNION ALL: PostgreSQL up to 18 evaluates an uncorrelated sub-query only once, though a parameter
-- in it changes, when it removes an Append of which a condition left one child.
CREATE VIEW {opening_entries} AS
SELECT o.month, {keys o}, o.quantity, o.in_quantity,
       o.in_quantity - o.quantity AS out_quantity{value:, o.value}, o.move_count
FROM {openings} o
WHERE inventory_perf.check_ledger({ledger});
COMMENT ON VIEW {opening_entries} IS 'internal to inventory_perf: balances when a month began, for readers of the ledger';

CREATE VIEW {day_entries} AS
SELECT d.month, d.day, {keys d}, d.in_quantity, d.out_quantity,
       d.in_quantity - d.out_quantity AS quantity{value:, d.value_change AS value}, d.move_count
FROM {days} d
WHERE inventory_perf.check_ledger({ledger});
COMMENT ON VIEW {day_entries} IS 'internal to inventory_perf: stored movements per key and day, for readers of the ledger';

CREATE VIEW {pending_entries} AS
SELECT p.day, {keys p}, p.in_quantity, p.out_quantity,
       p.in_quantity - p.out_quantity AS quantity{value:, p.value_change AS value}, p.move_count
FROM {pending} p
WHERE inventory_perf.check_ledger({ledger});
COMMENT ON VIEW {pending_entries} IS 'internal to inventory_perf: changes not folded yet, for readers of the ledger';

CREATE VIEW {snapshots} AS
SELECT {public_keys}, s.day AS snapshot_date,
       s.opening_quantity, s.in_quantity, s.out_quantity,
       s.in_quantity - s.out_quantity AS total_movements,
       s.opening_quantity + s.in_quantity - s.out_quantity AS closing_quantity,
       s.move_count
       {value:, s.opening_value, s.value_change, s.opening_value + s.value_change AS closing_value}
FROM (
    -- keys with nothing pending
    SELECT {keys d}, d.day,
           coalesce(o.quantity, 0) + d.month_quantity - d.in_quantity + d.out_quantity
               AS opening_quantity,
           d.in_quantity, d.out_quantity, d.move_count
           {value:, coalesce(o.value, 0) + d.month_value - d.value_change AS opening_value,
           d.value_change}
    FROM {months} m
    JOIN {days} d ON d.month = m.month
    LEFT JOIN {openings} o ON o.month = d.month AND {match o d}
    WHERE inventory_perf.check_ledger({ledger})
      AND d.move_count <> 0
      AND NOT EXISTS (SELECT FROM {pending} p WHERE {match p d})
    UNION ALL
    -- stored days of keys with something pending
    SELECT {keys d}, d.day,
           coalesce(o.quantity, 0) + d.month_quantity - d.in_quantity + d.out_quantity
               + p.before_quantity,
           d.in_quantity + p.in_quantity, d.out_quantity + p.out_quantity,
           d.move_count + p.move_count
           {value:, coalesce(o.value, 0) + d.month_value - d.value_change + p.before_value,
           d.value_change + p.value_change}
    FROM (SELECT DISTINCT {keys} FROM {pending}) k
    CROSS JOIN {months} m
    JOIN {days} d ON d.month = m.month AND {match d k}
    LEFT JOIN {openings} o ON o.month = d.month AND {match o d}
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(x.in_quantity - x.out_quantity) FILTER (WHERE x.day < d.day), 0)
                   AS before_quantity,
               coalesce(sum(x.in_quantity) FILTER (WHERE x.day = d.day), 0) AS in_quantity,
               coalesce(sum(x.out_quantity) FILTER (WHERE x.day = d.day), 0) AS out_quantity,
               coalesce(sum(x.move_count) FILTER (WHERE x.day = d.day), 0)::bigint AS move_count
               {value:, coalesce(sum(x.value_change) FILTER (WHERE x.day < d.day), 0)
                   AS before_value,
               coalesce(sum(x.value_change) FILTER (WHERE x.day = d.day), 0) AS value_change}
        FROM {pending} x
        WHERE {match x d} AND x.day <= d.day
    ) p
    WHERE inventory_perf.check_ledger({ledger})
      AND d.move_count + p.move_count <> 0
    UNION ALL
    -- days that are pending only
    SELECT {keys p}, p.day,
           p.before_quantity + coalesce(
               (SELECT o.quantity FROM {openings} o
                WHERE o.month = (SELECT max(m.month) FROM {months} m WHERE m.month <= p.day)
                  AND {match o p}), 0) + coalesce(
               (SELECT sum(d.in_quantity - d.out_quantity) FROM {days} d
                WHERE d.month = (SELECT max(m.month) FROM {months} m WHERE m.month <= p.day)
                  AND {match d p} AND d.day < p.day), 0),
           p.in_quantity, p.out_quantity, p.move_count
           {value:, p.before_value + coalesce(
               (SELECT o.value FROM {openings} o
                WHERE o.month = (SELECT max(m.month) FROM {months} m WHERE m.month <= p.day)
                  AND {match o p}), 0) + coalesce(
               (SELECT sum(d.value_change) FROM {days} d
                WHERE d.month = (SELECT max(m.month) FROM {months} m WHERE m.month <= p.day)
                  AND {match d p} AND d.day < p.day), 0),
           p.value_change}
    FROM (
        SELECT {keys x}, pg_catalog.date_trunc('month', x.day::timestamp)::date AS month, x.day,
               sum(x.in_quantity) AS in_quantity, sum(x.out_quantity) AS out_quantity, sum(x.move_count)::bigint AS move_count,
               coalesce(sum(sum(x.in_quantity - x.out_quantity)) OVER (
                   PARTITION BY {keys x} ORDER BY x.day
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before_quantity
               {value:, sum(x.value_change) AS value_change,
               coalesce(sum(sum(x.value_change)) OVER (
                   PARTITION BY {keys x} ORDER BY x.day
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before_value}
        FROM {pending} x
        GROUP BY {keys x}, x.day
    ) p
    WHERE inventory_perf.check_ledger({ledger})
      AND p.move_count <> 0
      AND NOT EXISTS (
          SELECT FROM {days} d WHERE d.month = p.month AND {match d p} AND d.day = p.day)
) s;
COMMENT ON VIEW {snapshots} IS 'one row per key and day that had a movement: opening, in, out, net (total_movements), closing and number of movements; exact in every snapshot';

CREATE VIEW {levels} AS
SELECT {public_keys}, s.quantity AS quantity_on_hand
       {value:, s.value AS stock_value},
       CASE WHEN s.retracted THEN (
                SELECT max(x.day) FROM (
                    SELECT e.day FROM (
                        SELECT d.day, d.move_count
                        FROM {months} m
                        JOIN {days} d ON d.month = m.month AND {match d s}
                        UNION ALL
                        SELECT p.day, p.move_count FROM {pending} p WHERE {match p s}
                    ) e
                    GROUP BY e.day HAVING sum(e.move_count) <> 0
                ) x)
            ELSE greatest(s.last_pending, (
                SELECT l.day
                FROM {months} m
                CROSS JOIN LATERAL (
                    SELECT d.day FROM {days} d
                    WHERE d.month = m.month AND {match d s} AND d.move_count <> 0
                    ORDER BY d.day DESC LIMIT 1
                ) l
                ORDER BY m.month DESC LIMIT 1))
       END AS last_moved_on
FROM (
    SELECT {keys e}, sum(e.quantity) AS quantity {value:, sum(e.value) AS value},
           bool_or(e.is_pending AND e.move_count < 0) AS retracted,
           max(e.day) FILTER (WHERE e.is_pending AND e.move_count > 0) AS last_pending
    FROM (
        (SELECT false AS is_pending, {keys o}, NULL::date AS day, o.quantity,
                {value:o.value,} o.move_count
         FROM {openings} o
         WHERE o.month = (SELECT max(m.month) FROM {months} m)
         ORDER BY {keys o})
        UNION ALL
        (SELECT false, {keys d}, d.day, d.in_quantity - d.out_quantity,
                {value:d.value_change,} d.move_count
         FROM {days} d
         WHERE d.month = (SELECT max(m.month) FROM {months} m)
         ORDER BY {keys d})
        UNION ALL
        (SELECT true, {keys p}, p.day, p.in_quantity - p.out_quantity,
                {value:p.value_change,} p.move_count
         FROM {pending} p
         ORDER BY {keys p})
    ) e
    WHERE inventory_perf.check_ledger({ledger})
    GROUP BY {keys e}
    HAVING inventory_perf.total(e.move_count) <> 0
) s;
COMMENT ON VIEW {levels} IS 'what is on hand now: every movement of the ledger summed, future-dated ones included, with the day of the last one';
