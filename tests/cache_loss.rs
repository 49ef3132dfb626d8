//! Whatever dies, and whenever: no invalidation is lost.
//!
//! Sessions write and fill the cache without a pause while processes are killed and Redis forgets.
//! After each recovery the writers hold still, and every entry that is still good must hold what
//! was last committed. `INVENTORY_PERF_LOSS_INJECTIONS` sets how often something is made to fail.

mod common;
mod loss;
mod staleness;

use std::time::Instant;

use loss::{RECOVERY, Site};
use staleness::{Delivery, Setup};

fn injections() -> usize {
    match std::env::var("INVENTORY_PERF_LOSS_INJECTIONS") {
        Ok(text) => text
            .parse()
            .expect("INVENTORY_PERF_LOSS_INJECTIONS must be a number"),
        Err(_) => 100,
    }
}

/// `share` percent of all injections.
fn none_is_lost(redis: bool, delivery: Delivery, share: usize) {
    let injections = injections() * share / 100;
    let setup = Setup { redis, delivery };
    let report = loss::run(setup, injections);
    println!("{setup:?}: {report:?}");
    assert!(report.lost.is_empty(), "{} are lost", report.lost.len());
    assert!(report.outcome.stale.is_empty(), "stale answers");
    assert!(report.failures >= injections, "too few failures");
    // Without Redis most failures are of the server: nobody writes meanwhile, and afterwards the
    // tables are empty.
    let (writes, compared) = if redis { (20, 10) } else { (5, 1) };
    assert!(
        report.outcome.writes > writes * injections as u64,
        "too little was written"
    );
    assert!(
        report.compared > compared * injections,
        "too few entries were good to prove anything"
    );
}

#[test]
fn no_invalidation_is_lost() {
    none_is_lost(true, Delivery::Worker, 60);
}

#[test]
fn no_invalidation_is_lost_when_somebody_calls_for_delivery() {
    none_is_lost(true, Delivery::Calls, 15);
}

#[test]
fn no_invalidation_is_lost_in_tables() {
    none_is_lost(false, Delivery::Worker, 15);
}

#[test]
fn no_invalidation_is_lost_in_tables_when_somebody_calls_for_delivery() {
    none_is_lost(false, Delivery::Calls, 10);
}

/// What this test would see if the outbox lost rows.
#[test]
fn a_lost_invalidation_is_seen() {
    let site = Site::new(Setup {
        redis: true,
        delivery: Delivery::Worker,
    });
    let mut reader = site.extension.reader(0).expect("a session");
    let deadline = Instant::now() + RECOVERY;
    while site.lost().1 == 0 {
        reader.read(&[7]).expect("an answer");
        assert!(Instant::now() < deadline, "nothing was cached");
    }
    let mut client = site.extension.connect();
    let mut transaction = client.transaction().expect("BEGIN");
    transaction
        .batch_execute(
            "UPDATE staleness.counters SET value = 1 WHERE counter = 7;
             DELETE FROM inventory_perf.cache_outbox;",
        )
        .expect("a change that is not recorded");
    transaction.commit().expect("COMMIT");
    site.history.commit(7, 1);
    site.recover(&[]);
    let (lost, _) = site.lost();
    assert_eq!(lost.len(), 1, "{lost:?}");
}
