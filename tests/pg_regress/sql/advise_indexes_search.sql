-- What is advised for a workload, and that it can be run as it is.
CREATE EXTENSION hypopg;
CREATE TABLE items (
    id bigint PRIMARY KEY,
    tenant integer NOT NULL,
    "Zone" text NOT NULL,
    moved_at timestamptz NOT NULL,
    quantity integer NOT NULL,
    deleted_at timestamptz
);
INSERT INTO items
SELECT i, i % 50, 'zone ' || i % 400, '2024-01-01'::timestamptz + i * interval '1 min', i % 1000,
    CASE WHEN i % 10 <> 0 THEN '2024-06-01'::timestamptz END
FROM generate_series(1, 40000) i;
VACUUM ANALYZE items;

-- constants and parameters; the last rows first
SELECT rank, create_ddl, rollback_ddl, relation, access_method, validity, costed, reason,
    size_bytes > 0 AS sized, cost_after < cost_before / 10 AS cheaper,
    saving_percent > 90 AS saves, write_cost
FROM inventory_perf.advise_indexes(ARRAY[
    'SELECT * FROM items WHERE "Zone" = ''zone 7''',
    'SELECT * FROM items WHERE tenant = $1 ORDER BY moved_at DESC LIMIT 5'
]);
SELECT q ->> 'statement' AS statement, q ->> 'query' AS query,
    (q ->> 'cost_after')::float8 < (q ->> 'cost_before')::float8 AS cheaper
FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM items WHERE "Zone" = $1']) a,
    jsonb_array_elements(a.queries) q;

-- run as it is; then there is nothing to say any more
SELECT create_ddl FROM inventory_perf.advise_indexes(
    ARRAY['SELECT * FROM items WHERE "Zone" = ''zone 7''']) \gexec
SELECT create_ddl FROM inventory_perf.advise_indexes(
    ARRAY['SELECT * FROM items WHERE "Zone" = ''zone 7''']);

-- nothing to recommend: key exists, no statement reads, everything is read, a tiny table
CREATE TABLE tiny AS SELECT i AS id FROM generate_series(1, 100) i;
ANALYZE tiny;
SELECT create_ddl FROM inventory_perf.advise_indexes(ARRAY[
    'SELECT * FROM items WHERE id = $1',
    'INSERT INTO items VALUES ($1, $2, $3, $4, $5)',
    'SELECT * FROM items WHERE quantity >= 0',
    'SELECT * FROM tiny WHERE id = 5'
]);
SELECT count(*) FROM inventory_perf.advise_indexes(ARRAY[]::text[]);
SELECT count(*) FROM hypopg();
