//! Settings of cached queries.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::time::Duration;

/// In milliseconds.
static CACHE_FILL_WAIT: GucSetting<i32> = GucSetting::<i32>::new(200);
/// In percent.
pub static CACHE_TTL_JITTER: GucSetting<i32> = GucSetting::<i32>::new(10);

pub fn cache_fill_wait() -> Duration {
    Duration::from_millis(CACHE_FILL_WAIT.get() as u64)
}

pub fn register() {
    GucRegistry::define_int_guc(
        c"inventory_perf.cache_fill_wait",
        c"How long a cached query waits for another session that computes the same.",
        c"After that it computes the rows itself. Zero: it does not wait.",
        &CACHE_FILL_WAIT,
        0,
        60_000,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.cache_ttl_jitter",
        c"Percent by which the lifetime of cached rows is made longer or shorter at random.",
        c"So rows that were stored together do not expire together.",
        &CACHE_TTL_JITTER,
        0,
        50,
        GucContext::Userset,
        GucFlags::default(),
    );
}
