-- The workload that pg_stat_statements has recorded, as it writes statements.
CREATE SCHEMA "Statistics";
CREATE EXTENSION pg_stat_statements SCHEMA "Statistics";
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, created_at timestamptz NOT NULL);
INSERT INTO items SELECT n, 'part ' || n, '2024-01-01'::timestamptz + n * interval '1 hour' FROM generate_series(1, 5000) n;
SELECT "Statistics".pg_stat_statements_reset() IS NULL AS reset;

SELECT count(*) FROM items WHERE name = 'part 7';
SELECT count(*) FROM items WHERE name = 'part 8';
SELECT count(*) FROM items WHERE created_at < timestamptz '2020-01-01' - interval '30 days' AND id IN (1, 2, 3);
SELECT count(*) > 0 AS found FROM pg_class;
SELECT count(*) FROM inventory_perf.workload_coverage(ARRAY['SELECT * FROM items WHERE name = ''never run''']);
SET work_mem = '5MB';
PREPARE by_id(int) AS SELECT name FROM items WHERE id = $1;
EXECUTE by_id(3);

SELECT query, calls, weight > 0 AS weighs, status, reason
FROM inventory_perf.workload_coverage() ORDER BY query COLLATE "C";
SELECT round(sum(weight_percent)::numeric, 3) AS percent FROM inventory_perf.workload_coverage();

-- what is only analysed is not recorded
SELECT count(*) AS recorded FROM "Statistics".pg_stat_statements WHERE query LIKE '%never run%' AND calls = 0;

-- statements of others, for those who may not see them
CREATE ROLE statistics_reader;
GRANT USAGE ON SCHEMA "Statistics" TO statistics_reader;
SET ROLE statistics_reader;
SELECT count(*) > 0 AS some, bool_and(status = 'skipped') AS skipped, min(reason) AS reason
FROM inventory_perf.workload_coverage() WHERE query IS NULL;
RESET ROLE;
DROP OWNED BY statistics_reader;
DROP ROLE statistics_reader;

-- what others ran is planned with their rights: no code of theirs runs with the caller's, and row
-- security adds what it adds for them
CREATE ROLE statistics_author;
CREATE SCHEMA authored AUTHORIZATION statistics_author;
GRANT SELECT ON items TO statistics_author;
CREATE TABLE lots AS SELECT n AS id, 'role ' || n % 2000 AS owner, repeat('x', 50) AS note FROM generate_series(1, 30000) n;
ANALYZE lots;
ALTER TABLE lots ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON lots USING (owner = current_user);
GRANT SELECT ON lots TO statistics_author;
CREATE EXTENSION hypopg;
SET ROLE statistics_author;
CREATE FUNCTION authored.guarded() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN IF current_user <> 'statistics_author' THEN RAISE EXCEPTION 'run as %', current_user; END IF; RETURN 3; END $$;
SELECT name FROM items WHERE id = authored.guarded();
SELECT count(*) AS own FROM lots;
RESET ROLE;
SELECT query, status, reason FROM inventory_perf.workload_coverage()
WHERE query IN ('SELECT name FROM items WHERE id = authored.guarded()', 'SELECT count(*) AS own FROM lots')
ORDER BY query COLLATE "C";
SELECT create_ddl FROM inventory_perf.advise_indexes(relations => ARRAY['lots']::regclass[]);
SELECT current_user = session_user AS still_the_caller;
DROP OWNED BY statistics_author;
DROP ROLE statistics_author;
SELECT status, reason FROM inventory_perf.workload_coverage() WHERE query = 'SELECT count(*) AS own FROM lots';
