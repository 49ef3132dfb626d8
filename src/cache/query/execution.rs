//! Runs a plan and gives its rows out as JSON.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CStr;

use super::statement::Statement;
use crate::error::Failure;
use crate::versions;
use crate::whole_errors::whole;

/// A DestReceiver of PostgreSQL with the closure behind it.
#[repr(C)]
struct Receiver<'a> {
    base: pg_sys::DestReceiver,
    /// Emptied after every row.
    per_row: pg_sys::MemoryContext,
    /// The columns as the query names them: a scan's own rows have the table's names.
    columns: pg_sys::TupleDesc,
    each: &'a mut dyn FnMut(&CStr),
}

/// Runs the statement with a snapshot of its own, taken now, that the whole query reads with, and
/// calls `each` with every row as a JSON object.
pub fn run(
    statement: &Statement,
    parameters: pg_sys::ParamListInfo,
    mut each: impl FnMut(&CStr),
) -> Result<(), Failure> {
    // SAFETY: the order of calls is that of PostgreSQL's own portals. On an error the snapshot
    // stack and the resource owner undo what was begun; the receiver lives on this stack frame
    // until the query has ended.
    unsafe {
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let plan = statement.plan(parameters);
        let per_row = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"inventory_perf cached row".as_ptr(),
            0,
            8 * 1024,
            8 * 1024 * 1024,
        );
        let mut receiver = Receiver {
            base: pg_sys::DestReceiver {
                receiveSlot: Some(receive),
                rStartup: Some(start_up),
                rShutdown: Some(ignore),
                rDestroy: Some(ignore),
                mydest: pg_sys::CommandDest::DestNone,
            },
            per_row,
            columns: std::ptr::null_mut(),
            each: &mut each,
        };
        let query = pg_sys::CreateQueryDesc(
            std::ptr::from_ref(plan.planned()).cast_mut(),
            statement.text().as_ptr(),
            pg_sys::GetActiveSnapshot(),
            std::ptr::null_mut(),
            (&raw mut receiver).cast(),
            parameters,
            std::ptr::null_mut(),
            0,
        );
        pg_sys::ExecutorStart(query, 0);
        versions::execute(query);
        pg_sys::ExecutorFinish(query);
        pg_sys::ExecutorEnd(query);
        pg_sys::FreeQueryDesc(query);
        pg_sys::MemoryContextDelete(per_row);
        drop(plan);
        pg_sys::PopActiveSnapshot();
    }
    Ok(())
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(
    slot: *mut pg_sys::TupleTableSlot,
    receiver: *mut pg_sys::DestReceiver,
) -> bool {
    // SAFETY: `run` made this receiver, and waits for the query to end. The row
    // has the columns that the query started with.
    whole(|| unsafe {
        let receiver = &mut *receiver.cast::<Receiver>();
        let previous = pg_sys::MemoryContextSwitchTo(receiver.per_row);
        pg_sys::slot_getallattrs(slot);
        let row = pg_sys::heap_form_tuple(receiver.columns, (*slot).tts_values, (*slot).tts_isnull);
        let row = pg_sys::HeapTupleHeaderGetDatum((*row).t_data);
        let json = pg_sys::OidFunctionCall1Coll(
            pg_sys::Oid::from(pg_sys::F_ROW_TO_JSON_RECORD),
            pg_sys::InvalidOid,
            row,
        );
        let json = pg_sys::text_to_cstring(json.cast_mut_ptr());
        pg_sys::MemoryContextSwitchTo(previous);
        (receiver.each)(CStr::from_ptr(json));
        pg_sys::MemoryContextReset(receiver.per_row);
    });
    true
}

#[pg_guard]
unsafe extern "C-unwind" fn start_up(
    receiver: *mut pg_sys::DestReceiver,
    _operation: i32,
    columns: pg_sys::TupleDesc,
) {
    // SAFETY: the receiver that `run` made. Registering the descriptor gives the rows a type that
    // the function that makes JSON of them can look up.
    unsafe {
        (*receiver.cast::<Receiver>()).columns = pg_sys::BlessTupleDesc(columns);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn ignore(_receiver: *mut pg_sys::DestReceiver) {}
