-- Puts 0 in the place of dropped views and functions.
UPDATE inventory_perf.ledger l
SET views = ARRAY(SELECT CASE WHEN v = ANY ($1) THEN 0 ELSE v END
                  FROM pg_catalog.unnest(l.views::oid[]) WITH ORDINALITY u(v, n)
                  ORDER BY n)::oid[]::regclass[],
    functions = ARRAY(SELECT CASE WHEN f = ANY ($2) THEN 0 ELSE f END
                      FROM pg_catalog.unnest(l.functions::oid[]) WITH ORDINALITY u(f, n)
                      ORDER BY n)::oid[]::regprocedure[]
WHERE l.views::oid[] && $1 OR l.functions::oid[] && $2
