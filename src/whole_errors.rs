//! Errors of PostgreSQL, and of code of users, that pass through this library arrive whole.
//!
//! pgrx makes a panic of an error that PostgreSQL raises in a call of ours, so that frames of Rust are
//! unwound, and an error again of a panic that leaves a function. In between it keeps the message, the
//! detail and the hint: no SQLSTATE that it does not know, no context, no position, no name of a
//! constraint. PostgreSQL asks its context callbacks about every error, so two of them carry over the
//! rest: one notes an error as it is raised, one completes it as it is raised again.

use pgrx::pg_sys;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport, ErrorReportWithLevel};
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;

// As PostgreSQL declares them. pgrx's bindings leave them out, or guard them, which a callback of an
// error that is being raised must not be.
unsafe extern "C-unwind" {
    fn geterrcode() -> c_int;
    fn CopyErrorData() -> *mut pg_sys::ErrorData;
    fn FreeErrorData(data: *mut pg_sys::ErrorData);
    fn errcode(code: c_int) -> c_int;
    fn errmsg_internal(format: *const c_char, ...) -> c_int;
    fn errdetail_internal(format: *const c_char, ...) -> c_int;
    fn errdetail_log(format: *const c_char, ...) -> c_int;
    fn errhint(format: *const c_char, ...) -> c_int;
    fn errcontext_msg(format: *const c_char, ...) -> c_int;
    fn errhidestmt(hide: bool) -> c_int;
    fn errhidecontext(hide: bool) -> c_int;
    fn internalerrposition(position: c_int) -> c_int;
    fn internalerrquery(query: *const c_char) -> c_int;
    fn err_generic_string(field: c_int, value: *const c_char) -> c_int;
}

/// A callback that PostgreSQL keeps a pointer to.
struct Lasting(UnsafeCell<pg_sys::ErrorContextCallback>);

// SAFETY: PostgreSQL and this library use it on the main thread alone.
unsafe impl Sync for Lasting {}

static COMPLETING: Lasting = Lasting(UnsafeCell::new(pg_sys::ErrorContextCallback {
    previous: null_mut(),
    callback: Some(complete),
    arg: null_mut(),
}));

thread_local! {
    /// The last error that was raised in `whole`.
    static NOTED: Cell<*mut pg_sys::ErrorData> = const { Cell::new(null_mut()) };
}

/// Called once, while the library is loaded. A panic that carries an error of PostgreSQL, or one of
/// ours, is no mistake of the program: nobody wants to know where in it that was.
pub fn register() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let is_report = payload.is::<CaughtError>()
            || payload.is::<ErrorReportWithLevel>()
            || payload.is::<ErrorReport>();
        if !is_report {
            previous(info);
        }
    }));
}

/// Runs `work`, out of which errors that PostgreSQL raised come with all that they say.
///
/// Must be all that a function does which pgrx guards: nothing may catch what comes out of it.
pub fn whole<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: the callback is on this frame and off PostgreSQL's stack of them before the frame ends:
    // pgrx catches every error that is raised inside, and puts the stack back as it was there.
    unsafe {
        let previous = pg_sys::error_context_stack;
        let mut noting = pg_sys::ErrorContextCallback {
            previous,
            callback: Some(note),
            arg: null_mut(),
        };
        pg_sys::error_context_stack = &raw mut noting;
        let outcome = catch_unwind(AssertUnwindSafe(work));
        pg_sys::error_context_stack = previous;
        outcome.unwrap_or_else(|payload| {
            if is_noted(&*payload) {
                // Off the stack again with the error: whoever catches it puts back his own.
                let completing = COMPLETING.0.get();
                (*completing).previous = previous;
                pg_sys::error_context_stack = completing;
            }
            resume_unwind(payload)
        })
    }
}

/// Whether a panic carries the error that was noted last.
fn is_noted(payload: &(dyn Any + Send)) -> bool {
    let noted = NOTED.get();
    let Some(CaughtError::PostgresError(report)) = payload.downcast_ref::<CaughtError>() else {
        return false;
    };
    if noted.is_null() {
        return false;
    }
    // SAFETY: a copy of ours, which lasts; a message is a string, or null.
    unsafe {
        let message = (*noted).message;
        !message.is_null()
            && CStr::from_ptr(message).to_string_lossy() == report.message()
            && (*noted).lineno as u32 == report.line_number()
    }
}

/// Whatever this raises is an error in the handling of an error, which PostgreSQL knows to end.
unsafe extern "C-unwind" fn note(_argument: *mut c_void) {
    // SAFETY: called by PostgreSQL while an error or a message is on its stack. The copy is in memory
    // of our own, and frames up to here have nothing to drop.
    unsafe {
        if geterrcode() == pgrx::PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int {
            return;
        }
        let context = pg_sys::CurrentMemoryContext;
        pg_sys::CurrentMemoryContext = pg_sys::TopMemoryContext;
        let copy = CopyErrorData();
        pg_sys::CurrentMemoryContext = context;
        let stale = if (*copy).elevel == pgrx::PgLogLevel::ERROR as c_int {
            NOTED.replace(copy)
        } else {
            copy
        };
        if !stale.is_null() {
            FreeErrorData(stale);
        }
    }
}

unsafe extern "C-unwind" fn complete(_argument: *mut c_void) {
    let noted = NOTED.replace(null_mut());
    if noted.is_null() {
        return;
    }
    // SAFETY: called by PostgreSQL while the error that `whole` let through is raised again; strings
    // are copied into it.
    unsafe {
        let data = &*noted;
        let text = c"%s".as_ptr();
        errcode(data.sqlerrcode);
        errmsg_internal(text, data.message);
        if !data.detail.is_null() {
            errdetail_internal(text, data.detail);
        }
        if !data.detail_log.is_null() {
            errdetail_log(text, data.detail_log);
        }
        if !data.hint.is_null() {
            errhint(text, data.hint);
        }
        // The callbacks after this one add what lies around the call.
        if !data.context.is_null() {
            errcontext_msg(text, data.context);
        }
        errhidestmt(data.hide_stmt);
        errhidecontext(data.hide_ctx);
        // A place in a text says nothing without the text, and the client's statement is not the one
        // that is parsed inside a function. Statements of this library's own, which run in no
        // function of a user's, say nothing to anybody.
        if !data.internalquery.is_null() && !data.context.is_null() {
            internalerrposition(data.internalpos);
            internalerrquery(data.internalquery);
        }
        for (field, value) in [
            (pg_sys::PG_DIAG_SCHEMA_NAME, data.schema_name),
            (pg_sys::PG_DIAG_TABLE_NAME, data.table_name),
            (pg_sys::PG_DIAG_COLUMN_NAME, data.column_name),
            (pg_sys::PG_DIAG_DATATYPE_NAME, data.datatype_name),
            (pg_sys::PG_DIAG_CONSTRAINT_NAME, data.constraint_name),
        ] {
            if !value.is_null() {
                err_generic_string(field as c_int, value);
            }
        }
        FreeErrorData(noted);
    }
}
