//! Reads the rows of a transition table.

use pgrx::pg_sys;

use crate::unguarded::{self as backend, under_one_guard};

pub struct Rows {
    table: *mut pg_sys::Tuplestorestate,
    pub slot: *mut pg_sys::TupleTableSlot,
    /// The last column that is needed.
    columns: i32,
    pub count: usize,
    /// Whether the first row is in the slot and was not asked for yet.
    is_ahead: bool,
}

impl Rows {
    /// Begins with the first row. Other triggers read the same tuplestore, so this uses a position of
    /// its own and leaves the first one selected.
    ///
    /// # Safety
    /// The table is a transition table of the trigger's relation, which is open until `close()`.
    pub unsafe fn open(
        trigger: &pg_sys::TriggerData,
        table: *mut pg_sys::Tuplestorestate,
        columns: i32,
    ) -> Self {
        // SAFETY: as the caller promises; nothing here is to be dropped.
        let (slot, count, is_ahead) = unsafe {
            under_one_guard(|| {
                let position =
                    backend::tuplestore_alloc_read_pointer(table, pg_sys::EXEC_FLAG_REWIND as i32);
                backend::tuplestore_select_read_pointer(table, position);
                backend::tuplestore_rescan(table);
                let slot = backend::MakeSingleTupleTableSlot(
                    (*trigger.tg_relation).rd_att,
                    &raw const pg_sys::TTSOpsMinimalTuple,
                );
                let count = backend::tuplestore_tuple_count(table);
                (slot, count, fetch(table, slot, columns))
            })
        };
        Self {
            table,
            slot,
            columns,
            count: count.max(0) as usize,
            is_ahead,
        }
    }

    /// Puts the next row into the slot, with the columns that are needed worked out.
    ///
    /// # Safety
    /// As for `open()`.
    pub unsafe fn next(&mut self) -> bool {
        if std::mem::take(&mut self.is_ahead) {
            return true;
        }
        let (table, slot, columns) = (self.table, self.slot, self.columns);
        // SAFETY: as the caller promises; nothing here is to be dropped.
        unsafe { under_one_guard(|| fetch(table, slot, columns)) }
    }

    /// # Safety
    /// As for `open()`.
    pub unsafe fn close(self) {
        let (table, slot) = (self.table, self.slot);
        // SAFETY: ends what open() began; nothing here is to be dropped.
        unsafe {
            under_one_guard(|| {
                backend::ExecDropSingleTupleTableSlot(slot);
                backend::tuplestore_select_read_pointer(table, 0);
            });
        }
    }
}

/// To be called under a guard.
unsafe fn fetch(
    table: *mut pg_sys::Tuplestorestate,
    slot: *mut pg_sys::TupleTableSlot,
    columns: i32,
) -> bool {
    // SAFETY: the slot is of the tuplestore's row type.
    unsafe {
        let found = backend::tuplestore_gettupleslot(table, true, false, slot);
        if found && i32::from((*slot).tts_nvalid) < columns {
            backend::slot_getsomeattrs_int(slot, columns);
        }
        found
    }
}

/// Works out the columns of a row up to this one, unless they are.
///
/// # Safety
/// The slot holds a row that has so many columns.
pub unsafe fn work_out(slot: *mut pg_sys::TupleTableSlot, columns: i32) {
    // SAFETY: as the caller promises.
    unsafe {
        if i32::from((*slot).tts_nvalid) < columns {
            pg_sys::slot_getsomeattrs_int(slot, columns);
        }
    }
}
