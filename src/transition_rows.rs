//! Reads the rows of a transition table.

use pgrx::pg_sys;

use crate::unguarded::{self as backend, under_one_guard};

pub struct Rows {
    table: *mut pg_sys::Tuplestorestate,
    pub slot: *mut pg_sys::TupleTableSlot,
    /// The last column that is needed.
    columns: i32,
    pub count: usize,
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
        let (slot, count) = unsafe {
            under_one_guard(|| {
                let position =
                    backend::tuplestore_alloc_read_pointer(table, pg_sys::EXEC_FLAG_REWIND as i32);
                backend::tuplestore_select_read_pointer(table, position);
                backend::tuplestore_rescan(table);
                let slot = backend::MakeSingleTupleTableSlot(
                    (*trigger.tg_relation).rd_att,
                    &raw const pg_sys::TTSOpsMinimalTuple,
                );
                (slot, backend::tuplestore_tuple_count(table))
            })
        };
        Self {
            table,
            slot,
            columns,
            count: count.max(0) as usize,
        }
    }

    /// Puts the next row into the slot, with the columns that are needed worked out.
    ///
    /// # Safety
    /// As for `open()`.
    pub unsafe fn next(&mut self) -> bool {
        let (table, slot, columns) = (self.table, self.slot, self.columns);
        // SAFETY: the slot is of the tuplestore's row type; nothing here is to be dropped.
        unsafe {
            under_one_guard(|| {
                let found = backend::tuplestore_gettupleslot(table, true, false, slot);
                if found && i32::from((*slot).tts_nvalid) < columns {
                    backend::slot_getsomeattrs_int(slot, columns);
                }
                found
            })
        }
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
