//! Takes pending rows: one scan reads them, deletes them and sums them up.

use pgrx::pg_sys;
use std::time::{Duration, Instant};

use super::deltas::{Delta, Deltas};
use crate::amount::Amount;
use crate::error::Failure;
use crate::ledger::capture::{check_interrupts, pending_types};
use crate::ledger::expressions;
use crate::ledger::keys::{KeyInterner, KeyType};
use crate::ledger::registry::Ledger;
use crate::ledger::table_writer::{altered_columns, is_without_nulls, open_to_write};

const REPORT_EVERY: Duration = Duration::from_secs(2);

/// A scan of the pending rows that a snapshot sees.
pub struct Taking<'a> {
    ledger: &'a Ledger,
    until: Option<i32>,
    key_types: Vec<KeyType>,
    relation: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
    scan: pg_sys::TableScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
    pub rows: i64,
    pub is_done: bool,
    blocks: u32,
    reported: Instant,
}

impl<'a> Taking<'a> {
    /// Reads rows up to a day, of the active snapshot.
    pub fn open(ledger: &'a Ledger, until: Option<i32>) -> Result<Self, Failure> {
        let key_types = expressions::column_types(ledger.pending)
            .iter()
            .take(ledger.mapping.keys.len())
            .map(|(type_oid, collation)| KeyType::new(*type_oid, *collation))
            .collect::<Result<Vec<_>, _>>()?;
        let types = pending_types(
            key_types.iter().map(KeyType::oid),
            ledger.mapping.value.is_some(),
        );
        // SAFETY: an ordinary scan, from the first block on and through shared buffers, as the rows
        // are about to be deleted. After an error PostgreSQL releases what is open.
        unsafe {
            let relation = open_to_write(ledger.pending, &types)?;
            if !is_without_nulls(relation) {
                return Err(altered_columns(ledger.pending));
            }
            let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetActiveSnapshot());
            let main = pg_sys::ForkNumber::MAIN_FORKNUM;
            Ok(Self {
                ledger,
                until,
                key_types,
                relation,
                snapshot,
                scan: pg_sys::table_beginscan_strat(
                    relation,
                    snapshot,
                    0,
                    std::ptr::null_mut(),
                    false,
                    false,
                ),
                slot: pg_sys::table_slot_create(relation, std::ptr::null_mut()),
                rows: 0,
                is_done: false,
                blocks: pg_sys::RelationGetNumberOfBlocksInFork(relation, main),
                reported: Instant::now(),
            })
        }
    }

    /// Takes at most so many rows. What is collected refers to the current memory context.
    pub fn take(&mut self, limit: i64) -> Deltas {
        let mut deltas = Deltas::new(KeyInterner::new(self.key_types.clone()));
        let end = self.rows + limit;
        while self.rows < end {
            check_interrupts();
            // SAFETY: the scan is open; the slot is one of its table. Only the holder of the
            // ledger's maintenance lock deletes pending rows, so that each row is still there.
            unsafe {
                let forward = pg_sys::ScanDirection::ForwardScanDirection;
                if !pg_sys::table_scan_getnextslot(self.scan, forward, self.slot) {
                    self.is_done = true;
                    break;
                }
                if self.collect(&mut deltas) {
                    pg_sys::simple_heap_delete(self.relation, &mut (*self.slot).tts_tid);
                    self.rows += 1;
                }
            }
            if self.rows % 65_536 == 0 {
                self.report();
            }
        }
        deltas
    }

    /// Adds the row in the slot to the deltas, unless it is dated too late.
    unsafe fn collect(&mut self, deltas: &mut Deltas) -> bool {
        // SAFETY: the table has the columns of a pending row, which open() has checked, and all of
        // them are NOT NULL.
        unsafe {
            pg_sys::slot_getallattrs(self.slot);
            let columns = std::slice::from_raw_parts(
                (*self.slot).tts_values,
                (*self.slot).tts_nvalid as usize,
            );
            let (key, columns) = columns.split_at(self.key_types.len());
            let day = columns[0].value() as i32;
            if self.until.is_some_and(|until| day > until) {
                return false;
            }
            let key = deltas.number_of(key);
            deltas.add(&Delta {
                key,
                day,
                in_quantity: Amount::read(columns[1]),
                out_quantity: Amount::read(columns[2]),
                move_count: columns[3].value() as i64,
                value_change: if self.ledger.mapping.value.is_some() {
                    Amount::read(columns[4])
                } else {
                    Amount::default()
                },
            });
        }
        true
    }

    /// Says how far a long fold is.
    fn report(&mut self) {
        if self.reported.elapsed() < REPORT_EVERY {
            return;
        }
        self.reported = Instant::now();
        // SAFETY: the slot holds a row of the scan.
        let block = unsafe { pgrx::itemptr::item_pointer_get_block_number(&(*self.slot).tts_tid) };
        let share = 100 * u64::from(block) / u64::from(self.blocks.max(1));
        pgrx::ereport!(
            pgrx::PgLogLevel::INFO,
            pgrx::PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!(
                "{}: {} pending rows folded, {} %",
                self.ledger.name,
                self.rows,
                share.min(99)
            )
        );
    }

    pub fn finish(self) {
        // SAFETY: closes what open() opened.
        unsafe {
            pg_sys::table_endscan(self.scan);
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
            pg_sys::UnregisterSnapshot(self.snapshot);
            pg_sys::table_close(self.relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        }
    }
}
