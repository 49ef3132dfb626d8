-- Opens the months that pending rows need and that are not open yet, without openings.
INSERT INTO {months}
SELECT DISTINCT pg_catalog.date_trunc('month', p.day::timestamp)::date
FROM (SELECT DISTINCT x.day FROM {pending} x WHERE $1 IS NULL OR x.day <= $1) p
WHERE NOT EXISTS (SELECT FROM {months} m
                  WHERE m.month = pg_catalog.date_trunc('month', p.day::timestamp)::date)
RETURNING month
