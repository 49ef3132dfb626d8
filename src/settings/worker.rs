//! Settings of the background workers and of delivery.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::time::Duration;

/// Between two folds by the worker, in seconds; 0 turns them off.
pub static FOLD_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(10);
/// In seconds.
static FOLD_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(600);
/// Undelivered rows past which one new epoch replaces them all.
pub static OUTBOX_CAP: GucSetting<i32> = GucSetting::<i32>::new(1_000_000);
/// In milliseconds.
static OUTBOX_POLL_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(1_000);
/// In milliseconds.
static CACHE_LEASE: GucSetting<i32> = GucSetting::<i32>::new(5_000);
pub static PUBLISH_EVENTS: GucSetting<bool> = GucSetting::<bool>::new(true);
pub static NOTIFY_EVENTS: GucSetting<bool> = GucSetting::<bool>::new(false);
/// In seconds.
static WORKER_NAPTIME: GucSetting<i32> = GucSetting::<i32>::new(60);

/// Between two folds by the worker; None when it does not fold.
pub fn fold_interval() -> Option<Duration> {
    let seconds = FOLD_INTERVAL.get() as u64;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// After which the worker gives a fold up.
pub fn fold_timeout() -> Duration {
    Duration::from_secs(FOLD_TIMEOUT.get() as u64)
}

pub fn outbox_poll_interval() -> Duration {
    Duration::from_millis(OUTBOX_POLL_INTERVAL.get() as u64)
}

pub fn cache_lease() -> Duration {
    Duration::from_millis(CACHE_LEASE.get() as u64)
}

pub fn worker_naptime() -> Duration {
    Duration::from_secs(WORKER_NAPTIME.get() as u64)
}

pub fn register() {
    GucRegistry::define_int_guc(
        c"inventory_perf.fold_interval",
        c"Time between two folds of every ledger by the background worker.",
        c"Zero turns folding by the worker off.",
        &FOLD_INTERVAL,
        0,
        86_400,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.fold_timeout",
        c"Time after which the background worker gives up the fold of one ledger.",
        c"It is tried again later. What the owner of a ledger put on its tables may take that time.",
        &FOLD_TIMEOUT,
        1,
        86_400,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.outbox_cap",
        c"Undelivered invalidations past which everything in the cache is made invalid at once.",
        c"That is faster than delivering them one by one after a long outage.",
        &OUTBOX_CAP,
        1_000,
        i32::MAX,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.outbox_poll_interval",
        c"How often the background worker looks for invalidations that nobody told it of.",
        c"A commit wakes the worker at once; COMMIT PREPARED does not.",
        &OUTBOX_POLL_INTERVAL,
        10,
        60_000,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.cache_lease",
        c"How long applications that read Redis themselves may trust it without news from the worker.",
        c"The worker renews the lease key as long as it keeps up with the outbox.",
        &CACHE_LEASE,
        500,
        600_000,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_bool_guc(
        c"inventory_perf.publish_events",
        c"Publishes what changed through Redis, after it has become invalid.",
        c"Channels are inventory:update, inventory:level:updated, inventory:low_stock:alert and those that triggers name.",
        &PUBLISH_EVENTS,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"inventory_perf.notify_events",
        c"Sends what changed as notifications of PostgreSQL too, for LISTEN.",
        c"The background worker sends them, never a session that writes.",
        &NOTIFY_EVENTS,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.worker_naptime",
        c"How often the launcher looks for databases without a worker.",
        c"CREATE EXTENSION and CREATE DATABASE tell it at once.",
        &WORKER_NAPTIME,
        1,
        86_400,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
}
