-- Partitioned tables: one statement per row, in an order that works; and the way back.
CREATE EXTENSION hypopg;
CREATE TABLE moves (id bigint, tenant integer, day date, product integer) PARTITION BY RANGE (day);
CREATE TABLE moves_1 PARTITION OF moves FOR VALUES FROM ('2024-01-01') TO ('2024-07-01');
CREATE TABLE moves_2 PARTITION OF moves FOR VALUES FROM ('2024-07-01') TO ('2025-01-01')
    PARTITION BY LIST (tenant);
CREATE TABLE moves_2a PARTITION OF moves_2 FOR VALUES IN (0, 1, 2);
CREATE TABLE moves_2b PARTITION OF moves_2 DEFAULT;
INSERT INTO moves
SELECT i, i % 10, date '2024-01-01' + i % 365, i % 5000 FROM generate_series(1, 60000) i;
ANALYZE moves;
CREATE TABLE advice AS SELECT rank, create_ddl, rollback_ddl, relation, size_bytes > 0 AS sized
FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM moves WHERE product = $1']);
TABLE advice ORDER BY rank;
SELECT create_ddl FROM advice ORDER BY rank \gexec
SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relname LIKE 'moves%' ORDER BY c.relname;
EXPLAIN (COSTS OFF) SELECT * FROM moves WHERE product = 7;
SELECT count(*) FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM moves WHERE product = $1']);
SET client_min_messages = warning;
SELECT rollback_ddl FROM advice ORDER BY rank \gexec
SELECT count(*) FROM pg_class WHERE relname LIKE 'moves%' AND relkind IN ('i', 'I');
