//! The rows that a call returns.

use pgrx::pg_sys;
use pgrx::prelude::*;
use serde_json::value::RawValue;
use std::ffi::{CStr, CString, c_char};
use std::panic::AssertUnwindSafe;

use crate::error::Failure;
use crate::executor::wanted_set;
use crate::ledger::capture::check_interrupts;

/// A tuple store with one jsonb column, which spills to disk past work_mem.
pub struct Rows {
    store: *mut pg_sys::Tuplestorestate,
    columns: pg_sys::TupleDesc,
    /// Emptied after every row.
    per_row: pg_sys::MemoryContext,
}

impl Rows {
    /// Makes a tuple store the result of the call.
    ///
    /// # Safety
    /// `call` is the current call of a function that is declared SETOF jsonb.
    pub unsafe fn of_call(call: pg_sys::FunctionCallInfo) -> Result<Self, Failure> {
        // SAFETY: as the caller promises. Tuple store and descriptor live in the context of the
        // calling query.
        unsafe {
            let info = wanted_set(call)?;
            let per_row = pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                c"inventory_perf returned row".as_ptr(),
                0,
                8 * 1024,
                8 * 1024 * 1024,
            );
            let previous = pg_sys::MemoryContextSwitchTo((*(*info).econtext).ecxt_per_query_memory);
            let columns = pg_sys::CreateTemplateTupleDesc(1);
            pg_sys::TupleDescInitEntry(
                columns,
                1,
                c"cached_query".as_ptr(),
                pg_sys::JSONBOID,
                -1,
                0,
            );
            let random_access = (*info).allowedModes
                & pg_sys::SetFunctionReturnMode::SFRM_Materialize_Random as i32;
            let store = pg_sys::tuplestore_begin_heap(random_access != 0, false, pg_sys::work_mem);
            (*info).returnMode = pg_sys::SetFunctionReturnMode::SFRM_Materialize;
            (*info).setResult = store;
            (*info).setDesc = columns;
            pg_sys::MemoryContextSwitchTo(previous);
            Ok(Self {
                store,
                columns,
                per_row,
            })
        }
    }

    /// Adds the rows of a JSON array. False, and nothing is added, if that is not what it is.
    pub fn add_all(&mut self, json: &str) -> bool {
        let Ok(rows) = serde_json::from_str::<Vec<&RawValue>>(json) else {
            return false;
        };
        // SAFETY: reads a backend variable.
        let context = unsafe { pg_sys::CurrentMemoryContext };
        // jsonb_in() may refuse what is JSON elsewhere, and only somebody else's hand can have put
        // it there. It holds nothing that an error would leave behind.
        let is_added = PgTryBuilder::new(AssertUnwindSafe(|| {
            for row in rows {
                check_interrupts();
                let Ok(row) = CString::new(row.get()) else {
                    return false;
                };
                self.add(&row);
            }
            true
        }))
        .catch_when(PgSqlErrorCode::ERRCODE_UNTRANSLATABLE_CHARACTER, |_| false)
        .catch_when(PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, |_| {
            false
        })
        .catch_when(PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION, |_| {
            false
        })
        .catch_when(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, |_| false)
        .execute();
        if !is_added {
            // SAFETY: the call's own store and context. The error came from within the context of a
            // row, which must not stay the current one.
            unsafe {
                pg_sys::MemoryContextSwitchTo(context);
                pg_sys::MemoryContextReset(self.per_row);
                pg_sys::tuplestore_clear(self.store);
            }
        }
        is_added
    }

    /// Adds a row that the query gave.
    pub fn add(&mut self, json: &CStr) {
        // SAFETY: the store copies the value before the context is emptied.
        unsafe {
            let previous = pg_sys::MemoryContextSwitchTo(self.per_row);
            let mut value = jsonb(json.as_ptr());
            let mut is_null = false;
            pg_sys::tuplestore_putvalues(
                self.store,
                self.columns,
                &raw mut value,
                &raw mut is_null,
            );
            pg_sys::MemoryContextSwitchTo(previous);
            pg_sys::MemoryContextReset(self.per_row);
        }
    }
}

/// # Safety
/// A C string; the value lives in the current memory context.
unsafe fn jsonb(json: *const c_char) -> pg_sys::Datum {
    // SAFETY: jsonb_in() takes one C string.
    unsafe {
        pg_sys::OidFunctionCall1Coll(
            pg_sys::Oid::from(pg_sys::F_JSONB_IN),
            pg_sys::InvalidOid,
            pg_sys::Datum::from(json),
        )
    }
}
