-- Statements and tables that mean harm, or that nobody thinks of: nothing of them is executed, none stops
-- the others, and the session goes on as it was.
SET client_min_messages = warning;
CREATE EXTENSION hypopg;
CREATE TABLE items AS
SELECT n AS id, n % 5000 AS product, 'part ' || n AS name FROM generate_series(1, 50000) n;
ANALYZE items;
CREATE TABLE changes (what text);
CREATE SEQUENCE numbers;

-- views with rules
CREATE VIEW ruled AS SELECT * FROM items;
CREATE RULE on_insert AS ON INSERT TO ruled DO INSTEAD INSERT INTO items VALUES (NEW.*);
CREATE RULE on_update AS ON UPDATE TO ruled DO INSTEAD
    (UPDATE items SET name = NEW.name WHERE id = OLD.id; INSERT INTO changes VALUES ('update'));
CREATE RULE on_delete AS ON DELETE TO ruled DO INSTEAD NOTHING;
CREATE RULE tell AS ON DELETE TO changes DO ALSO NOTIFY told;

-- functions that raise, catch, write, set, wait
CREATE FUNCTION raises() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'raised'; END $$;
CREATE FUNCTION catches() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN PERFORM 1 / 0; RETURN 0; EXCEPTION WHEN division_by_zero THEN RETURN 7; END $$;
CREATE FUNCTION sets() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN PERFORM set_config('work_mem', '9MB', false); RETURN 7; END $$;
CREATE FUNCTION writes() RETURNS integer LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO changes VALUES ('written'); PERFORM nextval('numbers'); RETURN 7; END $$;
CREATE FUNCTION looks_harmless() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN writes(); END $$;
CREATE FUNCTION makes_writable() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN SET transaction_read_only = off; RETURN writes(); END $$;

SELECT number, left(query, 74) AS query, status, reason FROM inventory_perf.workload_coverage(ARRAY[
    'INSERT INTO ruled VALUES (1, 2, ''3'')',
    'UPDATE ruled SET name = ''x'' WHERE product = 3',
    'DELETE FROM ruled WHERE product = 3',
    'DELETE FROM changes WHERE what = ''x''',
    'SELECT * FROM items WHERE product = raises()',
    'SELECT * FROM items WHERE product = catches()',
    'SELECT * FROM items WHERE product = sets()',
    'SELECT * FROM items WHERE product = writes()',
    'SELECT * FROM items WHERE product = looks_harmless()',
    'SELECT * FROM items WHERE product = makes_writable()',
    'SELECT writes(), nextval(''numbers'') FROM items WHERE product = 4',
    'WITH gone AS (DELETE FROM items WHERE product = 4 RETURNING *) SELECT writes() FROM gone',
    'SELECT pg_sleep(100) FROM items WHERE product = 7',
    'SELECT * FROM items WHERE product = (SELECT 7 FROM pg_terminate_backend(pg_backend_pid()))',
    'SELECT * FROM items FOR UPDATE',
    'LOCK TABLE items',
    -- parameters
    'SELECT * FROM items WHERE product = $0',
    'SELECT * FROM items WHERE product = $65535',
    'SELECT * FROM items WHERE product = $65536',
    'SELECT * FROM items WHERE product = $200000000',
    'SELECT * FROM items WHERE product = $99999999999999999999',
    'PREPARE p (int, text, int) AS SELECT * FROM items WHERE product = $3',
    'SELECT * FROM items WHERE name = ''costs $70000''',
    -- long and deep
    'SELECT * FROM items WHERE product = ' || repeat('(', 20000) || '1' || repeat(')', 20000),
    'SELECT * FROM items WHERE ' || repeat('product = 1 OR ', 2000) || 'product = 2',
    'SELECT * FROM items WHERE product IN (' || repeat('1, ', 20000) || '2)',
    -- several, and none
    'SELECT * FROM items WHERE product = 1; ; ',
    'SELECT * FROM items WHERE product = $1 AND name = $2; --',
    'SELECT * FROM items WHERE product = 1; COMMIT',
    '/* only a comment */',
    'TABLE items',
    'VALUES (1)'
]);
SELECT count(*) AS items, (SELECT count(*) FROM changes) AS changes, (SELECT is_called FROM numbers) AS called
FROM items;
SHOW work_mem;

-- the same through the search for indexes
SELECT create_ddl FROM inventory_perf.advise_indexes(ARRAY[
    'UPDATE ruled SET name = ''x'' WHERE product = 3', 'SELECT * FROM items WHERE product = raises()',
    'SELECT * FROM items WHERE product = looks_harmless()', 'SELECT * FROM items WHERE product = $65536',
    'WITH gone AS (DELETE FROM items WHERE product = 4 RETURNING *) SELECT writes() FROM gone']);
SELECT count(*) AS items, (SELECT count(*) FROM changes) AS changes FROM items;

-- long and odd names, and names of indexes that are cut off alike
CREATE TABLE "Größe ""Ü"" aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" (
    "Spalte ""ä"" bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" integer, "SELECT" integer,
    "Spalte ""ä"" bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbc" integer);
INSERT INTO "Größe ""Ü"" aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
SELECT n % 5000, n % 3001, n % 4001 FROM generate_series(1, 50000) n;
ANALYZE;
CREATE TABLE advice AS SELECT rank, create_ddl, rollback_ddl FROM inventory_perf.advise_indexes(ARRAY[
    'SELECT * FROM "Größe ""Ü"" aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" WHERE "SELECT" = 1',
    'SELECT * FROM "Größe ""Ü"" aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" WHERE "Spalte ""ä"" bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" = 1',
    'SELECT * FROM "Größe ""Ü"" aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" WHERE "Spalte ""ä"" bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbc" = 1']);
SELECT create_ddl FROM advice ORDER BY rank \gexec
SELECT c.relname, octet_length(c.relname::text) AS bytes, i.indisvalid AS valid
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = '"Größe ""Ü"" aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"'::regclass ORDER BY c.relname COLLATE "C";
SELECT rollback_ddl FROM advice ORDER BY rank \gexec
SELECT count(*) FROM pg_index
WHERE indrelid = '"Größe ""Ü"" aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"'::regclass;

-- 500 columns, each asked for
SELECT format('CREATE TABLE very_wide (%s)', string_agg(format('c%s integer', n), ', ' ORDER BY n))
FROM generate_series(1, 500) n \gexec
SELECT format('INSERT INTO very_wide (%s) SELECT %s FROM generate_series(1, 3000) n',
              string_agg('c' || n, ', ' ORDER BY n), string_agg(format('n %% %s', n + 3), ', ' ORDER BY n))
FROM generate_series(1, 500) n \gexec
ANALYZE very_wide;
SELECT count(*) BETWEEN 1 AND 3 AS few FROM inventory_perf.advise_indexes(ARRAY[
    (SELECT 'SELECT * FROM very_wide WHERE ' || string_agg(format('c%s = $%s', n, n), ' AND ' ORDER BY n)
     FROM generate_series(1, 500) n)], time_limit => '5 s');

-- arrays that are empty, hold nulls, or have two dimensions
SELECT count(*) FROM inventory_perf.advise_indexes('{}');
SELECT count(*) FROM inventory_perf.advise_indexes(ARRAY[NULL]::text[]);
SELECT create_ddl FROM inventory_perf.advise_indexes(
    ARRAY[['SELECT * FROM items WHERE product = 1'], [NULL]], relations => ARRAY[NULL, 'items']::regclass[]);
SELECT count(*) FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM items WHERE product = 1'], relations => '{}');
SELECT count(*) FROM inventory_perf.evaluate_indexes('{}', ARRAY['SELECT * FROM items WHERE product = 1']);
SELECT count(*) FROM inventory_perf.evaluate_indexes(ARRAY['CREATE INDEX ON items (product)'], '{}');
SELECT count(*) FROM inventory_perf.advise_index_drops('{}');

-- budgets and times at their ends
SELECT count(*) FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM items WHERE product = 1'],
    storage_budget => 9223372036854775807, time_limit => '100 years');
SELECT count(*) FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM items WHERE product = 1'],
    storage_budget => 1, max_columns => 32, time_limit => '1 microsecond');

-- in transactions that only read, without a transaction ID; and after an error in one
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT create_ddl FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM items WHERE product = 1']);
SELECT new_indexes FROM inventory_perf.evaluate_indexes(
    ARRAY['CREATE INDEX ON items (product)'], ARRAY['SELECT * FROM items WHERE product = 1']);
COMMIT;
BEGIN;
SELECT indexname ~ 'btree_items_name' AS mine FROM hypopg_create_index('CREATE INDEX mine ON items (name)');
SAVEPOINT before;
SELECT count(*) FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM items WHERE product = 1'], max_columns => 0);
ROLLBACK TO before;
SELECT create_ddl FROM inventory_perf.advise_indexes(
    ARRAY['SELECT * FROM items WHERE product = 1', 'SELECT * FROM items WHERE name = ''part 3''']);
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_transaction_id;
EXPLAIN (COSTS OFF) SELECT * FROM items WHERE product = 1;
COMMIT;
SELECT count(*) AS mine FROM hypopg_list_indexes;
DO $$
BEGIN
    PERFORM FROM inventory_perf.evaluate_indexes(
        ARRAY['CREATE INDEX ON items (product)', 'CREATE INDEX ON items (nothing)'], '{}');
EXCEPTION WHEN undefined_column THEN
    PERFORM FROM inventory_perf.advise_indexes(ARRAY['SELECT * FROM items WHERE product = 1']);
END $$;
SELECT count(*) AS mine FROM hypopg_list_indexes;
