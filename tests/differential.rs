//! Every answer against the ledger itself, while several sessions write and fold.
//!
//! `INVENTORY_PERF_SEED` chooses what the sessions do, `INVENTORY_PERF_DIFF_SECONDS` how long each
//! kind of ledger is worked on. A failure prints the seed, the question and the rows that differ.

mod common;
mod workload;

use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use common::Cluster;
use workload::{Load, Scale, Shape, assert_exact, compare, every_comparison, seed};

/// Fewer comparisons than this show too little, however long they took.
const COMPARISONS: u64 = 400;

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::with_test_settings().start())
}

fn scale() -> Scale {
    let seconds = match std::env::var("INVENTORY_PERF_DIFF_SECONDS") {
        Ok(text) => text
            .parse()
            .expect("INVENTORY_PERF_DIFF_SECONDS must be a number"),
        Err(_) => 18,
    };
    Scale {
        writers: 3,
        folders: 2,
        comparers: 2,
        duration: Duration::from_secs(seconds),
        comparisons: COMPARISONS,
    }
}

fn work_on(shape: &'static Shape) {
    let load = Load::attached(cluster(), cluster().database(), shape, seed());
    load.run(scale(), || {});
    judge(&load);
}

fn judge(load: &Load) {
    let outcome = &load.outcome;
    println!("{}: {outcome:?}", load.shape.name);
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed);
    assert!(
        count(&outcome.comparisons) >= COMPARISONS,
        "too few comparisons"
    );
    assert!(
        count(&outcome.comparisons_of_something) * 2 >= count(&outcome.comparisons),
        "most comparisons were of nothing"
    );
    assert!(
        count(&outcome.transactions) >= COMPARISONS,
        "too few transactions"
    );
    assert!(
        count(&outcome.deltas_folded) >= COMPARISONS,
        "too little was folded"
    );
    assert!(
        count(&outcome.refused_transactions) * 4 <= count(&outcome.transactions),
        "too many transactions were refused"
    );

    let mut client = load.cluster.connect(&load.database);
    assert_exact(&mut client, load.shape, "before the last fold");
    let fold = |client: &mut postgres::Client| -> i64 {
        client
            .query_one(
                "SELECT sum(deltas_folded)::bigint \
                 FROM inventory_perf.populate_daily_stock_snapshots()",
                &[],
            )
            .expect("fold")
            .get(0)
    };
    fold(&mut client);
    assert_eq!(fold(&mut client), 0, "a fold left something to fold");
    assert_exact(&mut client, load.shape, "after the last fold");
}

#[test]
fn plain_ledger() {
    work_on(&workload::PLAIN);
}

#[test]
fn odoo_ledger() {
    work_on(&workload::ODOO);
}

#[test]
fn netted_ledger() {
    work_on(&workload::NETTED);
}

#[test]
fn quoted_ledger() {
    work_on(&workload::QUOTED);
}

#[test]
fn partitioned_ledger() {
    work_on(&workload::PARTITIONED);
}

#[test]
fn float_ledger() {
    work_on(&workload::FLOAT);
}

/// The ledger is attached and filled in while its writers go on.
#[test]
fn ledger_attached_under_load() {
    let shape = &workload::PLAIN;
    let load = Load::new(cluster(), cluster().database(), shape, seed());
    load.run(scale(), || {
        std::thread::sleep(Duration::from_secs(1));
        let attach = shape.attach.replace(")", ", backfill => false)");
        let mut client = cluster().connect(&load.database);
        client
            .batch_execute(&attach)
            .expect("attach without filling in");
        std::thread::sleep(Duration::from_secs(1));
        load.attach("SELECT inventory_perf.backfill_ledger('plain.stock_moves')");
    });
    judge(&load);
}

/// A comparison that cannot fail proves nothing: spoil one stored number and see it found.
#[test]
fn a_spoilt_number_is_found_and_mended() {
    let shape = &workload::PLAIN;
    let load = Load::attached(cluster(), cluster().database(), shape, seed());
    let mut client = cluster().connect(&load.database);
    client
        .batch_execute("SELECT inventory_perf.populate_daily_stock_snapshots()")
        .expect("fold");
    let differing = |client: &mut postgres::Client| -> Vec<String> {
        let differences = every_comparison(shape)
            .into_iter()
            .map(|comparison| compare(client, &comparison).expect("compare").difference);
        differences.flatten().collect()
    };
    assert_eq!(differing(&mut client), Vec::<String>::new());
    client
        .batch_execute(
            "UPDATE plain.stock_days SET in_quantity = in_quantity + 1
             WHERE ctid = (SELECT max(ctid) FROM plain.stock_days
                           WHERE day BETWEEN '2024-02-15' AND '2024-03-10')",
        )
        .expect("spoil a number");
    let found = differing(&mut client);
    assert!(
        found
            .iter()
            .any(|difference| difference.starts_with("Snapshots")),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|difference| difference.starts_with("Verify")),
        "{found:#?}"
    );
    let mended: i64 = client
        .query_one(
            "SELECT inventory_perf.repair_ledger('plain.stock_moves')",
            &[],
        )
        .expect("repair")
        .get(0);
    assert!(mended > 0);
    assert_eq!(differing(&mut client), Vec::<String>::new());
}
