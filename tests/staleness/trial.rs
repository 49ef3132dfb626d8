//! The run that the extension has to pass.

use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::Duration;

use super::{COUNTERS, Delivery, Disturbance, Extension, Floor, History, Load, Outcome, pauses};
use crate::common::{Cluster, Proxy, Redis};

pub const LONGEST_PAUSE: Duration = Duration::from_millis(12);

/// Where entries are, and who delivers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setup {
    pub redis: bool,
    pub delivery: Delivery,
}

/// Checks so many answers of every kind while Redis, the way to it and the worker come and go.
pub fn run(setup: Setup, checks: u64) -> Outcome {
    let redis = setup.redis.then(Redis::new);
    let proxy = redis.as_ref().map(Proxy::to);
    let url = proxy.as_ref().map(Proxy::url).unwrap_or_default();
    let options = Cluster::with_test_settings();
    let extension = Extension::start_with(&url, setup.delivery, options, COUNTERS);
    if let Some(proxy) = &proxy {
        proxy.rule(pauses(LONGEST_PAUSE));
    }
    let disturbances: &[Disturbance] = match setup.redis {
        true => &Disturbance::ALL,
        false => &Disturbance::WITHOUT_REDIS,
    };
    let history = History::new(COUNTERS);
    let load = Load {
        history: &history,
        readers: 16,
        writers: 6,
        checks,
        until_stale: false,
        limit: Duration::from_secs(60)
            // A long run is left to what others leave of the machine.
            + Duration::from_millis(20) * u32::try_from(checks).unwrap_or(u32::MAX),
        floor: Floor::Committed,
        pace: Duration::from_millis(30),
        reconnect: false,
        gate: RwLock::new(()),
    };
    let struck = AtomicU64::new(0);
    let mut client = extension.connect();
    let outcome = load.run(
        |number| extension.reader(number),
        |number| extension.writer(number),
        |ended| {
            let pause = Duration::from_millis(1500);
            thread::scope(|scope| {
                scope.spawn(|| extension.deliver_until(ended));
                Disturbance::strike_until(disturbances, ended, pause, &struck, |disturbance| {
                    let struck =
                        disturbance.strike(redis.as_ref().zip(proxy.as_ref()), &mut client);
                    struck.expect("a server that runs");
                });
            });
        },
    );
    println!("{} disturbances", struck.into_inner());
    outcome
}
