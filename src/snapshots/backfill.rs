//! Fills a ledger's storage from the ledger itself: one scan, one sort, tables written in order.

mod reading;
mod runs;
mod writer;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::storage;
use crate::cache::rules::altered;
use crate::error::{Failure, OrRaise, required};
use crate::ledger::following;
use crate::ledger::keys::{KeyInterner, KeyType};
use crate::ledger::legs::{LegBuffer, MeasureType, Movements};
use crate::ledger::members;
use crate::ledger::registry::{self, Ledger, State, relation_name};
use crate::security;
use crate::whole_errors::whole;
use reading::Reading;
use runs::Runs;
use writer::StorageWriter;

/// Fills the storage, which is empty, and removes the pending rows of what the same snapshot of
/// the ledger sees. Returns the ledger's rows that the filter lets through.
pub fn fill(ledger: &Ledger) -> Result<i64, Failure> {
    refuse_row_security(ledger)?;
    let rows = security::run_as(ledger.owner, || fill_tables(ledger))?;
    storage::create_indexes(ledger)?;
    Ok(rows)
}

fn fill_tables(ledger: &Ledger) -> Result<i64, Failure> {
    // SAFETY: the latest snapshot, whatever the isolation level: it sees all that writers have
    // committed before the triggers, or the lock, were there. It stays active until it is popped;
    // an error pops it as well.
    unsafe {
        // Nor does the mapping become another one after it was checked.
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        pg_sys::LockRelationOid(ledger.mapped_moves, lock);
        pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
    }
    let mut reading = Reading::new(buffer(ledger)?, ledger, expected_rows(ledger)?);
    reading.run(&format!(
        "SELECT * FROM {}",
        relation_name(ledger.mapped_moves)
    ))?;
    remove_pending(ledger);
    // SAFETY: pops what was pushed above.
    unsafe { pg_sys::PopActiveSnapshot() };

    let Reading {
        mut buffer,
        runs,
        rows,
        not_counted,
        ..
    } = reading;
    if not_counted > 0 {
        ereport!(
            PgLogLevel::NOTICE,
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!(
                "{not_counted} rows of {} do not count, as a key column, the day or the quantity \
                 is null",
                ledger.name
            )
        );
    }
    write(ledger, &mut buffer, runs)?;
    Ok(rows)
}

fn write(ledger: &Ledger, buffer: &mut LegBuffer, mut runs: Runs) -> Result<(), Failure> {
    let has_value = ledger.mapping.value.is_some();
    if runs.is_empty() {
        buffer.rank_keys();
        buffer.sort();
        let mut writer = StorageWriter::open(ledger, has_value, &buffer.keys)?;
        for movement in Movements::new(buffer.legs.iter().copied()) {
            writer.write(&movement);
        }
        writer.finish();
    } else {
        runs.spill(buffer);
        let mut writer = StorageWriter::open(ledger, has_value, &buffer.keys)?;
        for movement in Movements::new(runs.merged()) {
            writer.write(&movement);
        }
        writer.finish();
    }
    Ok(())
}

fn buffer(ledger: &Ledger) -> Result<LegBuffer, Failure> {
    let layout = ledger.mapping.layout();
    let view = ledger
        .identity()
        .check()
        .map_err(|damage| super::guard::damaged(&ledger.name, &damage))?;
    let measure = |column: usize| MeasureType::of(view.columns[column].type_oid);
    let key_types = view.columns[..layout.keys]
        .iter()
        .map(|key| KeyType::new(key.type_oid, key.collation))
        .collect::<Result<_, _>>()?;
    Ok(LegBuffer::new(
        layout,
        measure(layout.quantity).unwrap_or(MeasureType::BigInteger),
        layout
            .value
            .and_then(measure)
            .unwrap_or(MeasureType::BigInteger),
        KeyInterner::new(key_types),
    ))
}

/// What statistics say, for the percentage of progress reports; none if there are none.
fn expected_rows(ledger: &Ledger) -> Result<Option<f64>, Failure> {
    let rows = Spi::connect(|client| {
        client
            .select(
                "SELECT sum(greatest(c.reltuples, 0))::float8 FROM pg_catalog.pg_class c \
                 WHERE c.relkind = 'r' AND c.oid = ANY (ARRAY(SELECT i.relid \
                     FROM pg_catalog.pg_partition_tree($1) i) || $1::regclass)",
                Some(1),
                &[ledger.oid.into()],
            )?
            .first()
            .get_one::<f64>()
    })?;
    Ok(rows.filter(|rows| *rows > 0.0))
}

/// Deletes the pending rows that the active snapshot sees.
fn remove_pending(ledger: &Ledger) {
    // SAFETY: an ordinary scan with the active snapshot. Only a fold deletes pending rows, and the
    // ledger is locked against folds, so that each row is still there.
    unsafe {
        let relation =
            pg_sys::table_open(ledger.pending, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        let slot = pg_sys::table_slot_create(relation, std::ptr::null_mut());
        let scan = pg_sys::table_beginscan(
            relation,
            pg_sys::GetActiveSnapshot(),
            0,
            std::ptr::null_mut(),
        );
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        while pg_sys::table_scan_getnextslot(scan, forward, slot) {
            crate::ledger::capture::check_interrupts();
            pg_sys::simple_heap_delete(relation, &mut (*slot).tts_tid);
        }
        pg_sys::table_endscan(scan);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
    }
}

/// Balances are read with the owner's rights, so policies that hide rows from the owner would
/// make them wrong.
pub fn refuse_row_security(ledger: &Ledger) -> Result<(), Failure> {
    // SAFETY: a catalog look-up by value.
    let state = unsafe { pg_sys::check_enable_rls(ledger.oid, ledger.owner, true) };
    if state != pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32 {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!(
            "row-level security of {} hides rows from its owner",
            ledger.name
        ),
    )
    .hint("Run ALTER TABLE … NO FORCE ROW LEVEL SECURITY."))
}

/// Completes an attach without backfill, while readers and writers go on.
#[pg_extern(sql = false)]
fn backfill_ledger(ledger: Option<pg_sys::Oid>) -> i64 {
    whole(|| {
        (|| {
            let ledger = registry::get_owned(required(ledger, "ledger")?)?;
            security::with_safe_path(|| {
                registry::lock_for_maintenance(ledger.oid, c"backfill_ledger()")?;
                let ledger = registry::get(ledger.oid)?;
                if ledger.state != State::AwaitingBackfill {
                    return Err(Failure::new(
                        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                        format!("ledger {} is filled already", ledger.name),
                    )
                    .hint("To fill it anew, use inventory_perf.rebuild_ledger()."));
                }
                refuse_own_attach(&ledger)?;
                members::hold(ledger.oid)?;
                if let Some(reason) = following::escapes(&members::current(ledger.oid)?)? {
                    return Err(super::guard::damaged(&ledger.name, &reason));
                }
                let rows = fill(&ledger)?;
                storage::create_relations(&ledger)?;
                registry::set_state(ledger.oid, State::Ready)?;
                Ok(rows)
            })
        })()
        .or_raise()
    })
}

/// In the transaction that attached it, writers would wait all the same.
fn refuse_own_attach(ledger: &Ledger) -> Result<(), Failure> {
    let is_own = Spi::connect(|client| {
        client
            .select(
                "SELECT pg_catalog.pg_current_xact_id_if_assigned()::xid = c.xmin \
                 FROM pg_catalog.pg_class c WHERE c.oid = $1",
                Some(1),
                &[ledger.days.into()],
            )?
            .first()
            .get_one::<bool>()
    })?;
    if is_own != Some(true) {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "backfill_ledger() must run in a later transaction than attach_ledger()",
    )
    .hint("Commit first, so that writers need not wait, or attach with backfill => true."))
}

/// Empties the storage and fills it anew from the ledger. Readers wait, writers go on.
#[pg_extern(sql = false)]
fn rebuild_ledger(ledger: Option<pg_sys::Oid>) -> i64 {
    whole(|| {
        (|| {
            let ledger = registry::get_owned(required(ledger, "ledger")?)?;
            security::with_safe_path(|| {
                registry::lock_for_maintenance(ledger.oid, c"rebuild_ledger()")?;
                let ledger = registry::get(ledger.oid)?;
                if ledger.state == State::AwaitingBackfill {
                    return Err(Failure::new(
                        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                        format!("ledger {} was never filled", ledger.name),
                    )
                    .hint("Run inventory_perf.backfill_ledger() first."));
                }
                super::audit::mend(&ledger)?;
                members::hold(ledger.oid)?;
                storage::truncate(&ledger, false)?;
                drop_indexes(&ledger)?;
                let rows = fill(&ledger)?;
                registry::set_state(ledger.oid, State::Ready)?;
                // What was cached says what was answered before.
                altered::invalidate([ledger.oid].into_iter())?;
                Ok(rows)
            })
        })()
        .or_raise()
    })
}

/// Indexes are cheaper to build at the end; [`fill`] does.
fn drop_indexes(ledger: &Ledger) -> Result<(), Failure> {
    for table in [ledger.days, ledger.openings] {
        let drops = Spi::connect(|client| {
            let mut drops = Vec::new();
            let rows = client.select(
                include_str!("../../sql/ledger/drop_indexes.sql"),
                None,
                &[table.into()],
            )?;
            for row in rows {
                drops.extend(row.get::<String>(1)?);
            }
            Ok::<_, pgrx::spi::Error>(drops)
        })?;
        for drop in drops {
            Spi::run(&drop)?;
        }
    }
    Ok(())
}
