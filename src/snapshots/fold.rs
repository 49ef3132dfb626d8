//! Folding: pending changes become days and month openings.
//!
//! Readers add what is pending to what is stored, so when a fold runs only decides how fast they
//! are, never what they answer. A fold moves rows from one side to the other in one transaction.

mod days;
mod deltas;
mod openings;
mod taking;

use pgrx::datum::Date;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::collections::BTreeSet;

use super::guard;
use crate::calendar::Month;
use crate::error::Failure;
use crate::ledger::capture::check_interrupts;
use crate::ledger::following;
use crate::ledger::members;
use crate::ledger::registry::{self, Ledger, State};
use crate::memory::Memory;
use crate::security;
use crate::settings;
use days::Days;
use deltas::Sorted;
use taking::Taking;

#[derive(Default)]
pub struct Folded {
    pub deltas: i64,
    pub snapshots: i64,
}

/// Folds what is pending up to `until`, batch by batch. The caller has locked the ledger.
pub fn fold(ledger: &Ledger, until: Option<Date>) -> Result<Folded, Failure> {
    match ledger.state {
        State::AwaitingBackfill => return Ok(Folded::default()),
        State::Restoring if following::escapes(&members::current(ledger.oid)?)?.is_some() => {
            return Ok(Folded::default());
        }
        State::Restoring => following::end_restore(ledger)?,
        State::Ready | State::Stale => {}
    }
    if let Err(damage) = ledger.identity().check() {
        return Err(guard::damaged(&ledger.name, &damage));
    }
    let folded = security::run_as(ledger.owner, || {
        lock_tables(ledger);
        let snapshot = ActiveSnapshot::take();
        let stored = months(ledger)?;
        let taking = Taking::open(ledger, until.map(|until| until.to_pg_epoch_days()))?;
        drop(snapshot);
        let (folded, months) = move_pending(ledger, taking, &stored)?;
        let new = months.into_iter().filter(|month| !stored.contains(month));
        security::with_maintenance_memory(|| fill_openings(ledger, new))?;
        Ok::<_, Failure>(folded)
    })?;
    registry::record_fold(ledger.oid, folded.deltas)?;
    Ok(folded)
}

/// Locks the storage before the snapshot is taken: one that is older than a TRUNCATE which was waited
/// for would not see what came after it. The order is that in which a TRUNCATE locks it.
fn lock_tables(ledger: &Ledger) {
    for table in [ledger.days, ledger.openings, ledger.months, ledger.pending] {
        // SAFETY: a lock by number; the transaction holds it until it ends.
        unsafe { pg_sys::LockRelationOid(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE) };
    }
}

/// The open months, in their order.
fn months(ledger: &Ledger) -> Result<Vec<Month>, Failure> {
    let query = ledger
        .template()
        .fill("SELECT m.month FROM {months} m ORDER BY m.month");
    Spi::connect(|client| {
        let mut months = Vec::new();
        for row in client.select(&query, None, &[])? {
            months.extend(row.get::<Date>(1)?.map(month_of));
        }
        Ok(months)
    })
}

fn month_of(day: Date) -> Month {
    Month::of_day(day.to_pg_epoch_days()).0
}

/// Opens months that nothing was folded into yet. They begin with the balances that the month
/// before them ends with. Once everything is folded that takes one pass for each; delta by delta
/// it would take one row for each of them.
fn fill_openings(ledger: &Ledger, months: impl Iterator<Item = Month>) -> Result<(), Failure> {
    let template = ledger.template();
    let open = template.fill("INSERT INTO {months} (month) VALUES ($1)");
    let fill = template.fill(include_str!("../../sql/ledger/fill_opening.sql"));
    Spi::connect_mut(|client| {
        for month in months {
            // SAFETY: the first of a month that a stored day lies in.
            let month = unsafe { Date::from_pg_epoch_days(month.first_day()) };
            client.update(&open, None, &[month.into()])?;
            client.update(&fill, None, &[month.into()])?;
        }
        Ok(())
    })
}

/// Moves pending rows to days, and to the openings of the months that are stored. Returns the
/// months of what was moved as well.
fn move_pending(
    ledger: &Ledger,
    mut taking: Taking,
    stored: &[Month],
) -> Result<(Folded, BTreeSet<Month>), Failure> {
    let mut snapshots = 0;
    let mut months = BTreeSet::new();
    while !taking.is_done {
        let memory = Memory::new(c"inventory_perf fold");
        memory.within(|| {
            let deltas = taking.take(settings::FOLD_BATCH.get().into()).sort();
            let snapshot = ActiveSnapshot::take();
            snapshots += add_to_days(ledger, &deltas, &mut months)?;
            openings::carry(ledger, &deltas, stored)?;
            drop(snapshot);
            Ok::<_, Failure>(())
        })?;
    }
    let deltas = taking.rows;
    taking.finish();
    Ok((Folded { deltas, snapshots }, months))
}

fn add_to_days(
    ledger: &Ledger,
    deltas: &Sorted,
    months: &mut BTreeSet<Month>,
) -> Result<i64, Failure> {
    let mut days = Days::open(ledger, &deltas.keys)?;
    let memory = Memory::new(c"inventory_perf days");
    deltas.for_each_run(|month, key, run| {
        check_interrupts();
        months.insert(month);
        // SAFETY: the key's datums live as long as the deltas; nothing of a run is kept.
        unsafe {
            memory.within(|| days.add(month, deltas.keys.datums(key), run));
            memory.reset();
        }
    });
    Ok(days.finish() as i64)
}

/// A snapshot that sees what the transaction has done, and others have committed as far as the
/// isolation level lets it. It is the active one until it is dropped, or an error ends it.
struct ActiveSnapshot;

impl ActiveSnapshot {
    fn take() -> Self {
        // SAFETY: as the executor does before each statement of a function.
        unsafe {
            pg_sys::CommandCounterIncrement();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        Self
    }
}

impl Drop for ActiveSnapshot {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: pops what take() pushed.
            unsafe { pg_sys::PopActiveSnapshot() }
        }
    }
}
