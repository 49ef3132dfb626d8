-- Every statement is listed, used or not, with the reason.
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
CREATE FOREIGN TABLE far_items (id int) SERVER far;
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, deleted_at timestamptz);
CREATE TABLE other (id int PRIMARY KEY);
CREATE VIEW live_items AS SELECT id, name FROM items WHERE deleted_at IS NULL;
CREATE TEMP TABLE scratch (id int);
CREATE TABLE wide AS SELECT * FROM items;
SELECT pg_catalog.set_config('inventory_test.columns', string_agg(format('c%s int', n), ', '), false)
    IS NOT NULL AS ok FROM generate_series(1, 500) n;
DO $$ BEGIN EXECUTE format('CREATE TABLE very_wide (%s)', current_setting('inventory_test.columns')); END $$;

SELECT number, query, calls, round(weight_percent::numeric, 2) AS percent, status, reason
FROM inventory_perf.workload_coverage(ARRAY[
    'SELECT * FROM items WHERE name = $1',
    'SELECT * FROM live_items WHERE name = ''bolt''',
    'SELECT * FROM items WHERE name = $1',
    'INSERT INTO items VALUES ($1, $2)',
    'UPDATE items SET name = $1 WHERE id = $2',
    'DELETE FROM items WHERE deleted_at < now() - interval $1',
    'WITH old AS (DELETE FROM items RETURNING *) INSERT INTO other SELECT id FROM old',
    'MERGE INTO items USING other ON items.id = other.id WHEN MATCHED THEN DELETE',
    'SELECT * FROM items WHERE ($1 IS NULL OR name = $1) LIMIT $2',
    'SELECT * FROM items JOIN far_items USING (id)',
    'SELECT c1 FROM very_wide WHERE c1 = 1 AND c500 = 2',
    'SELECT 1',
    'SELECT $1',
    'SELECT count(*) FROM pg_class',
    'SELECT * FROM information_schema.tables',
    'SELECT * FROM scratch',
    'SELECT * FROM far_items',
    'SELECT * FROM inventory_perf.ledger',
    'SELECT * FROM no_such_table',
    'SELECT no_such_column FROM items',
    'SELEC * FROM items',
    'SELECT * FROM items WHERE name = ''a''; DROP TABLE items',
    'SELECT * FROM items WHERE name = '''' OR 1 = 1; --',
    'CREATE INDEX ON items (name)',
    'EXPLAIN SELECT * FROM items',
    'SELECT * INTO copied FROM items',
    'SELECT * FROM items WHERE name = interval $1',
    'BEGIN',
    '-- nothing',
    '',
    NULL
]);

-- the query inside a command counts; of what has none, the reason says which command it is
SELECT number, query, status, reason FROM inventory_perf.workload_coverage(ARRAY[
    'PREPARE p (bigint) AS SELECT * FROM items WHERE id = $1',
    'PREPARE p AS DELETE FROM items WHERE id = $1',
    'PREPARE p (nowhere) AS SELECT * FROM items',
    'EXPLAIN (ANALYZE) DELETE FROM items',
    'EXPLAIN CREATE MATERIALIZED VIEW copied AS SELECT * FROM items',
    'DECLARE c SCROLL CURSOR FOR SELECT * FROM items WHERE id = 7',
    'COPY (SELECT * FROM items) TO STDOUT',
    'COPY (DELETE FROM items RETURNING *) TO ''/nowhere/items''',
    'CREATE TABLE copied AS SELECT * FROM items',
    'SELECT * INTO copied FROM items UNION SELECT * FROM items',
    'CREATE TABLE copied AS EXECUTE p (1)',
    'EXPLAIN ANALYZE EXECUTE p (1)',
    'EXECUTE p (1)',
    'FETCH 10 FROM c',
    'CLOSE c',
    'COPY items TO STDOUT',
    'COPY items FROM STDIN',
    'REFRESH MATERIALIZED VIEW copied',
    'CALL p()',
    'DO $$ BEGIN DELETE FROM items; END $$',
    'VACUUM items',
    'SET work_mem = 64'
]);

-- nothing was executed, and nothing is left
SELECT count(*) AS items FROM items;
SELECT to_regclass('copied') AS copied;
SELECT count(*) AS locks FROM pg_locks
WHERE pid = pg_backend_pid() AND relation IN ('items'::regclass, 'other'::regclass);

-- a statement cannot write while it is planned
CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql VOLATILE AS
$$ BEGIN INSERT INTO other VALUES (1); RETURN 1; END $$;
CREATE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN RETURN writes(); END $$;
SELECT status, reason FROM inventory_perf.workload_coverage(ARRAY['SELECT * FROM items WHERE id = sneaky()']);
SELECT count(*) AS other FROM other;

-- only statements over some tables
SELECT number, status, reason FROM inventory_perf.workload_coverage(
    ARRAY['SELECT * FROM items', 'SELECT * FROM other', 'SELECT * FROM live_items'],
    ARRAY['items']::regclass[]);
SELECT inventory_perf.workload_coverage(ARRAY['SELECT 1'], ARRAY['live_items']::regclass[]);
SELECT inventory_perf.workload_coverage(ARRAY['SELECT 1'], ARRAY['far_items']::regclass[]);
SELECT inventory_perf.workload_coverage(ARRAY['SELECT 1'], ARRAY['pg_class']::regclass[]);
SELECT inventory_perf.workload_coverage(ARRAY['SELECT 1'], ARRAY[0]::regclass[]);

-- no statements, no rows
SELECT count(*) FROM inventory_perf.workload_coverage('{}');

-- without pg_stat_statements
SELECT count(*) FROM inventory_perf.workload_coverage();

-- ten thousand statements
SELECT count(*), count(*) FILTER (WHERE status = 'used') AS used, round(sum(weight_percent)) AS percent
FROM inventory_perf.workload_coverage(ARRAY(
    SELECT format('SELECT * FROM items WHERE id = %s', n % 1000) FROM generate_series(1, 10000) n));

-- the rights are the caller's
CREATE ROLE workload_reader;
GRANT SELECT ON other TO workload_reader;
SET ROLE workload_reader;
SELECT query, status, reason FROM inventory_perf.workload_coverage(ARRAY[
    'SELECT * FROM other', 'SELECT * FROM items', 'SELECT * FROM items JOIN other USING (id)',
    'DELETE FROM other', 'SELECT * FROM live_items']);
RESET ROLE;
DROP OWNED BY workload_reader;
DROP ROLE workload_reader;

-- in a transaction that goes on, with prepared statements and settings of its own
PREPARE mine AS SELECT 1;
SET work_mem = '7MB';
BEGIN;
INSERT INTO other VALUES (7);
SELECT count(*) FROM inventory_perf.workload_coverage(ARRAY['SELECT * FROM nowhere', 'SELECT * FROM other']);
INSERT INTO other VALUES (8);
COMMIT;
SELECT array_agg(id ORDER BY id) FROM other;
SELECT name FROM pg_prepared_statements;
SHOW work_mem;

-- a cancel ends it
SET statement_timeout = '50ms';
SELECT count(*) FROM inventory_perf.workload_coverage(ARRAY(
    SELECT format('SELECT * FROM items a, items b, items c, items d, items e, items f WHERE a.id = %s', n)
    FROM generate_series(1, 10000) n));
RESET statement_timeout;
SELECT count(*) FROM inventory_perf.workload_coverage(ARRAY['SELECT * FROM other']);
