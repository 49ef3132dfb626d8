//! Counters: of all backends of the database when the library is preloaded, else of this one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::shared_memory::{self, COUNTERS};

/// Why a call got nothing from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    Absent,
    /// Computed before something that it depends on changed.
    Stale,
    Expired,
    /// Nobody has confirmed the store since the server started or recovered.
    NoEpoch,
    /// A change is committed and not delivered yet.
    Undelivered,
    /// Another server answers than the one that was confirmed.
    UnconfirmedServer,
    BreakerOpen,
    IsolationLevel,
    OwnWrites,
    Recovery,
    Disabled,
    Error,
    Corrupt,
    /// A query whose rows may not be kept.
    NotCacheable,
}

impl Miss {
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Stale => "stale",
            Self::Expired => "expired",
            Self::NoEpoch => "no epoch",
            Self::Undelivered => "undelivered",
            Self::UnconfirmedServer => "unconfirmed server",
            Self::BreakerOpen => "breaker open",
            Self::IsolationLevel => "isolation level",
            Self::OwnWrites => "own writes",
            Self::Recovery => "recovery",
            Self::Disabled => "disabled",
            Self::Error => "error",
            Self::Corrupt => "corrupt",
            Self::NotCacheable => "not cacheable",
        }
    }

    pub const ALL: [Self; 14] = [
        Self::Absent,
        Self::Stale,
        Self::Expired,
        Self::NoEpoch,
        Self::Undelivered,
        Self::UnconfirmedServer,
        Self::BreakerOpen,
        Self::IsolationLevel,
        Self::OwnWrites,
        Self::Recovery,
        Self::Disabled,
        Self::Error,
        Self::Corrupt,
        Self::NotCacheable,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    Hits,
    Missed(Miss),
    Fills,
    /// Computed or given, but not stored, as something changed or may have changed meanwhile.
    FillsRefused,
    FillsTooLarge,
    BytesRead,
    BytesWritten,
    Calls,
    CallMicroseconds,
    SlowestCall,
}

/// The first bucket counts calls up to 16 µs, each next one up to twice as long, the last the rest.
pub const BUCKETS: usize = 20;
const FIRST_BUCKET: u64 = 16;
const PLAIN: usize = 9 + Miss::ALL.len();
const _: () = assert!(PLAIN + BUCKETS <= COUNTERS);

impl Counter {
    fn index(self) -> usize {
        match self {
            Self::Hits => 0,
            Self::Fills => 1,
            Self::FillsRefused => 2,
            Self::FillsTooLarge => 3,
            Self::BytesRead => 4,
            Self::BytesWritten => 5,
            Self::Calls => 6,
            Self::CallMicroseconds => 7,
            Self::SlowestCall => 8,
            Self::Missed(miss) => 9 + miss as usize,
        }
    }
}

static OWN: [AtomicU64; COUNTERS] = [const { AtomicU64::new(0) }; COUNTERS];

fn counters() -> &'static [AtomicU64; COUNTERS] {
    shared_memory::this_slot().map_or(&OWN, |slot| &slot.counters)
}

/// Whose calls the counters count.
pub fn scope() -> &'static str {
    match shared_memory::this_slot() {
        Some(_) => "database",
        None => "session",
    }
}

pub fn count(counter: Counter) {
    add(counter, 1);
}

pub fn add(counter: Counter, amount: u64) {
    counters()[counter.index()].fetch_add(amount, Ordering::Relaxed);
}

pub fn get(counter: Counter) -> u64 {
    counters()[counter.index()].load(Ordering::Relaxed)
}

/// A call to the store took that long.
pub fn time(duration: Duration) {
    let microseconds = duration.as_micros() as u64;
    count(Counter::Calls);
    add(Counter::CallMicroseconds, microseconds);
    let counters = counters();
    counters[Counter::SlowestCall.index()].fetch_max(microseconds, Ordering::Relaxed);
    counters[PLAIN + bucket(microseconds)].fetch_add(1, Ordering::Relaxed);
}

fn bucket(microseconds: u64) -> usize {
    (0..BUCKETS - 1)
        .find(|&bucket| microseconds <= FIRST_BUCKET << bucket)
        .unwrap_or(BUCKETS - 1)
}

/// Microseconds within which this part of the calls ended, to a factor of two: the end of the
/// bucket, or the slowest call where that is less. None without calls.
pub fn quantile(part: f64) -> Option<u64> {
    let counters = counters();
    let mut counts = [0; BUCKETS];
    for (count, counter) in counts.iter_mut().zip(&counters[PLAIN..]) {
        *count = counter.load(Ordering::Relaxed);
    }
    let slowest = get(Counter::SlowestCall);
    quantile_of(&counts, part).map(|end| end.map_or(slowest, |end| end.min(slowest)))
}

/// The end of the bucket; the last has none.
fn quantile_of(counts: &[u64; BUCKETS], part: f64) -> Option<Option<u64>> {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let wanted = (total as f64 * part).ceil().max(1.0) as u64;
    let mut seen = 0;
    for (bucket, count) in counts[..BUCKETS - 1].iter().enumerate() {
        seen += count;
        if seen >= wanted {
            return Some(Some(FIRST_BUCKET << bucket));
        }
    }
    Some(None)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_counter_has_a_place_of_its_own() {
        let mut places: Vec<usize> = Miss::ALL
            .iter()
            .map(|miss| Counter::Missed(*miss).index())
            .chain((0..9).inspect(|_| {}))
            .collect();
        places.sort_unstable();
        assert_eq!(places, (0..PLAIN).collect::<Vec<_>>());
    }

    #[test]
    fn quantiles_are_ends_of_buckets() {
        let mut counts = [0; BUCKETS];
        assert_eq!(quantile_of(&counts, 0.5), None);
        counts[0] = 98;
        counts[3] = 1;
        counts[BUCKETS - 1] = 1;
        assert_eq!(quantile_of(&counts, 0.5), Some(Some(16)));
        assert_eq!(quantile_of(&counts, 0.99), Some(Some(128)));
        assert_eq!(quantile_of(&counts, 1.0), Some(None));
        assert_eq!(bucket(16), 0);
        assert_eq!(bucket(17), 1);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
