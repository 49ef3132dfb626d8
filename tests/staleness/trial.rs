//! The run that the extension has to pass.

use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::{COUNTERS, Disturbance, Extension, Floor, History, Load, Outcome, pauses};
use crate::common::{Cluster, Proxy, Redis};

pub const LONGEST_PAUSE: Duration = Duration::from_millis(12);

/// Checks so many answers of every kind while Redis, the way to it and the worker come and go.
pub fn run(checks: u64) -> Outcome {
    let redis = Redis::new();
    let proxy = Proxy::to(&redis);
    let extension = Extension::start(&proxy.url(), Cluster::with_test_settings(), COUNTERS);
    proxy.rule(pauses(LONGEST_PAUSE));
    let history = History::new(COUNTERS);
    let load = Load {
        history: &history,
        readers: 16,
        writers: 6,
        checks,
        until_stale: false,
        limit: Duration::from_secs(60)
            + Duration::from_millis(3) * u32::try_from(checks).unwrap_or(u32::MAX),
        floor: Floor::Committed,
        pace: Duration::from_millis(30),
        reconnect: false,
        gate: RwLock::new(()),
    };
    let struck = AtomicU64::new(0);
    let mut client = extension.connect();
    let outcome = load.run(
        |number| extension.reader(number),
        |_| extension.writer(),
        |ended| {
            let pause = Duration::from_millis(1500);
            Disturbance::strike_until(ended, pause, &struck, |disturbance| {
                let struck = disturbance.strike(&redis, &proxy, &mut client);
                struck.expect("a server that runs");
            });
        },
    );
    println!("{} disturbances", struck.into_inner());
    outcome
}
