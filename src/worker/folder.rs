//! The worker that folds: pending changes of every ledger become days and openings, again and again.
//!
//! It is a process of its own, so that a fold of seconds delays no invalidation.

use pgrx::pg_sys;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::process;
use super::vacuum::Vacuum;
use crate::error::Failure;
use crate::ledger::{errors, registry};
use crate::settings;
use crate::shared_memory::{self, Outcome, Slot};
use crate::snapshots::populate;

pub fn main(database: pg_sys::Oid) {
    process::connect(super::FOLDER, Some(database));
    let Some(slot) = shared_memory::this_slot() else {
        process::finish();
    };
    if !process::become_the(&slot.folder) {
        process::finish();
    }
    let mut waiting = HashMap::new();
    let mut vacuums = HashMap::new();
    loop {
        let Some(interval) = settings::fold_interval() else {
            process::finish_with(&slot.folder, Outcome::NotNeeded);
        };
        let began = Instant::now();
        match process::transaction("looking for ledgers", ledgers) {
            Ok(ledgers) if ledgers.is_empty() => {
                slot.has_ledgers.store(false, Ordering::SeqCst);
                process::finish_with(&slot.folder, Outcome::NotNeeded);
            }
            Ok(ledgers) => {
                for ledger in ledgers {
                    make_room(slot);
                    fold(slot, ledger, &mut waiting, &mut vacuums, interval);
                }
            }
            Err(failure) => process::report(slot, failure),
        }
        while let Some(left) = interval.checked_sub(began.elapsed())
            && !left.is_zero()
        {
            make_room(slot);
            process::wait(left);
        }
    }
}

fn make_room(slot: &Slot) {
    process::stop_or_reload();
    if shared_memory::is_held(slot.database()) {
        process::finish_with(&slot.folder, Outcome::MadeRoom);
    }
}

fn ledgers() -> Result<Vec<pg_sys::Oid>, Failure> {
    if !process::is_ready() {
        return Ok(Vec::new());
    }
    registry::all()
}

/// A ledger whose fold failed: what was waited last, and until when it is left alone.
struct Failing {
    backoff: Backoff,
    until: Instant,
}

/// Folds one ledger in a transaction of its own. One that fails does not keep others from it.
fn fold(
    slot: &Slot,
    ledger: pg_sys::Oid,
    waiting: &mut HashMap<pg_sys::Oid, Failing>,
    vacuums: &mut HashMap<pg_sys::Oid, Vacuum>,
    interval: Duration,
) {
    if waiting
        .get(&ledger)
        .is_some_and(|failing| Instant::now() < failing.until)
    {
        return;
    }
    let name = format!("folding ledger {}", ledger.to_u32());
    let folded = process::transaction_within(settings::fold_timeout(), &name, || {
        populate::fold_pending(ledger)
    })
    .and_then(|folded| {
        if let Some(pending) = folded.filter(|pending| pending.deltas > 0) {
            slot.activity.folds.fetch_add(1, Ordering::Relaxed);
            slot.activity
                .last_fold
                .store(shared_memory::now(), Ordering::Relaxed);
            let vacuum = vacuums.entry(ledger).or_default();
            vacuum.count(pending.deltas as u64);
            vacuum.run_if_due(&pending.table)?;
        }
        Ok(())
    });
    match folded {
        Ok(()) => {
            waiting.remove(&ledger);
        }
        Err(failure) => {
            // a ledger that was detached or dropped meanwhile is none any more
            if matches!(
                process::transaction("looking for ledgers", ledgers),
                Ok(ledgers) if !ledgers.contains(&ledger)
            ) {
                waiting.remove(&ledger);
                vacuums.remove(&ledger);
                return;
            }
            let recorded = process::transaction("recording an error", || {
                errors::record(ledger, "folding", &failure);
                Ok(registry::relation_name(ledger))
            });
            let name = recorded.unwrap_or_default();
            process::report(slot, failure.about(format!("ledger {name} is not folded")));
            let failing = waiting.entry(ledger).or_insert_with(|| Failing {
                backoff: Backoff::default(),
                until: Instant::now(),
            });
            let pause = failing.backoff.next(interval, Duration::from_secs(600));
            failing.until = Instant::now() + pause;
        }
    }
}
