-- What the advisor says of the searches, shown and then run.
SET client_min_messages = warning;
SELECT rank, create_ddl, pg_size_pretty(size_bytes) AS size,
       round(cost_before::numeric) AS cost_before, round(cost_after::numeric) AS cost_after
FROM inventory_perf.advise_indexes(:searches) ORDER BY rank;
SELECT create_ddl FROM inventory_perf.advise_indexes(:searches) ORDER BY rank \gexec
