//! The server is killed under load; what comes up again must be exact without any help.

mod common;
mod workload;

use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use common::{Cluster, run};
use workload::{Load, Scale, Shape, assert_exact, seed};

const SCALE: Scale = Scale {
    writers: 4,
    folders: 2,
    comparers: 1,
    duration: Duration::ZERO,
    comparisons: 0,
};
const ROUNDS: u64 = 6;

/// The disk must hold what a server promises after a crash.
fn durable_cluster() -> Cluster {
    Cluster::with_test_settings()
        .set("fsync", "on")
        .set("full_page_writes", "on")
        .set("checkpoint_timeout", "30s")
        .start()
}

/// Three ways to lose a server, taken in turn.
fn crash(cluster: &Cluster, database: &str, round: u64) {
    match round % 3 {
        0 => cluster.kill(),
        1 => cluster.stop("immediate"),
        _ => {
            // The postmaster ends every session and recovers when one of them dies like this.
            let backend: i32 = cluster
                .connect(database)
                .query_one(
                    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'writer %'
                     ORDER BY random() LIMIT 1",
                    &[],
                )
                .expect("find a writer")
                .get(0);
            run(Command::new("kill").args(["-KILL", &backend.to_string()]));
            thread::sleep(Duration::from_millis(500));
            cluster.stop("immediate");
        }
    }
}

fn survives(shape: &'static Shape) {
    let cluster = durable_cluster();
    let database = cluster.database();
    let mut load = Load::attached(&cluster, database.clone(), shape, seed());
    let first_seed = load.seed;
    for round in 0..ROUNDS {
        load.seed = first_seed + round;
        let before = load.outcome.transactions.load(Relaxed);
        load.run_into_a_crash(SCALE, || {
            thread::sleep(Duration::from_millis(1500));
            crash(&cluster, &database, round);
        });
        assert!(
            load.outcome.transactions.load(Relaxed) > before + 20,
            "too little was written"
        );
        cluster.start();
        let mut client = cluster.connect(&database);
        assert_exact(&mut client, shape, &format!("after crash {round}"));
        // What was prepared when the server went down is still open and holds its locks.
        let prepared = client
            .query("SELECT gid FROM pg_prepared_xacts", &[])
            .expect("list");
        for (number, row) in prepared.iter().enumerate() {
            let end = if number % 2 == 0 {
                "COMMIT"
            } else {
                "ROLLBACK"
            };
            let identifier: String = row.get(0);
            client
                .batch_execute(&format!("{end} PREPARED '{identifier}'"))
                .expect("end prepared");
            assert_exact(&mut client, shape, &format!("after {end} PREPARED"));
        }
        client
            .batch_execute("SELECT inventory_perf.populate_daily_stock_snapshots()")
            .expect("fold after a crash");
        assert_exact(&mut client, shape, &format!("folded after crash {round}"));
    }
    println!("{}: {:?}", shape.name, load.outcome);
}

#[test]
fn plain_ledger_survives() {
    survives(&workload::PLAIN);
}

#[test]
fn partitioned_ledger_survives() {
    survives(&workload::PARTITIONED);
}

#[test]
fn prepared_transactions_survive() {
    let shape = &workload::PLAIN;
    let cluster = durable_cluster();
    let database = cluster.database();
    drop(Load::attached(&cluster, database.clone(), shape, seed()));
    let insert = |quantity: i32| {
        format!(
            "INSERT INTO plain.stock_moves
                 (tenant_id, product_id, location_id, quantity, amount, moved_at, owner)
             VALUES (9, 9, 9, {quantity}, 1, '2024-03-03', 0)"
        )
    };
    let mut client = cluster.connect(&database);
    for (identifier, quantity) in [("kept", 5), ("dropped", 70)] {
        client
            .batch_execute(&format!(
                "BEGIN; {}; UPDATE plain.stock_moves SET moved_at = moved_at - 400
                        WHERE product_id = 9; {};
                 PREPARE TRANSACTION '{identifier}'",
                insert(quantity),
                insert(quantity)
            ))
            .expect("prepare");
    }
    cluster.kill();
    cluster.start();
    let mut client = cluster.connect(&database);
    let on_hand = |client: &mut postgres::Client| -> Option<String> {
        client
            .query_opt(
                "SELECT trim_scale(quantity_on_hand)::text FROM plain.stock_levels
                 WHERE product_id = 9",
                &[],
            )
            .expect("ask for the stock")
            .map(|row| row.get(0))
    };
    assert_eq!(on_hand(&mut client), None);
    assert_exact(&mut client, shape, "with both transactions open");
    // Folding must neither take them in nor wait for them.
    client
        .batch_execute(
            "SET statement_timeout = '20s';
             SELECT inventory_perf.populate_daily_stock_snapshots()",
        )
        .expect("fold beside prepared transactions");
    client
        .batch_execute("COMMIT PREPARED 'kept'")
        .expect("commit");
    assert_eq!(on_hand(&mut client).as_deref(), Some("10"));
    assert_exact(&mut client, shape, "with one transaction open");
    client
        .batch_execute("ROLLBACK PREPARED 'dropped'")
        .expect("roll back");
    client
        .batch_execute("SELECT inventory_perf.populate_daily_stock_snapshots()")
        .expect("fold");
    assert_eq!(on_hand(&mut client).as_deref(), Some("10"));
    assert_exact(&mut client, shape, "at the end");
}
