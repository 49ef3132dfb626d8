//! Delivery: what committed transactions made invalid is taken from the outbox and removed from
//! the store.
//!
//! A batch is deleted from the outbox, sent, and the deletion commits. If anything fails in between
//! the rows are still there, so a batch is sent at least once; twice costs a miss. A reader either
//! sees a row in its snapshot, or the row was delivered before that snapshot.

mod batch;
mod epoch;
mod functions;
mod rows;

use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;

use self::batch::{Batch, take};
use self::epoch::{State, completed};
use super::events::{self, Told};
use super::names::PatternKind;
use super::store::{self, Delivery, ScanPosition, Store, StoreError, Trouble};
use crate::error::Failure;
use crate::security;
use crate::settings;

pub use self::batch::BatchSize;
pub use self::epoch::renew_lease;

/// Names that go to the store in one call, so that it answers within the timeout.
const NAMES_PER_CALL: usize = 5_000;
/// More patterns than this, and a new epoch is cheaper than to look for each.
const MOST_PATTERNS: usize = 32;

#[derive(Default)]
pub struct Delivered {
    pub rows: u64,
    /// Keys and tags.
    pub names: usize,
    /// There may be more.
    pub is_full: bool,
    /// Whether somebody may be waiting to tell of a statement until this has committed.
    pub has_parts: bool,
    /// Where the next batch begins.
    next_block: u32,
    /// What is still to be told: what goes through Redis with a batch is told already.
    pub told: Told,
}

/// Whether there is anything to deliver. Writes nothing and takes no transaction ID.
pub fn has_rows() -> Result<bool, Failure> {
    is_true(
        "SELECT EXISTS (SELECT FROM inventory_perf.cache_outbox)",
        &[],
    )
}

/// Delivers one batch in the current transaction, which must not have written before.
pub fn deliver(size: &BatchSize) -> Result<Delivered, Failure> {
    as_owner(|| {
        let state = State::confirmed()?;
        if size.looks_behind() && is_backlog_past_cap()? {
            return collapse();
        }
        let mut sender = Sender {
            state,
            is_outdated: false,
            late: Vec::new(),
            delivered: Delivered::default(),
        };
        let batch = take(size.rows(), size.first_block())?;
        if batch.is_full {
            sender.delivered.is_full = true;
            sender.delivered.next_block = batch.last_block;
        } else {
            // Rows may have come before the place that it began at.
            sender.delivered.is_full = size.first_block() > 0;
        }
        sender.send(&batch)?;
        sender.remove_patterns(batch.patterns.into_iter().collect())?;
        if sender.is_outdated {
            State::begin()?;
        }
        for events in sender.late.chunks(NAMES_PER_CALL) {
            call(|store| store.publish(events))?;
        }
        Ok(sender.delivered)
    })
}

/// More is waiting than it is worth to deliver row by row. Names count as well: a thousand bytes of them
/// for each row that may wait.
fn is_backlog_past_cap() -> Result<bool, Failure> {
    let cap = i64::from(settings::OUTBOX_CAP.get());
    is_true(
        include_str!("../../sql/delivery/is_past_cap.sql"),
        &[cap.into()],
    )
}

/// Everything in the store becomes invalid instead of row after row. The rows are deleted first:
/// what they stand for had committed before the new epoch began.
fn collapse() -> Result<Delivered, Failure> {
    let rows = Spi::connect_mut(|client| {
        client
            .update("DELETE FROM inventory_perf.cache_outbox", None, &[])
            .map(|deleted| deleted.len())
    })?;
    State::begin()?;
    if settings::PUBLISH_EVENTS.get() {
        call(|store| store.publish(&events::flushed()))?;
    }
    Ok(Delivered {
        rows: rows as u64,
        is_full: true,
        ..Delivered::default()
    })
}

/// What one call sends.
#[derive(Clone, Copy, Default)]
struct Sent<'a> {
    keys: &'a [&'a [u8]],
    tags: &'a [&'a [u8]],
    entries: &'a [&'a [u8]],
    events: &'a [events::Event],
}

/// Sends to the store, and notices when the store is not the one that was recorded.
struct Sender {
    state: State,
    is_outdated: bool,
    /// Events of what a call does not make invalid: they wait for the patterns and the epoch.
    late: Vec<events::Event>,
    delivered: Delivered,
}

impl Sender {
    /// Stamps go first: without them nothing that depends on them is valid. Events go last: who
    /// hears one reads no old value.
    fn send(&mut self, batch: &Batch) -> Result<(), Failure> {
        if batch.rows == 0 {
            return Ok(());
        }
        let (keys, tags, entries) = (batch.keys(), batch.tags(), batch.entries());
        let mut told = events::prepare(&batch.events);
        let mut events = std::mem::take(&mut told.published);
        if batch.flush || !batch.patterns.is_empty() {
            self.late.append(&mut events);
        }
        let all = Sent {
            keys: &keys,
            tags: &tags,
            entries: &entries,
            events: &events,
        };
        if keys.len() + tags.len() + entries.len() + events.len() <= NAMES_PER_CALL {
            self.call(all)?;
        } else {
            let none = Sent::default();
            for keys in keys.chunks(NAMES_PER_CALL) {
                self.call(Sent { keys, ..none })?;
            }
            for tags in tags.chunks(NAMES_PER_CALL) {
                self.call(Sent { tags, ..none })?;
            }
            for entries in entries.chunks(NAMES_PER_CALL) {
                self.call(Sent { entries, ..none })?;
            }
            for events in events.chunks(NAMES_PER_CALL) {
                self.call(Sent { events, ..none })?;
            }
        }
        self.is_outdated |= batch.flush;
        self.delivered.rows += batch.rows - batch.postponed;
        self.delivered.names += batch.names();
        self.delivered.has_parts |= batch.has_parts;
        self.delivered.told.append(told);
        Ok(())
    }

    fn call(&mut self, sent: Sent) -> Result<(), Failure> {
        let batches = self.state.batches();
        let server = call(|store| {
            store.deliver(&Delivery {
                epoch: &self.state.epoch,
                completed: completed(),
                batches,
                keys: sent.keys,
                tags: sent.tags,
                entries: sent.entries,
                events: sent.events,
            })
        })?;
        self.is_outdated |= !self.state.confirm(&server)?;
        Ok(())
    }

    /// Removes what matches patterns, in bounded steps. What becomes invalid meanwhile is delivered
    /// in between, and waits no longer than a step.
    fn remove_patterns(&mut self, mut open: Vec<(PatternKind, String)>) -> Result<(), Failure> {
        let mut begun = 0;
        while let Some((kind, pattern)) = open.pop() {
            begun += 1;
            if self.is_outdated || begun + open.len() > MOST_PATTERNS {
                self.is_outdated = true;
                return Ok(());
            }
            let mut next = Some(ScanPosition::default());
            while let Some(position) = next {
                next = call(|store| store.remove_matching(kind, &pattern, position))?.next;
                pgrx::check_for_interrupts!();
                if next.is_some() {
                    let more = take(BatchSize::FIRST, 0)?;
                    self.send(&more)?;
                    // The scan has passed names that came since: the same pattern begins again.
                    for pattern in more.patterns {
                        if !open.contains(&pattern) {
                            open.push(pattern);
                        }
                    }
                }
            }
        }
        if begun > 0 {
            // counts what the scans removed
            self.call(Sent::default())?;
        }
        Ok(())
    }
}

fn as_owner<R>(work: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    security::run_as(security::extension_owner()?, work)
}

fn is_true(query: &str, arguments: &[DatumWithOid]) -> Result<bool, Failure> {
    let answer = Spi::connect(|client| {
        client
            .select(query, Some(1), arguments)?
            .first()
            .get_one::<bool>()
    })?;
    Ok(answer.unwrap_or(false))
}

/// Calls the store whatever the breaker says: who delivers has a patience of its own.
fn call<R>(work: impl FnOnce(&mut dyn Store) -> store::Result<R>) -> Result<R, Failure> {
    store::call_always(work).map_err(failure)
}

pub fn failure(error: StoreError) -> Failure {
    let (code, hint) = match error.kind {
        Trouble::Configuration => (
            PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR,
            "Correct the settings inventory_perf.redis_*; nothing is lost meanwhile.",
        ),
        Trouble::Database => (
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            "Invalidations stay in the outbox until they can be delivered.",
        ),
        _ => (
            PgSqlErrorCode::ERRCODE_CONNECTION_EXCEPTION,
            "Invalidations stay in the outbox until Redis answers again.",
        ),
    };
    Failure::new(code, "the cache's store does not answer")
        .detail(error.to_string())
        .hint(hint)
}
