//! Folding: pending changes become days and month openings.
//!
//! Readers add what is pending to what is stored, so when a fold runs only decides how fast they
//! are, never what they answer. A fold moves rows from one side to the other in one statement.

use pgrx::datum::Date;
use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::Failure;
use crate::ledger::registry::{self, Ledger, State};
use crate::security;
use crate::settings;

/// Bytes of a pending row at least, with its header and line pointer: how many blocks may hold a
/// batch is worked out from it.
const SMALLEST_ROW: u32 = 80;

#[derive(Default)]
pub struct Folded {
    pub deltas: i64,
    pub snapshots: i64,
}

/// Folds what is pending up to `until`, batch by batch. The caller has locked the ledger.
pub fn fold(ledger: &Ledger, until: Option<Date>) -> Result<Folded, Failure> {
    if ledger.state == State::AwaitingBackfill {
        return Ok(Folded::default());
    }
    let folded = security::run_as(ledger.owner, || {
        security::with_maintenance_memory(|| {
            let opened = open_months(ledger, until)?;
            let folded = security::by_index(|| fold_blocks(ledger, until, &opened))?;
            fill_openings(ledger, opened)?;
            Ok::<_, Failure>(folded)
        })
    })?;
    registry::record_fold(ledger.oid, folded.deltas)?;
    Ok(folded)
}

/// Opens the months that nothing was folded into yet, for [`fill_openings`] to complete.
fn open_months(ledger: &Ledger, until: Option<Date>) -> Result<Vec<Date>, Failure> {
    let open = ledger
        .template()
        .fill(include_str!("../../sql/ledger/open_months.sql"));
    Spi::connect_mut(|client| {
        let mut months = Vec::new();
        for row in client.update(&open, None, &[until.into()])? {
            months.extend(row.get::<Date>(1)?);
        }
        Ok(months)
    })
}

/// New months begin with the balances that the month before them ends with. Once everything is
/// folded that takes one pass for each; delta by delta it would take one row for each of them.
fn fill_openings(ledger: &Ledger, mut months: Vec<Date>) -> Result<(), Failure> {
    months.sort_unstable_by_key(Date::to_pg_epoch_days);
    let fill = ledger
        .template()
        .fill(include_str!("../../sql/ledger/fill_opening.sql"));
    Spi::connect_mut(|client| {
        for month in months {
            client.update(&fill, None, &[month.into()])?;
        }
        Ok(())
    })
}

fn fold_blocks(ledger: &Ledger, until: Option<Date>, opened: &[Date]) -> Result<Folded, Failure> {
    let blocks = block_count(ledger.pending);
    let rows_per_block = pg_sys::BLCKSZ / SMALLEST_ROW;
    let step = (settings::FOLD_BATCH.get() as u32 / rows_per_block).max(1);
    let statement = ledger
        .template()
        .fill(include_str!("../../sql/ledger/fold.sql"));
    let mut folded = Folded::default();
    let mut first = 0;
    while first < blocks {
        let next = first.saturating_add(step);
        let (deltas, snapshots) = Spi::connect_mut(|client| {
            let result = client.update(
                &statement,
                None,
                &[
                    tid(first).into(),
                    tid(next).into(),
                    until.into(),
                    opened.to_vec().into(),
                ],
            )?;
            result.first().get_two::<i64, i64>()
        })?;
        folded.deltas += deltas.unwrap_or(0);
        folded.snapshots += snapshots.unwrap_or(0);
        first = next;
    }
    Ok(folded)
}

/// The place before the first row of a block.
fn tid(block: u32) -> pg_sys::ItemPointerData {
    let mut tid = pg_sys::ItemPointerData::default();
    pgrx::itemptr::item_pointer_set_all(&mut tid, block, 0);
    tid
}

fn block_count(table: pg_sys::Oid) -> u32 {
    // SAFETY: the number of blocks is read while the table is open.
    unsafe {
        let relation = pg_sys::table_open(table, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let blocks =
            pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM);
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        blocks
    }
}
