//! What each of the roles may do next. Words in braces are chosen anew for every step.

use rand::Rng;
use rand::rngs::StdRng;

use crate::arena::{MAPPING_VIEW, STORAGE};

const VIEWS: [&str; 6] = [
    "stock_levels",
    "daily_stock_snapshots",
    "stock_opening_entries",
    "stock_day_entries",
    "stock_pending_entries",
    MAPPING_VIEW,
];

const TRIGGERS: [&str; 6] = [
    "00_inventory_perf_insert",
    "00_inventory_perf_update",
    "00_inventory_perf_delete",
    "00_inventory_perf_truncate",
    "00_inventory_perf_truncated",
    "00_inventory_perf_moved",
];

const COLUMNS: [&str; 8] = [
    "k1",
    "k2",
    "day",
    "month",
    "in_quantity",
    "quantity",
    "move_count",
    "month_quantity",
];

const TYPES: [&str; 6] = [
    "text",
    "bigint",
    "numeric",
    "date",
    "bytea",
    "numeric(10,2)",
];

/// The owner of the den. It tells no lie in its own words: it neither writes to the storage by hand,
/// nor lets its views answer something else.
pub const OWNER: [&str; 99] = [
    // capture
    "ALTER TRIGGER \"{trigger}\" ON den.moves RENAME TO \"renamed_{n}\"",
    "DROP TRIGGER IF EXISTS \"{trigger}\" ON den.moves",
    "DROP TRIGGER IF EXISTS \"renamed_{n}\" ON den.moves",
    "CREATE OR REPLACE TRIGGER \"{trigger}\" AFTER INSERT ON den.moves REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION inventory_perf.capture_moves()",
    "CREATE OR REPLACE TRIGGER \"{trigger}\" AFTER INSERT ON den.moves REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()",
    "CREATE OR REPLACE TRIGGER \"{trigger}\" AFTER UPDATE ON den.moves FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()",
    "CREATE OR REPLACE TRIGGER \"{trigger}\" AFTER INSERT ON den.moves FOR EACH ROW EXECUTE FUNCTION den.canary_row()",
    "CREATE OR REPLACE TRIGGER \"{trigger}\" AFTER INSERT ON den.moves REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.invalidate_cache('tag:x')",
    "CREATE TRIGGER second_{n} AFTER INSERT ON den.moves REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()",
    "DROP TRIGGER IF EXISTS second_{n} ON den.moves",
    "CREATE TRIGGER of_storage_{n} AFTER INSERT ON den.{table} REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()",
    "ALTER TABLE den.moves DISABLE TRIGGER \"{trigger}\"",
    "ALTER TABLE den.moves DISABLE TRIGGER ALL",
    "ALTER TABLE den.moves ENABLE TRIGGER ALL",
    "ALTER TABLE den.moves ENABLE REPLICA TRIGGER \"{trigger}\"",
    "ALTER TABLE den.moves ENABLE ALWAYS TRIGGER \"{trigger}\"",
    // storage
    "ALTER TABLE den.{table} SET UNLOGGED",
    "ALTER TABLE den.{table} SET LOGGED",
    "ALTER TABLE den.{table} SET SCHEMA den",
    "ALTER TABLE den.{table} RENAME TO hidden_{n}",
    "ALTER TABLE den.hidden_{n} RENAME TO {table}",
    "CREATE TABLE den.{table} (k1 int, k2 int, day date, month date, in_quantity numeric, quantity numeric)",
    "ALTER TABLE den.{table} RENAME COLUMN {column} TO other_{n}",
    "ALTER TABLE den.{table} RENAME COLUMN other_{n} TO {column}",
    "ALTER TABLE den.{table} DROP COLUMN {column} CASCADE",
    "ALTER TABLE den.{table} ADD COLUMN more_{n} {type}",
    "ALTER TABLE den.{table} ADD COLUMN full_{n} text NOT NULL DEFAULT 'x'",
    "ALTER TABLE den.{table} ALTER COLUMN {column} TYPE {type} USING NULL",
    "ALTER TABLE den.{table} ALTER COLUMN {column} TYPE {type} USING {column}::{type}",
    "ALTER TABLE den.{table} ALTER COLUMN {column} SET NOT NULL",
    "ALTER TABLE den.{table} ALTER COLUMN {column} SET DEFAULT den.canary_int(1)",
    "ALTER TABLE den.{table} ADD CHECK (den.canary('a constraint of storage')) NOT VALID",
    "ALTER TABLE den.{table} ADD CONSTRAINT never_{n} CHECK (false) NOT VALID",
    "ALTER TABLE den.{table} DROP CONSTRAINT IF EXISTS never_{n}",
    "CREATE INDEX ON den.{table} (den.canary_text({column}::text))",
    "CREATE INDEX ON den.{table} ({column}) WHERE den.canary('a partial index')",
    "CREATE UNIQUE INDEX ON den.{table} ({column})",
    "CREATE INDEX ON den.{table} USING hash ({column})",
    "CREATE INDEX ON den.{table} USING brin ({column})",
    "CREATE STATISTICS den.stats_{n} ON (den.canary_int(k1)), k2 FROM den.{table}",
    "CREATE TRIGGER storage_{n} BEFORE INSERT OR UPDATE OR DELETE ON den.{table} FOR EACH ROW EXECUTE FUNCTION den.canary_row()",
    "DROP TRIGGER IF EXISTS storage_{n} ON den.{table}",
    "CREATE RULE rule_{n} AS ON INSERT TO den.{table} DO INSTEAD NOTHING",
    "CREATE RULE rule_{n} AS ON INSERT TO den.{table} DO ALSO SELECT den.canary('a rule')",
    "DROP RULE IF EXISTS rule_{n} ON den.{table}",
    "ALTER TABLE den.{table} ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE den.{table} FORCE ROW LEVEL SECURITY",
    "ALTER TABLE den.{table} NO FORCE ROW LEVEL SECURITY",
    "CREATE POLICY policy_{n} ON den.{table} USING (den.canary('a policy of storage'))",
    "CREATE TABLE den.heir_{n} () INHERITS (den.{table})",
    "DROP TABLE den.{table} CASCADE",
    "ALTER TABLE den.{table} OWNER TO accomplice",
    "GRANT ALL ON den.{table} TO PUBLIC",
    "DO $$ DECLARE i regclass; BEGIN SELECT indexrelid INTO i FROM pg_index WHERE indrelid = 'den.{table}'::regclass ORDER BY random() LIMIT 1; EXECUTE format('DROP INDEX %s', i); END $$",
    "CLUSTER den.{table}; VACUUM FULL den.{table}",
    "ANALYZE den.{table}",
    // the mapping and what answers
    "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW den.{mapping} AS ' || (SELECT string_agg(format('SELECT * FROM (%s) s', rtrim(pg_get_viewdef('den.{mapping}'), ';')), ' UNION ALL ') FROM generate_series(1, 2)); END $$",
    "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW den.{mapping} AS SELECT ' || (SELECT string_agg(format('NULL::%s AS %I', format_type(atttypid, atttypmod), attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'den.{mapping}'::regclass AND attnum > 0); END $$",
    "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW den.{mapping} AS SELECT ' || (SELECT string_agg(format('%s::%s AS %I', (ARRAY['other.n', 'other.c', 'other.a', 'other.b'])[(attnum + {n}) % 4 + 1], format_type(atttypid, atttypmod), attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'den.{mapping}'::regclass AND attnum > 0) || ' FROM den.other'; END $$",
    "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW den.{mapping} AS ' || rtrim(pg_get_viewdef('den.{mapping}'), ';') || ' WHERE den.canary(''a filter'')'; END $$",
    "CREATE TABLE IF NOT EXISTS den.other (n numeric, c text, a text, b text, i int)",
    "ALTER VIEW den.{view} RENAME TO hidden_view_{n}",
    "ALTER VIEW den.hidden_view_{n} RENAME TO {view}",
    "ALTER VIEW den.{view} OWNER TO accomplice",
    "ALTER VIEW den.{view} SET (security_invoker = true)",
    "ALTER VIEW den.{view} RESET (security_invoker)",
    "DROP VIEW den.{view} CASCADE",
    "ALTER FUNCTION den.stock_on(date) RENAME TO hidden_function",
    "ALTER FUNCTION den.hidden_function(date) RENAME TO stock_on",
    "ALTER FUNCTION den.stock_on(date) SECURITY DEFINER",
    "ALTER FUNCTION den.stock_period(date, date) OWNER TO accomplice",
    "DROP FUNCTION den.stock_on(date)",
    // the ledger
    "ALTER TABLE den.moves RENAME TO gone; ALTER TABLE den.gone RENAME TO moves",
    "ALTER TABLE den.moves RENAME COLUMN quantity TO amount; ALTER TABLE den.moves RENAME COLUMN amount TO quantity",
    "ALTER TABLE den.moves ALTER note TYPE varchar(40)",
    "CREATE TABLE den.child_{n} () INHERITS (den.moves)",
    "ALTER TABLE den.child_{n} NO INHERIT den.moves",
    "INSERT INTO den.child_{n} VALUES (1, 1, {n}, '2024-02-0{n}', '')",
    "CREATE RULE moves_{n} AS ON DELETE TO den.moves DO ALSO SELECT den.canary('a rule of the ledger')",
    "ALTER TABLE den.moves OWNER TO accomplice",
    "SET ROLE accomplice; ALTER TABLE den.moves OWNER TO owner; RESET ROLE",
    "BEGIN; LOCK TABLE den.{table}; SELECT pg_sleep(0.5); COMMIT",
    "BEGIN; ALTER TABLE den.moves ADD z int; SELECT pg_sleep(0.3); ROLLBACK",
    // its partitions, where it has some
    "CREATE TABLE den.part_{n} PARTITION OF den.moves FOR VALUES IN ({n})",
    "CREATE TABLE den.part_{n} (LIKE den.moves)",
    "ALTER TABLE den.moves ATTACH PARTITION den.part_{n} FOR VALUES IN ({n})",
    "ALTER TABLE den.moves DETACH PARTITION den.part_{n}",
    "SET statement_timeout = '300ms'; ALTER TABLE den.moves DETACH PARTITION den.part_{n} CONCURRENTLY",
    "ALTER TABLE den.moves DETACH PARTITION den.part_{n} FINALIZE",
    "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM shop.moves; SELECT pg_sleep(0.3); ALTER TABLE den.moves DETACH PARTITION den.part_{n}; COMMIT",
    "INSERT INTO den.part_{n} VALUES ({n}, 1, 5, '2024-02-0{n}', 'directly')",
    "CREATE SCHEMA den_{n} CREATE TABLE part PARTITION OF den.moves FOR VALUES IN ({n})",
    "DROP SCHEMA den_{n} CASCADE",
    // and what others may think of
    "ALTER EXTENSION inventory_perf SET SCHEMA den",
    "ALTER EXTENSION inventory_perf DROP FUNCTION inventory_perf.capture_moves()",
    "COMMENT ON TABLE den.{table} IS 'mine'; COMMENT ON VIEW den.{view} IS NULL",
    "SECURITY LABEL ON TABLE den.{table} IS 'none'",
    "CREATE PUBLICATION all_of_it_{n} FOR TABLE den.moves, den.{table}",
    "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM den.moves; SELECT pg_sleep(0.2); SELECT inventory_perf.rebuild_ledger('den.moves'); COMMIT",
];

/// What makes the ledger good again, so that there is something to spoil.
pub const MENDING: [&str; 5] = [
    "SELECT inventory_perf.rebuild_ledger('den.moves')",
    "SELECT inventory_perf.repair_ledger('den.moves')",
    "SELECT inventory_perf.populate_daily_stock_snapshots('den.moves')",
    "SELECT inventory_perf.detach_ledger('den.moves', true); SELECT inventory_perf.attach_ledger('den.moves')",
    "SELECT inventory_perf.attach_ledger('den.moves')",
];

pub const STRANGER: [&str; 30] = [
    "CREATE TABLE {theirs}.hidden_{n} (id int)",
    "CREATE TABLE {theirs}.my_{table} (id int)",
    "CREATE TABLE trap.{table} (k1 int, day date)",
    "DROP TABLE IF EXISTS trap.{table} CASCADE",
    "ALTER TABLE trap.{table} SET SCHEMA {theirs}",
    "CREATE VIEW {theirs}.planted_{n} AS SELECT trap.canary('a view') AS sang",
    "CREATE FUNCTION {theirs}.stock_on(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION {theirs}.stock_on(timestamp) RETURNS boolean LANGUAGE sql AS 'SELECT trap.canary(''stock_on'')'",
    "CREATE FUNCTION {theirs}.check_ledger(regclass) RETURNS boolean LANGUAGE sql AS 'SELECT trap.canary(''check_ledger'')'",
    "CREATE FUNCTION {theirs}.sum(numeric) RETURNS numeric LANGUAGE plpgsql AS 'BEGIN PERFORM trap.canary(''sum''); RETURN 0; END'",
    "CREATE OPERATOR {theirs}.= (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.canary_equal)",
    "CREATE OPERATOR {theirs}.<> (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.canary_equal)",
    "CREATE DOMAIN {theirs}.int4 AS int CHECK (trap.canary('a domain'))",
    "CREATE DOMAIN {theirs}.date AS date CHECK (trap.canary('a domain'))",
    "CREATE TYPE {theirs}.numeric AS ENUM ('a', 'b')",
    "ALTER TYPE {theirs}.numeric ADD VALUE 'more {n}{n}'",
    "CREATE TYPE trap.mood_{n} AS ENUM ('sad'); ALTER TYPE trap.mood_{n} ADD VALUE 'glad'; DROP TYPE trap.mood_{n}",
    "CREATE TABLE trap.moves (product_id int, location_id int, quantity bigint, moved_at date, note text)",
    "SELECT inventory_perf.attach_ledger('trap.moves')",
    "SELECT inventory_perf.attach_ledger('trap.moves', target_schema => '{theirs}', prefix => 's{n}_')",
    "INSERT INTO trap.moves SELECT g, 1, g, '2024-01-01', '' FROM generate_series(1, 10) g",
    "ALTER TABLE trap.{table} RENAME TO moved_{n}; ALTER TABLE trap.moved_{n} SET SCHEMA {theirs}",
    "ALTER TABLE trap.moves OWNER TO accomplice",
    "SET ROLE accomplice; ALTER TABLE trap.moves OWNER TO stranger; RESET ROLE",
    "SELECT inventory_perf.detach_ledger('trap.moves', true)",
    "DROP TABLE trap.moves CASCADE",
    "SELECT * FROM inventory_perf.ledgers",
    "SELECT * FROM inventory_perf.cached_query('SELECT trap.canary(''cached'')', tags => '{a,b}')",
    "CREATE TABLE trap.heir_{n} () INHERITS (shop.moves)",
    "SELECT * FROM trap.items WHERE zone OPERATOR(trap.===) {n} AND state = 'open'",
];

pub const GUEST: [&str; 14] = [
    "CREATE TEMP TABLE {table} (k1 int, day date)",
    "CREATE TEMP TABLE ledger (ledger oid, state text)",
    "CREATE TEMP TABLE pg_class (oid oid)",
    "CREATE FUNCTION pg_temp.now() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "DISCARD TEMP",
    "SELECT inventory_perf.attach_ledger('yard.moves', target_schema => 'pg_temp')",
    "SELECT inventory_perf.attach_ledger('yard.moves', target_schema => pg_my_temp_schema()::regnamespace::text)",
    "SELECT inventory_perf.detach_ledger('yard.moves', true)",
    "INSERT INTO yard.moves VALUES (1, {n}, '2024-01-01')",
    "CREATE TEMP TABLE child () INHERITS (yard.moves)",
    "BEGIN; LOCK TABLE yard.moves; SELECT pg_sleep(0.7); ROLLBACK",
    "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('inventory_perf cache writer', 0)); SELECT pg_sleep(0.5); COMMIT",
    "SELECT * FROM inventory_perf.ledgers",
    "RECONNECT",
];

pub const WRITER: [&str; 14] = [
    "INSERT INTO {ledger} VALUES ({n}, 1, {n}{n}, '2024-02-1{n}', 'one')",
    "INSERT INTO {ledger} SELECT g % 5, g % 2, g - 20, date '2024-01-01' + g, 'many' FROM generate_series(1, 70) g",
    "UPDATE {ledger} SET quantity = quantity + 1 WHERE product_id = {n}",
    "UPDATE {ledger} SET moved_at = moved_at + {n}, product_id = (product_id + 1) % 5 WHERE location_id = 1",
    "UPDATE {ledger} SET note = 'changed' WHERE product_id = {n}",
    "DELETE FROM {ledger} WHERE product_id = {n} AND quantity > 3",
    "MERGE INTO {ledger} m USING (VALUES (1), (2)) v (id) ON m.product_id = v.id AND m.quantity = {n} WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id, 1, {n}, '2024-03-0{n}', 'merged')",
    "BEGIN; INSERT INTO {ledger} VALUES ({n}, 0, 3, '2024-01-31', ''); SAVEPOINT s; DELETE FROM {ledger} WHERE product_id = {n}; ROLLBACK TO s; COMMIT",
    "BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE {ledger} SET quantity = -quantity WHERE product_id = {n}; COMMIT",
    "BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO {ledger} SELECT product_id, location_id, 1, moved_at, 'serial' FROM {ledger} LIMIT 3; COMMIT",
    "BEGIN; INSERT INTO {ledger} VALUES (0, 0, 1000, '2024-02-02', 'undone'); ROLLBACK",
    "WITH gone AS (DELETE FROM {ledger} WHERE product_id = {n} AND location_id = 0 RETURNING *) INSERT INTO {ledger} SELECT product_id, 1, quantity, moved_at, 'moved' FROM gone",
    "TRUNCATE {ledger}",
    "SELECT inventory_perf.cached_query('SELECT sum(quantity_on_hand) FROM shop.stock_levels')",
];

pub const MAINTENANCE: [&str; 17] = [
    "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
    "SELECT * FROM inventory_perf.populate_daily_stock_snapshots('den.moves')",
    "SELECT * FROM inventory_perf.verify_ledger('den.moves')",
    "SELECT inventory_perf.repair_ledger('den.moves')",
    "SELECT inventory_perf.rebuild_ledger('den.moves')",
    "SELECT inventory_perf.repair_ledger('shop.moves')",
    "SELECT * FROM inventory_perf.ledgers",
    "SELECT inventory_perf.assert_exact()",
    "SELECT * FROM inventory_perf.advise_indexes(time_limit => '2 s')",
    "SELECT * FROM inventory_perf.advise_indexes(relations => '{den.moves}', time_limit => '2 s')",
    "SELECT * FROM inventory_perf.advise_index_drops()",
    "SELECT * FROM inventory_perf.workload_coverage()",
    "SELECT inventory_perf.alert_low_stock('den.moves', {n}, '{\"product_id\": 1}')",
    "SELECT inventory_perf.deliver_invalidations()",
    "SELECT * FROM inventory_perf.cached_query('SELECT count(*) FROM shop.moves')",
    "SELECT * FROM inventory_perf.worker_status",
    "ANALYZE; SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-02-01')",
];

pub const PASSER: [&str; 5] = [
    "CREATE TABLE passing.by (id int PRIMARY KEY); ALTER TABLE passing.by ADD note text; DROP TABLE passing.by",
    "CREATE TABLE passing.tree (id int) PARTITION BY LIST (id); CREATE TABLE passing.leaf PARTITION OF passing.tree FOR VALUES IN (1); DROP TABLE passing.tree",
    "CREATE TEMP TABLE scratch (id int); DROP TABLE scratch",
    "CREATE VIEW passing.view AS SELECT 1 AS one; DROP VIEW passing.view",
    "SELECT * FROM inventory_perf.ledgers",
];

fn one<'a>(words: &[&'a str], random: &mut StdRng) -> &'a str {
    words[random.random_range(0..words.len())]
}

/// A statement of the list with its words chosen.
pub fn choose(list: &[&str], random: &mut StdRng) -> String {
    let number = random.random_range(1..=4).to_string();
    one(list, random)
        .replace("{table}", one(&STORAGE, random))
        .replace("{view}", one(&VIEWS, random))
        .replace("{trigger}", one(&TRIGGERS, random))
        .replace("{column}", one(&COLUMNS, random))
        .replace("{type}", one(&TYPES, random))
        .replace("{theirs}", one(&["den", "shop", "trap"], random))
        .replace("{mapping}", MAPPING_VIEW)
        .replace("{n}", &number)
}
