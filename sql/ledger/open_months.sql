-- The months that pending rows need and that are not open yet.
SELECT DISTINCT pg_catalog.date_trunc('month', p.day::timestamp)::date AS month
FROM {pending} p
WHERE ($1 IS NULL OR p.day <= $1)
  AND NOT EXISTS (SELECT FROM {months} m
                  WHERE m.month = pg_catalog.date_trunc('month', p.day::timestamp)::date)
ORDER BY 1
