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

fn injections() -> usize {
    match std::env::var("INVENTORY_PERF_LOSS_INJECTIONS") {
        Ok(text) => text
            .parse()
            .expect("INVENTORY_PERF_LOSS_INJECTIONS must be a number"),
        Err(_) => 100,
    }
}

#[test]
fn no_invalidation_is_lost() {
    let injections = injections();
    let report = loss::run(injections);
    println!("{report:?}");
    assert!(report.lost.is_empty(), "{} are lost", report.lost.len());
    assert!(report.outcome.stale.is_empty(), "stale answers");
    assert!(report.failures >= injections, "too few failures");
    assert!(
        report.outcome.writes > 20 * injections as u64,
        "too little was written"
    );
    assert!(
        report.compared > 10 * injections,
        "too few entries were good to prove anything"
    );
}

/// What this test would see if the outbox lost rows.
#[test]
fn a_lost_invalidation_is_seen() {
    let site = Site::new();
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
