//! Rows that COPY … FREEZE writes: every snapshot sees them, older ones included, though not what
//! is captured of them.

use pgrx::pg_sys;

use crate::error::Failure;
use crate::ledger::{members, registry};

/// Called after rows were inserted. Snapshots older than frozen ones get no answer.
///
/// # Safety
/// `relation` is an open table.
pub unsafe fn note(relation: pg_sys::Relation) -> Result<(), Failure> {
    // SAFETY: as the caller promises.
    let table = unsafe {
        // PostgreSQL freezes rows only where the transaction made the file that they go to.
        let has_new_file =
            (*relation).rd_createSubid != 0 || crate::versions::has_new_file(relation);
        if !has_new_file || !ends_frozen(relation) {
            return Ok(());
        }
        (*relation).rd_id
    };
    match members::ledger_of(table)? {
        Some(ledger) => registry::start_generation(ledger.oid),
        None => Ok(()),
    }
}

/// Whether the row that was written last is frozen: they all go to the end of the table.
unsafe fn ends_frozen(relation: pg_sys::Relation) -> bool {
    // SAFETY: a scan of the last block of an open table, whose slots hold heap tuples.
    unsafe {
        let blocks =
            pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM);
        if blocks == 0 {
            return false;
        }
        let slot = pg_sys::table_slot_create(relation, std::ptr::null_mut());
        let scan = pg_sys::table_beginscan_strat(
            relation,
            &raw mut pg_sys::SnapshotAnyData,
            0,
            std::ptr::null_mut(),
            true,
            false,
        );
        pg_sys::heap_setscanlimits(scan, blocks - 1, 1);
        let mut is_frozen = false;
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        while pg_sys::table_scan_getnextslot(scan, forward, slot) {
            is_frozen = crate::snapshots::guard::writer_of(slot) == pg_sys::InvalidTransactionId;
        }
        pg_sys::table_endscan(scan);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        is_frozen
    }
}
