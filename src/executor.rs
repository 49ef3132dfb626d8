//! Runs a query with the snapshot that is active, and hands over its rows one by one.
//!
//! SPI as pgrx wraps it takes a new snapshot once the transaction has written, and collects whole
//! results. A function that is STABLE must read with its caller's snapshot, and a result may be
//! larger than memory.

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CString;

use crate::error::Failure;
use crate::whole_errors::whole;

/// A DestReceiver of PostgreSQL with the closure behind it.
#[repr(C)]
struct Receiver<'a> {
    base: pg_sys::DestReceiver,
    each: &'a mut dyn FnMut(*mut pg_sys::TupleTableSlot),
}

/// Calls `each` with the slot of every row. The query must not write.
pub fn for_each_row(
    query: &str,
    mut each: impl FnMut(*mut pg_sys::TupleTableSlot),
) -> Result<(), Failure> {
    let query = CString::new(query).map_err(|_| {
        Failure::new(
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            "query contains a null character",
        )
    })?;
    let mut receiver = Receiver {
        base: pg_sys::DestReceiver {
            receiveSlot: Some(receive),
            rStartup: Some(start_up),
            rShutdown: Some(ignore),
            rDestroy: Some(ignore),
            mydest: pg_sys::CommandDest::DestNone,
        },
        each: &mut each,
    };
    let status = Spi::connect(|_| {
        let options = pg_sys::SPIExecuteOptions {
            read_only: true,
            dest: (&raw mut receiver).cast(),
            ..Default::default()
        };
        // SAFETY: the receiver lives on this stack frame until the query has ended.
        unsafe { pg_sys::SPI_execute_extended(query.as_ptr(), &options) }
    });
    Spi::check_status(status)?;
    Ok(())
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(
    slot: *mut pg_sys::TupleTableSlot,
    receiver: *mut pg_sys::DestReceiver,
) -> bool {
    // SAFETY: `for_each_row` made this receiver, and waits for the query to end.
    whole(|| unsafe { ((*receiver.cast::<Receiver>()).each)(slot) });
    true
}

#[pg_guard]
unsafe extern "C-unwind" fn start_up(
    _receiver: *mut pg_sys::DestReceiver,
    _operation: i32,
    _columns: pg_sys::TupleDesc,
) {
}

#[pg_guard]
unsafe extern "C-unwind" fn ignore(_receiver: *mut pg_sys::DestReceiver) {}

/// The value of the first row, if there is any row.
pub fn first_value<T: FromDatum + IntoDatum>(
    query: &str,
    arguments: &[DatumWithOid],
) -> Result<Option<T>, Failure> {
    let value = Spi::connect(|client| {
        let rows = client.select(query, Some(1), arguments)?;
        if rows.is_empty() {
            return Ok(None);
        }
        rows.first().get_one()
    })?;
    Ok(value)
}

/// Where a caller that can take a set of rows in a tuple store wants it.
///
/// # Safety
/// `call` is the current call of a function that returns a set of rows.
pub unsafe fn wanted_set(
    call: pg_sys::FunctionCallInfo,
) -> Result<*mut pg_sys::ReturnSetInfo, Failure> {
    // SAFETY: a caller that takes a set says so with a ReturnSetInfo.
    unsafe {
        let info = (*call).resultinfo.cast::<pg_sys::ReturnSetInfo>();
        let materialize = pg_sys::SetFunctionReturnMode::SFRM_Materialize as i32;
        if info.is_null()
            || (*info).type_ != pg_sys::NodeTag::T_ReturnSetInfo
            || (*info).allowedModes & materialize == 0
        {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                "set-returning function called in a context that cannot take a set",
            )
            .hint("Call it in the FROM clause."));
        }
        Ok(info)
    }
}

/// Makes the rows of `query` the result of the set-returning function that is being called. Its
/// columns must have the types that the function is declared with.
///
/// # Safety
/// `call` is the current call of a function that returns a set of rows.
pub unsafe fn return_rows(call: pg_sys::FunctionCallInfo, query: &str) -> Result<(), Failure> {
    // SAFETY: as the caller promises. Tuple store and descriptor live in the context of the
    // calling query.
    let store = unsafe {
        let info = wanted_set(call)?;
        let previous = pg_sys::MemoryContextSwitchTo((*(*info).econtext).ecxt_per_query_memory);
        let mut columns = std::ptr::null_mut();
        pg_sys::get_call_result_type(call, std::ptr::null_mut(), &mut columns);
        let store = pg_sys::tuplestore_begin_heap(true, false, pg_sys::work_mem);
        (*info).returnMode = pg_sys::SetFunctionReturnMode::SFRM_Materialize;
        (*info).setResult = store;
        (*info).setDesc = pg_sys::CreateTupleDescCopy(columns);
        pg_sys::MemoryContextSwitchTo(previous);
        store
    };
    // SAFETY: the store copies the row.
    for_each_row(query, |slot| unsafe {
        pg_sys::tuplestore_puttupleslot(store, slot)
    })
}

/// Declares a function that PostgreSQL calls with its bare call information.
macro_rules! raw_function {
    ($(#[$meta:meta])* $record:ident, $name:ident, $body:path) => {
        #[unsafe(no_mangle)]
        #[doc(hidden)]
        pub extern "C" fn $record() -> &'static pgrx::pg_sys::Pg_finfo_record {
            const RECORD: pgrx::pg_sys::Pg_finfo_record =
                pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
            &RECORD
        }

        $(#[$meta])*
        ///
        /// # Safety
        /// Called by PostgreSQL's function manager.
        #[unsafe(no_mangle)]
        #[pgrx::pg_guard]
        pub unsafe extern "C-unwind" fn $name(
            call: pgrx::pg_sys::FunctionCallInfo,
        ) -> pgrx::pg_sys::Datum {
            // SAFETY: as the caller promises.
            $crate::whole_errors::whole(|| unsafe { $body(call) }.or_raise());
            pgrx::pg_sys::Datum::from(0)
        }
    };
}
pub(crate) use raw_function;
