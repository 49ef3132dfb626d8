//! All reads work where nothing may be written: on a hot standby, in READ ONLY transactions, in
//! parallel workers.

mod common;
mod workload;

use std::time::Duration;

use common::Cluster;
use workload::{ALL, Load, Scale, assert_exact, every_comparison, seed};

fn short(comparisons: u64) -> Scale {
    Scale {
        writers: 2,
        folders: 1,
        comparers: 2,
        duration: Duration::from_secs(2),
        comparisons,
    }
}

/// Readers of the standby must not be cancelled for what the primary cleans up meanwhile.
fn primary() -> Cluster {
    Cluster::with_test_settings()
        .set("hot_standby_feedback", "on")
        .set("max_standby_streaming_delay", "-1")
        .set("wal_receiver_status_interval", "1s")
        .start()
}

#[test]
fn standby_answers_as_the_primary() {
    let primary = primary();
    let standby = primary.standby();
    for shape in ALL {
        let mut load = Load::attached(&primary, primary.database(), shape, seed());
        standby.wait_for_replay_of(&primary);
        load.readers = &standby;
        load.run(short(50), || {});
        standby.wait_for_replay_of(&primary);
        let mut client = standby.connect(&load.database);
        assert_exact(&mut client, shape, "on the standby");
        client
            .batch_execute("SELECT * FROM inventory_perf.ledgers")
            .expect("look at the ledgers on the standby");
        let refused = client
            .batch_execute("SELECT inventory_perf.populate_daily_stock_snapshots()")
            .expect_err("a standby cannot fold");
        let refused = refused.as_db_error().expect("an answer of the server");
        assert_eq!(
            refused.code(),
            &postgres::error::SqlState::READ_ONLY_SQL_TRANSACTION
        );
    }
}

#[test]
fn reads_take_no_transaction_id() {
    let cluster = Cluster::with_test_settings().start();
    for shape in ALL {
        let load = Load::attached(&cluster, cluster.database(), shape, seed());
        load.run(short(0), || {});
        let mut client = cluster.connect(&load.database);
        client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .expect("begin");
        assert_exact(&mut client, shape, "read only");
        client.batch_execute("COMMIT; BEGIN").expect("begin");
        assert_exact(&mut client, shape, "in a transaction");
        let id: Option<String> = client
            .query_one("SELECT pg_current_xact_id_if_assigned()::text", &[])
            .expect("ask for the transaction's id")
            .get(0);
        assert_eq!(id, None, "{} took a transaction id to read", shape.name);
    }
}

#[test]
fn parallel_workers_answer_the_same() {
    let cluster = Cluster::with_test_settings()
        .set("max_worker_processes", "16")
        .set("max_parallel_workers", "8")
        .start();
    for shape in ALL {
        let load = Load::attached(&cluster, cluster.database(), shape, seed());
        load.run(short(0), || {});
        let mut client = cluster.connect(&load.database);
        let version: i32 = client
            .query_one("SELECT current_setting('server_version_num')::int", &[])
            .expect("ask for the version")
            .get(0);
        let force = if version < 160_000 {
            "force_parallel_mode"
        } else {
            "debug_parallel_query"
        };
        client
            .batch_execute(&format!(
                "SET {force} = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
                 SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0;
                 SET max_parallel_workers_per_gather = 4"
            ))
            .expect("force parallel plans");
        assert_exact(&mut client, shape, "in parallel plans");
        let mut parallel = 0;
        for comparison in every_comparison(shape) {
            let plan = client
                .query(&format!("EXPLAIN {}", comparison.sql), &[])
                .unwrap_or_else(|error| panic!("{}: {error:?}", comparison.label));
            let is_parallel = |row: &postgres::Row| row.get::<_, String>(0).contains("Gather");
            parallel += usize::from(plan.iter().any(is_parallel));
        }
        assert!(
            parallel >= 5,
            "{}: only {parallel} plans were parallel",
            shape.name
        );
    }
}

/// What PostgreSQL assumes of a function unless told is wrong for reads.
#[test]
fn reads_are_declared_stable_and_parallel_safe() {
    let cluster = Cluster::with_test_settings().start();
    let load = Load::attached(&cluster, cluster.database(), &workload::PLAIN, seed());
    let rows = cluster
        .connect(&load.database)
        .query(
            "SELECT oid::regprocedure::text, provolatile::text,
                    proparallel::text = 's' OR pronamespace = 'inventory_perf'::regnamespace
             FROM pg_proc WHERE proname IN ('stock_on', 'stock_history', 'stock_period')
             ORDER BY 1",
            &[],
        )
        .expect("look at the functions");
    assert_eq!(rows.len(), 6);
    for row in rows {
        let (name, volatility, is_safe): (String, String, bool) =
            (row.get(0), row.get(1), row.get(2));
        assert_eq!((volatility.as_str(), is_safe), ("s", true), "{name}");
    }
}
