//! No answer out of the cache is older than what its reader may see.
//!
//! `INVENTORY_PERF_STALENESS_CHECKS` sets how many answers are checked in the long run. See
//! `staleness/mod.rs` for how, and `staleness/rival.rs` for the protocols that must fail here.

mod common;
mod staleness;

use std::sync::RwLock;
use std::time::Duration;

use common::{Ask, Cluster, Proxy, Redis};
use staleness::{
    COUNTERS, Delivery, Extension, Flaw, Floor, History, LONGEST_PAUSE, Load, Outcome, Rival,
    Setup, pauses,
};

fn checks() -> u64 {
    match std::env::var("INVENTORY_PERF_STALENESS_CHECKS") {
        Ok(text) => text
            .parse()
            .expect("INVENTORY_PERF_STALENESS_CHECKS must be a number"),
        Err(_) => 100_000,
    }
}

fn judge(outcome: &Outcome, checks: u64, hit_rate: f64) {
    let rate = outcome.hit_rate();
    println!("{:.0} % hits, {outcome:?}", 100.0 * rate);
    assert!(
        outcome.stale.is_empty(),
        "stale answers: {:?}",
        outcome.stale
    );
    assert!(outcome.checks >= checks, "too few answers");
    assert!(
        rate >= hit_rate,
        "too few of the answers came out of the cache"
    );
}

/// `share` percent of all checks.
fn is_never_stale(redis: bool, delivery: Delivery, share: u64, hit_rate: f64) {
    let checks = checks() * share / 100;
    let setup = Setup { redis, delivery };
    println!("{setup:?}");
    let outcome = staleness::run(setup, checks);
    judge(&outcome, checks, hit_rate);
}

#[test]
fn answers_are_never_stale() {
    is_never_stale(true, Delivery::Worker, 65, 0.2);
}

#[test]
fn answers_are_never_stale_when_somebody_calls_for_delivery() {
    is_never_stale(true, Delivery::Calls, 10, 0.05);
}

#[test]
fn answers_out_of_tables_are_never_stale() {
    is_never_stale(false, Delivery::Worker, 15, 0.05);
}

#[test]
fn answers_out_of_tables_are_never_stale_when_somebody_calls_for_delivery() {
    is_never_stale(false, Delivery::Calls, 10, 0.05);
}

/// Without tags of its own a query hangs on its tables; any write to them is news.
#[test]
fn answers_without_tags_are_never_stale() {
    let redis = Redis::new();
    let proxy = Proxy::to(&redis);
    let extension = Extension::start(&proxy.url(), Cluster::with_test_settings(), COUNTERS);
    proxy.rule(pauses(LONGEST_PAUSE));
    let history = History::new(COUNTERS);
    let load = Load {
        history: &history,
        readers: 8,
        writers: 2,
        checks: 5_000,
        until_stale: false,
        limit: Duration::from_secs(60),
        floor: Floor::Committed,
        pace: Duration::from_millis(150),
        reconnect: false,
        gate: RwLock::new(()),
    };
    let outcome = load.run(
        |_| extension.query_reader(false),
        |number| extension.writer(number),
        |_| {},
    );
    judge(&outcome, load.checks, 0.0);
    // These answers do not say when they were computed.
    let hits: i64 = extension
        .connect()
        .ask("SELECT hits FROM inventory_perf.cache_stats");
    println!("{hits} hits");
    assert!(hits as u64 * 5 > load.checks, "too few hits");
}

/// The same load through a protocol of this test's own.
fn rival(flaw: Flaw, checks: u64, limit: Duration) -> Outcome {
    let redis = Redis::new();
    let proxy = Proxy::to(&redis);
    let cluster = Cluster::with_test_settings().start();
    let database = cluster.empty_database();
    let rival = Rival {
        flaw,
        cluster: &cluster,
        database: &database,
        proxy: &proxy,
    };
    rival.create();
    proxy.rule(pauses(LONGEST_PAUSE));
    let history = History::new(COUNTERS);
    let load = Load {
        history: &history,
        readers: 12,
        writers: 6,
        checks,
        until_stale: true,
        limit,
        floor: Floor::Committed,
        pace: Duration::from_millis(60),
        reconnect: false,
        gate: RwLock::new(()),
    };
    load.run(
        |_| Ok(rival.session()),
        |_| Ok(rival.session()),
        |ended| rival.deliver_until(ended),
    )
}

fn is_caught(flaw: Flaw) {
    let outcome = rival(flaw, u64::MAX, Duration::from_secs(60));
    println!("{flaw:?}: {outcome:?}");
    assert!(!outcome.stale.is_empty(), "{flaw:?} was not caught");
}

#[test]
fn a_sound_protocol_passes() {
    let outcome = rival(Flaw::None, 10_000, Duration::from_secs(60));
    judge(&outcome, 10_000, 0.2);
}

#[test]
fn deleting_inside_the_transaction_is_caught() {
    is_caught(Flaw::DeleteInTransaction);
}

#[test]
fn stamps_after_the_snapshot_are_caught() {
    is_caught(Flaw::StampsAfterSnapshot);
}

#[test]
fn comparing_by_maximum_is_caught() {
    is_caught(Flaw::CompareByMaximum);
}
