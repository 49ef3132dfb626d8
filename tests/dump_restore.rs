//! A dump carries the ledgers with everything derived from them: a restored database answers right
//! at once, captures what is written next, and needs no rebuild.

mod common;
mod workload;

use std::sync::OnceLock;
use std::time::Duration;

use common::{Ask, Cluster, run};
use postgres::fallible_iterator::FallibleIterator;
use workload::{ALL, Load, Scale, Shape, assert_exact, seed};

const SHORT: Scale = Scale {
    writers: 2,
    folders: 1,
    comparers: 1,
    duration: Duration::from_millis(700),
    comparisons: 10,
};

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        Cluster::with_test_settings()
            .set("inventory_perf.notify_events", "on")
            .start()
    })
}

/// A database with folded days and pending rows of the given kind of ledger.
fn worked_on(shape: &'static Shape) -> String {
    let load = Load::attached(cluster(), cluster().database(), shape, seed());
    load.run(SHORT, || {});
    let mut client = cluster().connect(&load.database);
    let mut pending = || -> i64 {
        client
            .query_one(
                "SELECT sum(pending_rows)::bigint FROM inventory_perf.ledgers",
                &[],
            )
            .expect("look at the ledgers")
            .get(0)
    };
    // A TRUNCATE among the last statements leaves nothing behind.
    for _ in 0..5 {
        load.run(
            Scale {
                folders: 0,
                comparisons: 0,
                ..SHORT
            },
            || {},
        );
        if pending() > 0 {
            return load.database;
        }
    }
    panic!("nothing is pending, so the dump tries too little");
}

fn assert_works(restored: &Cluster, database: &str, shape: &'static Shape, how: &str) {
    let mut client = restored.connect(database);
    assert_exact(&mut client, shape, &format!("{} {how}", shape.name));
    let load = Load::restored(restored, database.to_owned(), shape, seed() + 1);
    load.run(SHORT, || {});
    client
        .batch_execute("SELECT inventory_perf.populate_daily_stock_snapshots()")
        .expect("fold in a restored database");
    assert_exact(
        &mut client,
        shape,
        &format!("{} {how}, written to and folded", shape.name),
    );
}

#[test]
fn plain_text_into_a_new_database() {
    for shape in ALL {
        let source = worked_on(shape);
        let target = cluster().empty_database();
        cluster().copy_by_dump(&source, &target);
        assert_works(cluster(), &target, shape, "from plain text");
    }
}

#[test]
fn archive_into_a_new_cluster() {
    let other = Cluster::with_test_settings().start();
    for shape in ALL {
        let source = worked_on(shape);
        let target = other.empty_database();
        let file = cluster().directory().join(format!("{source}.dump"));
        run(cluster()
            .client_program("pg_dump")
            .args(["--format", "custom", "--file"])
            .arg(&file)
            .arg(&source));
        run(other
            .client_program("pg_restore")
            .args([
                "--exit-on-error",
                "--single-transaction",
                "--dbname",
                &target,
            ])
            .arg(&file));
        assert_works(&other, &target, shape, "from an archive");
    }
}

#[test]
fn in_parallel_jobs() {
    for shape in [&workload::PARTITIONED, &workload::PLAIN] {
        let source = worked_on(shape);
        let target = cluster().empty_database();
        let directory = cluster().directory().join(format!("{source}.jobs"));
        run(cluster()
            .client_program("pg_dump")
            .args(["--format", "directory", "--jobs", "2", "--file"])
            .arg(&directory)
            .arg(&source));
        run(cluster()
            .client_program("pg_restore")
            .args(["--exit-on-error", "--jobs", "3", "--dbname", &target])
            .arg(&directory));
        assert_works(cluster(), &target, shape, "in parallel jobs");
    }
}

/// The dump of a restored database is the dump that it came from.
#[test]
fn dump_of_a_restored_database_is_the_same() {
    let source = worked_on(&workload::QUOTED);
    let target = cluster().empty_database();
    let dump = |database: &str| {
        let text = run(cluster()
            .client_program("pg_dump")
            .args(["--schema-only", database]));
        // Newer minor releases put a random token here.
        let lines = text.lines().filter(|line| !line.starts_with("\\restrict"));
        lines
            .filter(|line| !line.starts_with("\\unrestrict"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    cluster().copy_by_dump(&source, &target);
    assert_eq!(dump(&target), dump(&source));
}

/// What was said of the cache and of alerts holds in the restored database, in whatever order a
/// restore brings it.
#[test]
fn what_users_have_said_is_restored() {
    let source = cluster().database();
    let mut client = cluster().connect(&source);
    client.run(
        "CREATE ROLE seller;
         GRANT EXECUTE ON FUNCTION inventory_perf.register_cached_query TO seller;
         CREATE TABLE \"My Moves\" (product_id int, quantity numeric, moved_at date);
         CREATE TABLE notes (id int, body text);
         SELECT inventory_perf.attach_ledger('\"My Moves\"');
         SELECT inventory_perf.invalidate_on_change('\"My Moves\"', keys => ARRAY['stock:{product_id}']);
         SELECT inventory_perf.invalidate_on_change('notes', tags => '{\"note:{id}\"}', channels => '{mine}',
             when_changed => '{body}');
         SELECT inventory_perf.alert_low_stock('\"My Moves\"', 5.5);
         SELECT inventory_perf.alert_low_stock('\"My Moves\"', 20, '{\"product_id\": 7}');
         SELECT inventory_perf.register_cached_query('total', 'SELECT sum(quantity) FROM \"My Moves\" WHERE product_id > $1',
             '[1]', '10 min', '{stock}');
         SET ROLE seller;
         SELECT inventory_perf.register_cached_query('notes', 'SELECT 1 AS one');
         RESET ROLE;
         INSERT INTO \"My Moves\" VALUES (1, 5, '2024-01-01'), (7, 20, '2024-01-01')",
    );
    client.run("SELECT inventory_perf.deliver_invalidations()");
    let said = |database: &str| -> Vec<String> {
        let mut client = cluster().connect(database);
        [
            "TABLE inventory_perf.low_stock_thresholds ORDER BY key",
            "TABLE inventory_perf.low_stock ORDER BY key",
            "TABLE inventory_perf.cached_queries ORDER BY name",
            "SELECT tgrelid::regclass, tgname, tgenabled, encode(tgargs, 'escape') FROM pg_trigger
             WHERE NOT tgisinternal ORDER BY tgrelid::regclass::text, tgname",
            "SELECT ledger, state, mapping FROM inventory_perf.ledger",
        ]
        .iter()
        .flat_map(|query| client.rows(query))
        .collect()
    };
    let expected = said(&source);
    let every = expected.join("\n");
    for part in [
        "5.5",
        "{\"\"product_id\"\": 1}",
        "seller",
        "00:10:00",
        "channel:mine",
        "when:body",
    ] {
        assert!(every.contains(part), "{part} is not said:\n{every}");
    }

    let plain = cluster().empty_database();
    cluster().copy_by_dump(&source, &plain);
    let archive = cluster().empty_database();
    let directory = cluster().directory().join("said.jobs");
    run(cluster()
        .client_program("pg_dump")
        .args(["--format", "directory", "--file"])
        .arg(&directory)
        .arg(&source));
    run(cluster()
        .client_program("pg_restore")
        .args(["--exit-on-error", "--jobs", "3", "--dbname", &archive])
        .arg(&directory));
    for target in [plain, archive] {
        assert_eq!(said(&target), expected);
        let mut restored = cluster().connect(&target);
        restored.run("LISTEN \"inventory:low_stock:alert\"");
        restored.run("SELECT inventory_perf.deliver_invalidations()");
        // what was told in the other database is not told again
        restored
            .run("INSERT INTO \"My Moves\" VALUES (1, -1, '2024-01-02'), (7, -1, '2024-01-02')");
        restored.run("SELECT inventory_perf.deliver_invalidations()");
        let told: Vec<_> = restored
            .notifications()
            .iter()
            .map(|notification| Ok(notification.payload().to_owned()))
            .collect()
            .expect("listen");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("\"threshold\": 20"), "{told:?}");
        let warmed = restored.rows("SELECT name, rows FROM inventory_perf.cache_warm('total')");
        assert_eq!(warmed, ["(total,1)"]);
        let refused = "SET ROLE seller; SELECT inventory_perf.unregister_cached_query('total')";
        restored.run("GRANT EXECUTE ON FUNCTION inventory_perf.unregister_cached_query TO seller");
        assert_eq!(
            restored.refusal_code(refused),
            postgres::error::SqlState::INSUFFICIENT_PRIVILEGE
        );
    }
}
