//! Whose rights code of users runs with, on every path: a role plants code wherever it can, a
//! superuser calls every function of the extension, and nothing planted is seen to run as anybody but
//! the one who planted it.

mod common;

use std::collections::BTreeSet;

use common::{Ask, Cluster};
use postgres::Client;

/// Tells who runs it. An IMMUTABLE function is called while statements are only planned, and what it
/// tells is heard even if all else is rolled back.
const CANARY: &str = "
    CREATE FUNCTION plot.canary(place text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN RAISE WARNING 'canary: % as %', place, current_user; RETURN true; END $$;
    CREATE FUNCTION plot.canary(place text, value integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN PERFORM plot.canary(place); RETURN value; END $$;";

/// Planted by `mallory`, who owns the schema: in types, casts, operators, indexes, constraints,
/// policies, views, functions and what a statement calls.
const PLANTED: &[&str] = &[
    "CREATE DOMAIN plot.code AS text CHECK (plot.canary('domain' || left(VALUE, 0)))",
    "CREATE TYPE plot.grade AS ENUM ('a', 'b')",
    "CREATE FUNCTION plot.grade_to_json(plot.grade) RETURNS json LANGUAGE plpgsql IMMUTABLE AS
         $$ BEGIN PERFORM plot.canary('cast to json'); RETURN to_json('a'::text); END $$",
    "CREATE CAST (plot.grade AS json) WITH FUNCTION plot.grade_to_json(plot.grade)",
    "CREATE FUNCTION plot.grade_to_text(plot.grade) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
         $$ BEGIN PERFORM plot.canary('cast to text'); RETURN 'a'; END $$",
    "CREATE FUNCTION plot.same(integer, integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
         $$ BEGIN PERFORM plot.canary('operator'); RETURN $1 = $2; END $$",
    "CREATE FUNCTION plot.seven() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 7'",
    "CREATE OPERATOR plot.=== (LEFTARG = integer, RIGHTARG = integer, FUNCTION = plot.same, RESTRICT = eqsel)",
    "CREATE TABLE plot.moves (code plot.code, grade plot.grade, product_id integer, quantity integer, moved_at date)",
    "INSERT INTO plot.moves SELECT 'c' || n % 3, 'a', n % 7, 5, date '2024-01-01' + n % 60 FROM generate_series(1, 500) n",
    "SELECT inventory_perf.attach_ledger('plot.moves', dimensions => '{code,grade}')",
    "SELECT inventory_perf.invalidate_on_change('plot.moves', ARRAY['k:{code}:{grade}'], ARRAY['t:{product_id}'])",
    "CREATE FUNCTION plot.counted(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
         $$ BEGIN PERFORM plot.canary('mapping' || left($1::text, 0)); RETURN $1; END $$",
    "CREATE TABLE plot.weighed (product_id integer, quantity integer, moved_at date)",
    "INSERT INTO plot.weighed VALUES (1, 5, '2024-01-01')",
    "CREATE TABLE plot.items AS SELECT n AS id, n % 500 AS product, n % 11 AS zone, repeat('x', 60) AS note
         FROM generate_series(1, 20000) n",
    "CREATE INDEX items_planted ON plot.items ((id + plot.canary('index expression', 0)))",
    "CREATE INDEX items_part ON plot.items (zone) WHERE plot.canary('index predicate', 1) = 1",
    "ALTER TABLE plot.items ADD CHECK (plot.canary('check', 1) = 1)",
    "ALTER TABLE plot.items ALTER zone SET DEFAULT plot.canary('default', 1)",
    "ANALYZE plot.items",
    "ANALYZE plot.moves",
    "CREATE TABLE plot.refers (code plot.code REFERENCES plot.codes)",
    // The ledger's own objects, as far as PostgreSQL lets an owner change them.
    "CREATE OR REPLACE FUNCTION plot.stock_on(as_of date)
         RETURNS TABLE (product_id integer, code plot.code, grade plot.grade, quantity numeric) LANGUAGE plpgsql AS
         $$ BEGIN PERFORM plot.canary('stock_on'); END $$",
];

/// Statements that `mallory` runs, for others to find recorded.
const RECORDED: &[&str] = &[
    "SELECT count(note) FROM plot.items WHERE product OPERATOR(plot.===) 7",
    // Folded to a constant, which may become the predicate of an index.
    "SELECT note FROM plot.items WHERE product = 5 AND zone OPERATOR(plot.===) plot.seven()",
    "SELECT id FROM plot.items WHERE product BETWEEN 5 AND 9 AND zone OPERATOR(plot.===) plot.seven() ORDER BY product",
    "SELECT note FROM plot.items WHERE plot.canary('key', product) = 7",
    "SELECT note FROM plot.items WHERE product = 7 AND zone = plot.canary('constant', 3) ORDER BY id",
    "SELECT note FROM plot.items WHERE product = 8 AND zone OPERATOR(plot.===) 3",
    "SELECT note FROM plot.items WHERE product = 8 AND plot.canary('predicate', zone) = 3",
    "SELECT count(*) FROM plot.moves WHERE code = 'c1'::plot.code AND quantity > 3",
];

/// How each function is called by a superuser; what no caller reaches, or takes nothing of a user's,
/// says so by calling nothing.
const PATHS: &[(&str, &[&str])] = &[
    (
        "added_month",
        &["SELECT inventory_perf.added_month('plot.moves', '2024-02-01')"],
    ),
    (
        "advise_index_drops",
        &["SELECT * FROM inventory_perf.advise_index_drops()"],
    ),
    (
        "advise_indexes",
        &[
            "SELECT * FROM inventory_perf.advise_indexes()",
            "SELECT * FROM inventory_perf.advise_indexes(relations => ARRAY['plot.items']::regclass[])",
            "SELECT * FROM inventory_perf.advise_indexes(storage_budget => 100000000)",
        ],
    ),
    ("after_drop", &[]),
    (
        "alert_low_stock",
        &[
            "SELECT inventory_perf.alert_low_stock('plot.moves', 3, '{\"code\": \"c1\", \"grade\": \"a\"}')",
            "SELECT inventory_perf.alert_low_stock('plot.moves', 100000, '{\"code\": \"c1\", \"grade\": \"a\"}')",
        ],
    ),
    ("assert_exact", &["SELECT inventory_perf.assert_exact()"]),
    (
        "attach_ledger",
        &[
            "SELECT inventory_perf.attach_ledger('plot.weighed', prefix => 'w_', quantity => 'plot.counted(quantity)')",
        ],
    ),
    (
        "backfill_ledger",
        &["SELECT inventory_perf.backfill_ledger('plot.moves')"],
    ),
    (
        "base_month",
        &["SELECT inventory_perf.base_month('plot.moves', '2024-02-01')"],
    ),
    ("before_ledger_insert", &[]),
    ("cache_delete", &[]),
    ("cache_exists", &[]),
    ("cache_flush", &[]),
    ("cache_get", &[]),
    ("cache_get_many", &[]),
    (
        "cache_health",
        &["SELECT * FROM inventory_perf.cache_health()"],
    ),
    ("cache_set", &[]),
    ("cache_set_many", &[]),
    (
        "cache_stats_row",
        &["SELECT * FROM inventory_perf.cache_stats"],
    ),
    ("cache_warm", &[]),
    // Runs what its caller wrote, as the caller.
    ("cached_query", &[]),
    (
        "capture_moves",
        &[
            "INSERT INTO plot.weighed VALUES (1, 5, '2024-01-01')",
            "INSERT INTO plot.weighed SELECT n, 5, '2024-01-01' FROM generate_series(1, 100) n",
            "UPDATE plot.weighed SET quantity = 6",
            "DELETE FROM plot.weighed WHERE product_id > 50",
            "TRUNCATE plot.weighed",
        ],
    ),
    ("check_day", &[]),
    (
        "check_ledger",
        &["SELECT inventory_perf.check_ledger('plot.moves')"],
    ),
    ("check_ledger_support", &[]),
    ("check_period", &[]),
    ("days_between", &[]),
    (
        "deliver_invalidations",
        &["SELECT inventory_perf.deliver_invalidations()"],
    ),
    (
        "detach_ledger",
        &["SELECT inventory_perf.detach_ledger('plot.weighed', drop_data => true)"],
    ),
    (
        "evaluate_indexes",
        &[
            "SELECT * FROM inventory_perf.evaluate_indexes(ARRAY['CREATE INDEX ON plot.items (product)'])",
            "SELECT * FROM inventory_perf.evaluate_indexes(ARRAY['CREATE INDEX ON plot.items ((plot.canary(''key'', product))) WHERE plot.canary(''predicate'', zone) = 3'])",
            "SELECT * FROM inventory_perf.evaluate_indexes(ARRAY['CREATE INDEX ON plot.items (id) WHERE zone OPERATOR(plot.===) 3'])",
        ],
    ),
    ("expect_moved_rows", &[]),
    (
        "follow_commands",
        &["SELECT inventory_perf.follow_commands(ARRAY['plot.moves'::regclass])"],
    ),
    ("history_length", &[]),
    ("invalidate_cache", &[]),
    ("invalidate_keys", &[]),
    (
        "invalidate_on_change",
        &["SELECT inventory_perf.invalidate_on_change('plot.moves', ARRAY['k:{code}:{grade}'])"],
    ),
    ("invalidate_pattern", &[]),
    ("invalidate_tags", &[]),
    ("invalidates", &[]),
    ("ledger_status", &["SELECT * FROM inventory_perf.ledgers"]),
    (
        "ledger_workload",
        &["SELECT inventory_perf.ledger_workload('plot.moves')"],
    ),
    ("note_rewrite", &[]),
    (
        "on_alter_table_start",
        &["ALTER TABLE plot.items ADD more integer"],
    ),
    (
        "on_ddl_command_end",
        &["CREATE TABLE plot.by_superuser (id integer)"],
    ),
    (
        "on_ddl_command_start",
        &["ALTER TABLE plot.by_superuser ADD more integer"],
    ),
    ("on_ddl_invalidation", &[]),
    ("on_ddl_output", &[]),
    ("on_sql_drop", &["DROP TABLE plot.by_superuser"]),
    ("on_table_rewrite", &[]),
    (
        "open_months",
        &["SELECT inventory_perf.open_months('plot.moves', '2024-01-01', '2024-03-01')"],
    ),
    (
        "opening_month",
        &["SELECT inventory_perf.opening_month('plot.moves', '2024-02-01')"],
    ),
    (
        "period_months",
        &["SELECT inventory_perf.period_months('plot.moves', '2024-01-01', '2024-03-01')"],
    ),
    (
        "populate_daily_stock_snapshots",
        &[
            "SELECT * FROM inventory_perf.populate_daily_stock_snapshots('plot.moves')",
            "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
        ],
    ),
    (
        "populate_tenant",
        &["SELECT inventory_perf.populate_tenant('c1', '2024-01-01', '2024-03-01')"],
    ),
    (
        "rebuild_ledger",
        &["SELECT inventory_perf.rebuild_ledger('plot.moves')"],
    ),
    ("register_cached_query", &[]),
    (
        "removed_month",
        &["SELECT inventory_perf.removed_month('plot.moves', '2024-02-01')"],
    ),
    (
        "repair_ledger",
        &["SELECT inventory_perf.repair_ledger('plot.moves')"],
    ),
    ("schedule_jobs", &[]),
    ("start_worker", &["SELECT inventory_perf.start_worker()"]),
    (
        "stock_history",
        &[
            "SELECT * FROM inventory_perf.stock_history('plot.moves', '2024-01-01', '2024-02-01', '{\"code\": \"c1\"}')",
        ],
    ),
    (
        "stock_on",
        &[
            "SELECT * FROM inventory_perf.stock_on('plot.moves', '2024-02-01')",
            "SELECT * FROM inventory_perf.stock_on('plot.moves', '2024-02-01', '{\"code\": \"c1\", \"grade\": \"a\"}')",
        ],
    ),
    (
        "stock_period",
        &[
            "SELECT * FROM inventory_perf.stock_period('plot.moves', '2024-01-01', '2024-02-01', '{\"code\": \"c1\"}')",
        ],
    ),
    (
        "stop_invalidating",
        &["SELECT inventory_perf.stop_invalidating('plot.moves')"],
    ),
    ("sync_invalidation", &[]),
    ("total", &[]),
    ("unregister_cached_query", &[]),
    ("unschedule_jobs", &[]),
    (
        "verify_ledger",
        &["SELECT * FROM inventory_perf.verify_ledger('plot.moves')"],
    ),
    ("wait_until_delivered", &[]),
    (
        "worker_status_rows",
        &["SELECT * FROM inventory_perf.worker_status"],
    ),
    (
        "workload_coverage",
        &["SELECT * FROM inventory_perf.workload_coverage()"],
    ),
];

/// Paths on which planted code must be seen to run, or the test shows nothing.
const REACHED: [&str; 9] = [
    "advise_indexes",
    "alert_low_stock",
    "attach_ledger",
    "capture_moves",
    "evaluate_indexes",
    "stock_history",
    "stock_on",
    "stock_period",
    "workload_coverage",
];

fn plant(cluster: &Cluster, database: &str) {
    cluster.connect(database).run(
        "CREATE EXTENSION hypopg; CREATE EXTENSION pg_stat_statements;
         CREATE SCHEMA plot AUTHORIZATION mallory; GRANT USAGE ON SCHEMA plot TO PUBLIC",
    );
    let mut mallory = cluster.connect_as("mallory", database);
    mallory.run(CANARY);
    for statement in PLANTED {
        // What PostgreSQL, or the extension, does not let an owner plant is no path.
        let _ = mallory.batch_execute(statement);
    }
    for statement in RECORDED {
        mallory.run(statement);
    }
}

fn functions(client: &mut Client) -> BTreeSet<String> {
    let names = client.query(
        "SELECT p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = 'inventory_perf'",
        &[],
    );
    names
        .expect("functions")
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[test]
fn planted_code_runs_as_who_planted_it_on_every_path() {
    let cluster = Cluster::with_test_settings()
        .set("shared_preload_libraries", "'pg_stat_statements'")
        .set("pg_stat_statements.track", "'top'")
        .start();
    cluster.connect("postgres").run("CREATE ROLE mallory LOGIN");
    let database = cluster.database();
    plant(&cluster, &database);
    let (mut superuser, messages) = cluster.connect_hearing(&database);
    let known: BTreeSet<String> = PATHS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(functions(&mut superuser), known, "a path of each function");

    let mut wrong = BTreeSet::new();
    for (name, calls) in PATHS {
        messages.lock().expect("the messages").clear();
        for call in *calls {
            // Whether such code is run or refused does not matter here, only as whom.
            let _ = superuser.batch_execute(call);
        }
        let heard = messages.lock().expect("the messages");
        let canaries: Vec<&String> = heard.iter().filter(|m| m.starts_with("canary: ")).collect();
        for canary in &canaries {
            if !canary.ends_with(" as mallory") {
                wrong.insert(format!("{name}: {canary}"));
            }
        }
        if REACHED.contains(name) && canaries.is_empty() {
            wrong.insert(format!("{name}: nothing planted was reached"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Nobody who may only look at the statistics runs what others wrote.
#[test]
fn a_monitoring_role_plans_nothing_that_others_ran() {
    let cluster = Cluster::with_test_settings()
        .set("shared_preload_libraries", "'pg_stat_statements'")
        .start();
    cluster
        .connect("postgres")
        .run("CREATE ROLE mallory LOGIN; CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher");
    let database = cluster.database();
    plant(&cluster, &database);
    cluster
        .connect(&database)
        .run("GRANT SELECT ON ALL TABLES IN SCHEMA plot TO watcher");
    let (mut client, messages) = cluster.connect_hearing(&database);
    client.run("SET ROLE watcher");
    let skipped: i64 = client.ask(
        "SELECT count(*) FROM inventory_perf.workload_coverage()
         WHERE reason = 'run by a role whose rights the caller has not'",
    );
    assert!(skipped >= RECORDED.len() as i64, "{skipped}");
    client.run("SELECT * FROM inventory_perf.advise_indexes()");
    let messages = messages.lock().expect("the messages");
    assert!(
        !messages.iter().any(|m| m.starts_with("canary: ")),
        "{messages:?}"
    );
}
