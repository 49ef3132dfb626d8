//! The rows of cached queries in the store: looked up, waited for, written.

use pgrx::PgTryBuilder;
use pgrx::pg_sys;
use std::time::{Duration, Instant, SystemTime};

use crate::cache::entry::{self, Layout, Origin};
use crate::cache::names::{EntryName, StampName};
use crate::cache::random;
use crate::cache::stats::{self, Counter, Miss};
use crate::cache::store::{self, StoreError, Trouble};
use crate::cache::validity::{self, Admission};
use crate::error::Failure;
use crate::ledger::capture::check_interrupts;
use crate::settings;

/// How long others leave a query to the one that began to compute it.
const FILL: Duration = Duration::from_secs(10);
/// Between two looks at what another one computes.
const POLL: Duration = Duration::from_millis(5);
const POLLS_PER_TURN: u32 = 4;

/// One query of one caller: where its rows are, and what makes them invalid.
pub struct Place {
    digest: String,
    entry: EntryName,
    stamps: Vec<StampName>,
}

pub enum Found {
    /// A JSON array of rows.
    Rows(String),
    /// Nothing that may be given, but what is computed may be stored.
    Nothing,
    /// The store does not answer, or not the confirmed one.
    Bypass,
}

pub enum Waited {
    Rows(String),
    /// This call is the one to compute them now.
    Turn,
    Nothing,
}

impl Place {
    pub fn new(digest: String, tags: &[String]) -> Self {
        Self {
            entry: EntryName::Query(digest.clone()),
            digest,
            stamps: tags.iter().cloned().map(StampName::Tag).collect(),
        }
    }

    /// Whether the cache is for this call at all, and what its answer is compared with.
    pub fn admit(&self) -> Result<Option<Admission>, Failure> {
        Ok(match validity::admit(&self.stamps)? {
            Ok(admission) => Some(admission),
            Err(miss) => {
                stats::count(Counter::Missed(miss));
                None
            }
        })
    }

    /// Rows that are exact for the active snapshot.
    pub fn find(&self, admission: &Admission) -> Found {
        match self.read(admission) {
            Ok(rows) => Found::Rows(rows),
            Err(miss) => {
                stats::count(Counter::Missed(miss));
                match miss {
                    Miss::Absent | Miss::Expired | Miss::Stale | Miss::Corrupt => Found::Nothing,
                    _ => Found::Bypass,
                }
            }
        }
    }

    fn read(&self, admission: &Admission) -> Result<String, Miss> {
        let reading = store::call(|store| store.read(&self.entry, &self.stamps)).map_err(miss)?;
        admission.check_server(&reading.run_id, reading.epoch.as_deref(), reading.batches)?;
        let bytes = reading.entry.ok_or(if reading.is_expired {
            Miss::Expired
        } else {
            Miss::Absent
        })?;
        let entry = entry::decode(&bytes).ok_or(Miss::Corrupt)?;
        let names = entry.origin.stamps.iter().map(|(name, _)| name);
        if entry.origin.epoch != admission.epoch
            || !names.eq(&self.stamps)
            || !entry.is_fresh(&reading.stamps)
        {
            return Err(Miss::Stale);
        }
        let rows = entry.json(store::largest_entry()).ok_or(Miss::Corrupt)?;
        stats::add(Counter::BytesRead, bytes.len() as u64);
        Ok(rows)
    }

    /// Whether this call is the one to compute the rows. False: another one does.
    pub fn begin(&self) -> Option<bool> {
        store::call(|store| store.begin_fill(&self.digest, FILL)).ok()
    }

    pub fn end(&self) {
        // It ends by itself, too.
        let _ = store::call(|store| store.end_fill(&self.digest));
    }

    /// Waits as long as it pays for the rows that another call computes.
    pub fn wait(&self, admission: &Admission) -> Waited {
        let deadline = Instant::now() + settings::cache_fill_wait();
        let mut polls = 0;
        while Instant::now() < deadline {
            sleep(POLL);
            match self.read(admission) {
                Ok(rows) => return Waited::Rows(rows),
                Err(Miss::Absent | Miss::Expired | Miss::Stale | Miss::Corrupt) => {}
                Err(_) => return Waited::Nothing,
            }
            polls += 1;
            // The other one may have ended with an error, or without storing anything.
            if polls % POLLS_PER_TURN == 0 && self.begin() == Some(true) {
                return Waited::Turn;
            }
        }
        Waited::Nothing
    }

    /// The stamps that rows computed from now on are stored with.
    pub fn stamps(&self, ttl: Duration) -> Option<Vec<String>> {
        store::call(|store| store.create_stamps(&self.stamps, ttl))
            .ok()
            .flatten()
    }

    /// Stores rows that were computed with a snapshot taken after `stamps`.
    pub fn write(&self, epoch: &str, stamps: Vec<String>, rows: &str, ttl: Duration) -> bool {
        let origin = Origin {
            epoch: epoch.to_owned(),
            stamps: self.stamps.iter().cloned().zip(stamps).collect(),
            created: SystemTime::UNIX_EPOCH
                .elapsed()
                .map_or(0, |elapsed| elapsed.as_millis() as u64),
        };
        let Some(bytes) = entry::encode(&origin, rows, &layout()) else {
            stats::count(Counter::FillsTooLarge);
            return false;
        };
        let size = bytes.len() as u64;
        let entries = [(self.entry.clone(), bytes)];
        let is_written = store::call(|store| store.write(&entries, jittered(ttl))).is_ok();
        if is_written {
            stats::count(Counter::Fills);
            stats::add(Counter::BytesWritten, size);
        }
        is_written
    }
}

fn miss(error: StoreError) -> Miss {
    match error.kind {
        Trouble::BreakerOpen => Miss::BreakerOpen,
        _ => Miss::Error,
    }
}

fn layout() -> Layout {
    Layout {
        format: settings::CACHE_FORMAT.get(),
        compress_from: usize::try_from(settings::CACHE_COMPRESS_ABOVE.get()).ok(),
        limit: store::largest_entry(),
    }
}

/// Entries that were written together do not all expire together.
fn jittered(ttl: Duration) -> Duration {
    let fraction = u32::from_str_radix(&random::hex()[..8], 16)
        .map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    let part = f64::from(settings::CACHE_TTL_JITTER.get()) / 100.0;
    ttl.mul_f64(1.0 + part * (2.0 * fraction - 1.0))
        .max(Duration::from_millis(1))
}

/// Waits, and ends with the statement when that is cancelled.
fn sleep(duration: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: waits for this process's own latch, as every wait of a backend.
    unsafe {
        let milliseconds = duration.as_millis() as std::ffi::c_long;
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as i32,
            milliseconds,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    check_interrupts();
}

/// Runs `work`, and lets others compute the query if it ends with an error.
pub fn guarded<R>(
    place: &Place,
    work: impl FnOnce() -> R + std::panic::UnwindSafe + std::panic::RefUnwindSafe,
) -> R {
    PgTryBuilder::new(work)
        .catch_others(|error| {
            place.end();
            error.rethrow()
        })
        .execute()
}
