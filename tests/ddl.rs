//! What happens to a ledger when its table, or anything else around it, is altered, renamed,
//! dropped, partitioned, disabled, detached or scheduled.

mod common;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::{Ask, Cluster};
use postgres::Client;
use postgres::error::SqlState;

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::with_test_settings().start())
}

fn database() -> Client {
    cluster().connect(&cluster().database())
}

/// A database with an attached ledger `shop.moves`: some days folded, some pending.
fn shop() -> Client {
    let mut client = database();
    client.run(
        "CREATE SCHEMA shop;
         CREATE TABLE shop.moves (
             id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             product_id int, quantity numeric(12, 2), moved_at date, note text);
         INSERT INTO shop.moves (product_id, quantity, moved_at)
         SELECT number % 3, number, date '2024-01-01' + number % 100
         FROM generate_series(1, 200) AS number;
         SELECT inventory_perf.attach_ledger('shop.moves');
         INSERT INTO shop.moves (product_id, quantity, moved_at)
         VALUES (1, 5, '2024-02-02'), (7, -3, '2023-05-05')",
    );
    client
}

/// Holds the answers against sums over the ledger; all names may have changed since attaching.
fn assert_exact(client: &mut Client, ledger: &str, product: &str, schema: &str) {
    assert_eq!(
        client.rows(&format!(
            "SELECT product_id, quantity_on_hand, last_moved_on FROM {schema}.stock_levels
             ORDER BY 1"
        )),
        client.rows(&format!(
            "SELECT {product}, sum(quantity), max(moved_at) FROM {ledger} GROUP BY 1 ORDER BY 1"
        )),
    );
    assert_eq!(
        client.rows(&format!(
            "SELECT product_id, snapshot_date, total_movements, closing_quantity, move_count
             FROM {schema}.daily_stock_snapshots ORDER BY 1, 2"
        )),
        client.rows(&format!(
            "SELECT {product}, moved_at, sum(quantity),
                    sum(sum(quantity)) OVER (PARTITION BY {product} ORDER BY moved_at), count(*)
             FROM {ledger} GROUP BY 1, 2 ORDER BY 1, 2"
        )),
    );
    assert_eq!(
        client.rows(&format!(
            "SELECT product_id, quantity FROM {schema}.stock_on('2024-02-15') ORDER BY 1"
        )),
        client.rows(&format!(
            "SELECT {product}, sum(quantity) FROM {ledger} WHERE moved_at <= '2024-02-15'
             GROUP BY 1 ORDER BY 1"
        )),
    );
    let verify = format!("SELECT * FROM inventory_perf.verify_ledger('{ledger}')");
    assert_eq!(client.rows(&verify), Vec::<String>::new());
}

fn assert_shop_exact(client: &mut Client) {
    assert_exact(client, "shop.moves", "product_id", "shop");
}

fn fold(client: &mut Client) {
    client.run("SELECT inventory_perf.populate_daily_stock_snapshots()");
}

fn ledgers(client: &mut Client) -> Vec<String> {
    client.rows("SELECT ledger, state FROM inventory_perf.ledgers ORDER BY 1")
}

/// Relations and functions of the schemas that attaching may have written to.
fn objects(client: &mut Client) -> Vec<String> {
    client.rows(
        "SELECT oid::regclass::text AS name FROM pg_class
         WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('shop', 'public'))
           AND relkind IN ('r', 'v', 'p')
         UNION ALL
         SELECT oid::regprocedure::text FROM pg_proc
         WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('shop', 'public'))
         ORDER BY 1",
    )
}

#[test]
fn dropping_the_ledger_takes_what_was_derived_from_it() {
    let mut client = shop();
    let refused = client.refusal_code("DROP TABLE shop.moves");
    assert_eq!(refused, SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
    assert_shop_exact(&mut client);

    client.run("BEGIN; DROP TABLE shop.moves CASCADE; ROLLBACK");
    assert_shop_exact(&mut client);

    client.run("DROP TABLE shop.moves CASCADE");
    assert_eq!(ledgers(&mut client), Vec::<String>::new());
    assert_eq!(objects(&mut client), Vec::<String>::new());
    fold(&mut client);
    let gone = client.refusal_code("SELECT * FROM inventory_perf.verify_ledger(1::oid::regclass)");
    assert_eq!(gone, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);

    // Nothing is left that would be in the way of a table of the same name.
    client.run(
        "CREATE TABLE shop.moves (product_id int, quantity int, moved_at date);
         SELECT inventory_perf.attach_ledger('shop.moves');
         INSERT INTO shop.moves VALUES (1, 2, '2024-01-01')",
    );
    assert_shop_exact(&mut client);
}

#[test]
fn dropping_the_schema_of_the_ledger() {
    let mut client = shop();
    client.run("DROP SCHEMA shop CASCADE");
    assert_eq!(ledgers(&mut client), Vec::<String>::new());
    fold(&mut client);
}

#[test]
fn storage_cannot_be_dropped_by_itself() {
    let mut client = shop();
    for table in [
        "stock_pending",
        "stock_days",
        "stock_openings",
        "stock_months",
    ] {
        for cascade in ["", " CASCADE"] {
            let refused = client.refusal_code(&format!("DROP TABLE shop.{table}{cascade}"));
            assert_eq!(
                refused,
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                "{table}{cascade}"
            );
        }
    }
    assert_shop_exact(&mut client);
}

#[test]
fn mapped_columns_keep_their_type_and_stay() {
    let mut client = shop();
    for change in [
        "ALTER COLUMN quantity TYPE int",
        "ALTER COLUMN product_id TYPE bigint",
        "ALTER COLUMN moved_at TYPE timestamp",
    ] {
        let refused = client.refusal_code(&format!("ALTER TABLE shop.moves {change}"));
        assert_eq!(refused, SqlState::FEATURE_NOT_SUPPORTED, "{change}");
    }
    for change in ["DROP COLUMN quantity", "DROP COLUMN quantity CASCADE"] {
        let refused = client.refusal_code(&format!("ALTER TABLE shop.moves {change}"));
        assert_eq!(refused, SqlState::DEPENDENT_OBJECTS_STILL_EXIST, "{change}");
    }
    assert_shop_exact(&mut client);
}

#[test]
fn other_columns_come_go_and_change() {
    let mut client = shop();
    client.run(
        "ALTER TABLE shop.moves ALTER COLUMN note TYPE varchar(90);
         ALTER TABLE shop.moves DROP COLUMN note;
         ALTER TABLE shop.moves ADD COLUMN batch int DEFAULT 4;
         INSERT INTO shop.moves (product_id, quantity, moved_at, batch)
         VALUES (2, 9, '2024-04-04', 1);
         ALTER TABLE shop.moves ALTER COLUMN id TYPE int;
         UPDATE shop.moves SET quantity = quantity + 1 WHERE product_id = 2",
    );
    assert_shop_exact(&mut client);
    fold(&mut client);
    assert_shop_exact(&mut client);
}

#[test]
fn names_may_change() {
    let mut client = shop();
    // A session that has captured already must follow, too.
    client.run(
        "ALTER TABLE shop.moves RENAME TO movements;
         INSERT INTO shop.movements (product_id, quantity, moved_at) VALUES (4, 4, '2024-01-04')",
    );
    assert_exact(&mut client, "shop.movements", "product_id", "shop");
    client.run(
        "ALTER TABLE shop.movements RENAME COLUMN product_id TO \"Item\";
         INSERT INTO shop.movements (\"Item\", quantity, moved_at) VALUES (4, 4, '2024-01-05');
         DELETE FROM shop.movements WHERE \"Item\" = 7",
    );
    assert_exact(&mut client, "shop.movements", "\"Item\"", "shop");
    fold(&mut client);
    client.run(
        "ALTER SCHEMA shop RENAME TO \"the shop\";
         UPDATE \"the shop\".movements SET moved_at = moved_at + 1 WHERE \"Item\" = 4",
    );
    assert_exact(
        &mut client,
        "\"the shop\".movements",
        "\"Item\"",
        "\"the shop\"",
    );
    fold(&mut client);
    assert_exact(
        &mut client,
        "\"the shop\".movements",
        "\"Item\"",
        "\"the shop\"",
    );
    client.run("CREATE SCHEMA other; ALTER TABLE \"the shop\".movements SET SCHEMA other");
    client.run(
        "INSERT INTO other.movements (\"Item\", quantity, moved_at) VALUES (1, 1, '2024-01-01')",
    );
    assert_exact(&mut client, "other.movements", "\"Item\"", "\"the shop\"");
    client.run("SELECT inventory_perf.repair_ledger('other.movements')");
    client.run("SELECT inventory_perf.rebuild_ledger('other.movements')");
    assert_exact(&mut client, "other.movements", "\"Item\"", "\"the shop\"");
    client.run("SELECT inventory_perf.detach_ledger('other.movements', drop_data => true)");
}

#[test]
fn tables_may_be_rewritten() {
    let mut client = shop();
    for rewrite in [
        "VACUUM FULL shop.moves",
        "VACUUM FULL shop.stock_pending",
        "VACUUM FULL shop.stock_days",
        "CLUSTER shop.moves USING moves_pkey",
    ] {
        client.run(rewrite);
    }
    client
        .run("INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (4, 4, '2024-01-04')");
    assert_shop_exact(&mut client);
    fold(&mut client);
    assert_shop_exact(&mut client);
}

#[test]
fn dropping_the_extension_leaves_the_ledger() {
    let mut client = shop();
    let refused = client.refusal_code("DROP EXTENSION inventory_perf");
    assert_eq!(refused, SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
    assert_shop_exact(&mut client);

    let before: String = client.ask("SELECT sum(quantity)::text FROM shop.moves");
    client.run("DROP EXTENSION inventory_perf CASCADE");
    assert_eq!(
        client.ask::<String>("SELECT sum(quantity)::text FROM shop.moves"),
        before
    );
    client
        .run("INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 1, '2024-01-01')");
    client.run("TRUNCATE shop.moves");
    let triggers: i64 =
        client.ask("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop.moves'::regclass");
    assert_eq!(triggers, 0);

    client.run("CREATE EXTENSION inventory_perf");
    assert_eq!(ledgers(&mut client), Vec::<String>::new());
    client.run("SELECT inventory_perf.attach_ledger('shop.moves', prefix => 'second_')");
    client
        .run("INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 1, '2024-01-01')");
    assert_eq!(
        client.rows("SELECT * FROM shop.second_stock_levels"),
        ["(1,1.00,2024-01-01)"]
    );
}

#[test]
fn disabled_triggers_make_the_ledger_stale() {
    for disable in [
        "ALTER TABLE shop.moves DISABLE TRIGGER ALL",
        "ALTER TABLE shop.moves DISABLE TRIGGER USER",
        "ALTER TABLE shop.moves DISABLE TRIGGER \"00_inventory_perf_update\"",
        "ALTER TABLE shop.moves ENABLE REPLICA TRIGGER \"00_inventory_perf_delete\"",
        "DROP TRIGGER \"00_inventory_perf_insert\" ON shop.moves",
    ] {
        let mut client = shop();
        client.run(disable);
        assert_eq!(ledgers(&mut client), ["(shop.moves,stale)"], "{disable}");
        client.run(
            "INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 100, '2024-01-01');
             UPDATE shop.moves SET quantity = 8 WHERE product_id = 7",
        );
        for read in [
            "SELECT * FROM shop.daily_stock_snapshots",
            "SELECT * FROM shop.stock_levels",
            "SELECT * FROM shop.stock_on('2024-01-01')",
            "SELECT * FROM shop.stock_history('2024-01-01', '2024-01-02')",
            "SELECT * FROM shop.stock_period('2024-01-01', '2024-01-02')",
            "SELECT * FROM inventory_perf.stock_on('shop.moves', '2024-01-01')",
        ] {
            let refused = client.refusal(read);
            assert_eq!(
                refused.code(),
                &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "{read}"
            );
            assert!(
                refused
                    .hint()
                    .is_some_and(|hint| hint.contains("rebuild_ledger")),
                "{read}"
            );
        }
        let mend = if disable.contains("ALL") {
            "rebuild_ledger"
        } else {
            "repair_ledger"
        };
        client.run(&format!("SELECT inventory_perf.{mend}('shop.moves')"));
        assert_eq!(ledgers(&mut client), ["(shop.moves,ready)"], "{disable}");
        assert_shop_exact(&mut client);
        client.run(
            "INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 1, '2024-01-01');
             UPDATE shop.moves SET quantity = 9 WHERE product_id = 7;
             DELETE FROM shop.moves WHERE product_id = 2",
        );
        assert_shop_exact(&mut client);
    }
}

#[test]
fn detaching_stops_capturing() {
    let mut client = shop();
    client.run("SELECT inventory_perf.detach_ledger('shop.moves')");
    assert_eq!(ledgers(&mut client), Vec::<String>::new());
    client
        .run("INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 1, '2024-01-01')");
    // The data stays until it is asked to go, and is nobody's business any more.
    let days: i64 = client.ask("SELECT count(*) FROM shop.stock_days");
    assert!(days > 0);
    let taken = client.refusal("SELECT inventory_perf.attach_ledger('shop.moves')");
    assert!(
        taken.hint().is_some_and(|hint| hint.contains("prefix")),
        "{taken:?}"
    );
    client.run("SELECT inventory_perf.attach_ledger('shop.moves', prefix => 'new_')");
    assert_eq!(
        client.rows("SELECT product_id, quantity_on_hand FROM shop.new_stock_levels ORDER BY 1"),
        client.rows("SELECT product_id, sum(quantity) FROM shop.moves GROUP BY 1 ORDER BY 1"),
    );
}

#[test]
fn detaching_with_the_data_leaves_nothing() {
    let mut client = shop();
    client.run("SELECT inventory_perf.detach_ledger('shop.moves', drop_data => true)");
    assert_eq!(objects(&mut client), ["(shop.moves)"]);
    client.run("SELECT inventory_perf.attach_ledger('shop.moves')");
    assert_shop_exact(&mut client);
    let missing = client.refusal_code("SELECT inventory_perf.detach_ledger('pg_class')");
    assert_eq!(missing, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
}

#[test]
fn user_views_on_the_answers_are_not_dropped_silently() {
    let mut client = shop();
    client.run("CREATE VIEW shop.mine AS SELECT * FROM shop.stock_levels");
    let refused =
        client.refusal_code("SELECT inventory_perf.detach_ledger('shop.moves', drop_data => true)");
    assert_eq!(refused, SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
    assert_shop_exact(&mut client);
}

/// A ledger partitioned by day, with one sub-partitioned part.
fn partitioned_shop() -> Client {
    let mut client = database();
    client.run(
        "CREATE SCHEMA shop;
         CREATE TABLE shop.moves (product_id int, quantity int, moved_at date)
             PARTITION BY RANGE (moved_at);
         CREATE TABLE shop.moves_2023 PARTITION OF shop.moves
             FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
         CREATE TABLE shop.moves_2024 PARTITION OF shop.moves
             FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (product_id);
         CREATE TABLE shop.moves_2024_1 PARTITION OF shop.moves_2024 FOR VALUES IN (1);
         CREATE TABLE shop.moves_2024_other PARTITION OF shop.moves_2024 DEFAULT;
         INSERT INTO shop.moves SELECT number % 4, number, date '2023-06-01' + number
         FROM generate_series(1, 300) AS number;
         SELECT inventory_perf.attach_ledger('shop.moves');
         INSERT INTO shop.moves_2023 VALUES (1, 7, '2023-02-02')",
    );
    client
}

#[test]
fn partitions_come_and_go() {
    let mut client = partitioned_shop();
    assert_shop_exact(&mut client);

    client.run(
        "CREATE TABLE shop.moves_2025 PARTITION OF shop.moves
             FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
         INSERT INTO shop.moves_2025 VALUES (1, 5, '2025-03-03'), (9, 5, '2025-03-03');
         INSERT INTO shop.moves VALUES (1, 6, '2025-03-04')",
    );
    assert_shop_exact(&mut client);

    client.run(
        "CREATE TABLE shop.old (product_id int, quantity int, moved_at date);
         INSERT INTO shop.old VALUES (1, 11, '2022-05-05'), (8, 1, '2022-05-06');
         ALTER TABLE shop.moves ATTACH PARTITION shop.old
             FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')",
    );
    assert_shop_exact(&mut client);
    client.run("UPDATE shop.old SET quantity = 12 WHERE product_id = 8");
    assert_shop_exact(&mut client);

    // A whole tree at once.
    client.run(
        "CREATE TABLE shop.ancient (product_id int, quantity int, moved_at date)
             PARTITION BY LIST (product_id);
         CREATE TABLE shop.ancient_1 PARTITION OF shop.ancient FOR VALUES IN (1);
         CREATE TABLE shop.ancient_other PARTITION OF shop.ancient DEFAULT;
         INSERT INTO shop.ancient VALUES (1, 3, '2021-01-01'), (5, 4, '2021-01-02');
         ALTER TABLE shop.moves ATTACH PARTITION shop.ancient
             FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
         INSERT INTO shop.ancient_other VALUES (6, 6, '2021-06-06')",
    );
    assert_shop_exact(&mut client);
    fold(&mut client);
    assert_shop_exact(&mut client);

    let refused = client.refusal("DROP TABLE shop.old");
    assert_eq!(refused.code(), &SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
    assert!(
        refused.hint().is_some_and(|hint| hint.contains("DETACH")),
        "{refused:?}"
    );
    assert_shop_exact(&mut client);

    client.run("ALTER TABLE shop.moves DETACH PARTITION shop.old");
    assert_shop_exact(&mut client);
    client.run("INSERT INTO shop.old VALUES (1, 1000, '2022-01-01')");
    assert_shop_exact(&mut client);
    client.run("DROP TABLE shop.old");
    assert_shop_exact(&mut client);

    client.run("ALTER TABLE shop.moves DETACH PARTITION shop.ancient");
    assert_shop_exact(&mut client);
    client
        .run("INSERT INTO shop.ancient_other VALUES (6, 6, '2021-06-06'); DROP TABLE shop.ancient");
    assert_shop_exact(&mut client);
    fold(&mut client);
    assert_shop_exact(&mut client);
}

#[test]
fn partitions_detached_concurrently() {
    let mut client = partitioned_shop();
    client.run("ALTER TABLE shop.moves DETACH PARTITION shop.moves_2023 CONCURRENTLY");
    assert_shop_exact(&mut client);
    client.run("TRUNCATE shop.moves_2023; DROP TABLE shop.moves_2023");
    assert_shop_exact(&mut client);
}

#[test]
fn partition_changes_roll_back() {
    let mut client = partitioned_shop();
    client.run(
        "BEGIN;
         ALTER TABLE shop.moves DETACH PARTITION shop.moves_2023;
         SAVEPOINT a;
         ALTER TABLE shop.moves ATTACH PARTITION shop.moves_2023
             FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
         INSERT INTO shop.moves VALUES (1, 1, '2023-01-01');
         ROLLBACK TO SAVEPOINT a",
    );
    assert_shop_exact(&mut client);
    client.run("ROLLBACK");
    assert_shop_exact(&mut client);
    client.run("INSERT INTO shop.moves_2023 VALUES (2, 2, '2023-01-01')");
    assert_shop_exact(&mut client);
}

#[test]
fn truncated_partitions() {
    let mut client = partitioned_shop();
    client.run("TRUNCATE shop.moves_2024_1");
    assert_shop_exact(&mut client);
    client.run("TRUNCATE shop.moves_2024");
    assert_shop_exact(&mut client);
    client.run("INSERT INTO shop.moves VALUES (1, 1, '2024-01-01'); TRUNCATE shop.moves");
    assert_shop_exact(&mut client);
    client.run("INSERT INTO shop.moves VALUES (1, 1, '2024-01-01')");
    fold(&mut client);
    assert_shop_exact(&mut client);
}

#[test]
fn partition_that_is_a_foreign_table_is_refused() {
    let mut client = partitioned_shop();
    client.run(
        "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing",
    );
    let refused = client.refusal_code(
        "CREATE FOREIGN TABLE shop.moves_far PARTITION OF shop.moves
             FOR VALUES FROM ('2030-01-01') TO ('2031-01-01') SERVER nowhere",
    );
    assert_eq!(refused, SqlState::WRONG_OBJECT_TYPE);
    assert_shop_exact(&mut client);
}

/// Tables that inherit count with their parent, as they do in a query of the parent.
#[test]
fn inheritance_children_come_and_go() {
    let mut client = shop();
    client.run(
        "CREATE TABLE shop.more () INHERITS (shop.moves);
         INSERT INTO shop.more (id, product_id, quantity, moved_at) VALUES (-1, 1, 9, '2024-01-09')",
    );
    assert_shop_exact(&mut client);
    client.run("UPDATE shop.moves SET quantity = quantity + 1 WHERE product_id = 1");
    assert_shop_exact(&mut client);
    client.run("ALTER TABLE shop.more NO INHERIT shop.moves; TRUNCATE shop.more");
    assert_shop_exact(&mut client);
    client.run("TRUNCATE shop.moves");
    assert_shop_exact(&mut client);
}

#[test]
fn replica_sessions_are_captured() {
    let mut client = shop();
    client.run(
        "SET session_replication_role = replica;
         INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 17, '2024-01-09');
         DELETE FROM shop.moves WHERE product_id = 2;
         RESET session_replication_role",
    );
    assert_shop_exact(&mut client);
}

#[test]
fn jobs_without_pg_cron_are_refused_clearly() {
    let mut client = shop();
    for call in ["schedule_jobs()", "unschedule_jobs()"] {
        let refused = client.refusal(&format!("SELECT inventory_perf.{call}"));
        assert_eq!(refused.code(), &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        assert!(refused.message().contains("pg_cron"), "{refused:?}");
        assert!(refused.hint().is_some(), "{refused:?}");
    }
}

#[test]
fn pg_cron_folds() {
    let cluster = Cluster::with_test_settings()
        .set("shared_preload_libraries", "'pg_cron'")
        .set("cron.database_name", "'test_0'")
        .set("cron.use_background_workers", "on")
        .start();
    let name = cluster.database();
    let mut client = cluster.connect(&name);
    client.run(
        "CREATE EXTENSION pg_cron;
         CREATE TABLE moves (product_id int, quantity int, moved_at date);
         SELECT inventory_perf.attach_ledger('moves');
         INSERT INTO moves VALUES (1, 1, '2024-01-01')",
    );
    assert_eq!(
        client.rows(
            "SELECT job_name, schedule
             FROM inventory_perf.schedule_jobs('0 5 * * *', verify_schedule => '0 6 * * *')"
        ),
        [
            "(\"inventory_perf fold\",\"0 5 * * *\")",
            "(\"inventory_perf verify\",\"0 6 * * *\")"
        ]
    );
    // Scheduling again changes the entries instead of adding to them.
    client.run("SELECT inventory_perf.schedule_jobs(verify_schedule => '* * * * *')");
    assert_eq!(
        client.rows("SELECT DISTINCT schedule, count(*) OVER () FROM cron.job"),
        ["(\"* * * * *\",2)"]
    );
    // pg_cron looks at the clock once a minute.
    let deadline = Instant::now() + Duration::from_secs(150);
    let ended = "SELECT count(DISTINCT jobid) FROM cron.job_run_details WHERE status = 'succeeded'";
    while client.ask::<i64>(ended) < 2
        || client.ask::<i64>("SELECT pending_rows FROM inventory_perf.ledgers") > 0
    {
        let runs = client.rows("SELECT status, return_message FROM cron.job_run_details");
        assert!(Instant::now() < deadline, "pg_cron did not fold: {runs:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(
        client.rows("SELECT * FROM stock_levels"),
        ["(1,1,2024-01-01)"]
    );
    assert_eq!(
        client.ask::<i32>("SELECT inventory_perf.unschedule_jobs()"),
        2
    );
    assert_eq!(client.ask::<i64>("SELECT count(*) FROM cron.job"), 0);
    assert_eq!(
        client.ask::<i32>("SELECT inventory_perf.unschedule_jobs()"),
        0
    );
}
