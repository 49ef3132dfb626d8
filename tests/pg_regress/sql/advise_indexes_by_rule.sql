-- Inverted indexes: advised by rule, without a figure of costs.
CREATE EXTENSION hypopg;
CREATE EXTENSION pg_trgm;
CREATE TABLE docs (id bigint PRIMARY KEY, body text NOT NULL, attrs jsonb NOT NULL);
INSERT INTO docs SELECT i, md5(i::text) || ' ' || md5((i + 1)::text), jsonb_build_object('k', i % 5000)
FROM generate_series(1, 20000) i;
ANALYZE docs;
SELECT create_ddl, access_method, size_bytes > 0 AS sized, cost_before, cost_after, saving_percent,
    costed, reason
FROM inventory_perf.advise_indexes(ARRAY[
    'SELECT * FROM docs WHERE body ILIKE ''%abc123%''',
    'SELECT * FROM docs WHERE attrs @> ''{"k": 5}'''
]) ORDER BY create_ddl;
SELECT count(*) FROM inventory_perf.advise_indexes(
    ARRAY['SELECT * FROM docs WHERE body ILIKE ''%abc123%'''], storage_budget => 8192);
