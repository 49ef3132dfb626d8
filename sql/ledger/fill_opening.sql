-- The openings of month $1: every key's balance when it began, from the last open month before it.
WITH base AS (
    SELECT max(m.month) AS month FROM {months} m WHERE m.month < $1
)
INSERT INTO {openings} ({keys}, month, quantity, in_quantity, {value:value,} move_count)
SELECT {keys e}, $1, sum(e.quantity), sum(e.in_quantity), {value:sum(e.value),}
       sum(e.move_count)::bigint
FROM (
    SELECT {keys o}, o.quantity, o.in_quantity, {value:o.value,} o.move_count
    FROM {openings} o
    WHERE o.month = (SELECT b.month FROM base b)
    UNION ALL
    SELECT {keys d}, d.in_quantity - d.out_quantity, d.in_quantity, {value:d.value_change,}
           d.move_count
    FROM {days} d
    WHERE d.month = (SELECT b.month FROM base b)
) e
GROUP BY {keys e}
HAVING sum(e.move_count) <> 0
