//! A dump carries the ledgers with everything derived from them: a restored database answers right
//! at once, captures what is written next, and needs no rebuild.

mod common;
mod workload;

use std::sync::OnceLock;
use std::time::Duration;

use common::{Cluster, run};
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
    CLUSTER.get_or_init(|| Cluster::with_test_settings().start())
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
