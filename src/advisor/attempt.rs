//! Work that may fail without ending the transaction, and leaves nothing behind.

use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;
use std::panic::AssertUnwindSafe;

/// An error that PostgreSQL raised.
#[derive(Debug)]
pub struct Caught {
    pub code: PgSqlErrorCode,
    pub message: String,
}

/// Runs `work` in a subtransaction that is always rolled back: memory, locks and settings are as
/// before. In it, everything is read-only. Cancels and shut-downs are not caught.
///
/// The result must not point into PostgreSQL's memory.
pub fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, Caught> {
    // SAFETY: an internal subtransaction as procedural languages use them: memory context and
    // resource owner are put back after it has ended, which it does on both ways out.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        // The subtransaction's end brings the former value back.
        pg_sys::XactReadOnly = true;
        let end = || {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::CurrentResourceOwner = owner;
        };
        let result = PgTryBuilder::new(AssertUnwindSafe(|| Ok(work())))
            .catch_others(|error| Err(Box::new(error)))
            .catch_rust_panic(|error| Err(Box::new(error)))
            .execute();
        match result {
            Ok(value) => {
                end();
                Ok(value)
            }
            Err(error) => {
                // Before the error goes on, too: the level above has no idea of this one.
                end();
                match *error {
                    CaughtError::PostgresError(report) | CaughtError::ErrorReport(report)
                        if may_go_on(report.sql_error_code()) =>
                    {
                        Err(Caught {
                            code: report.sql_error_code(),
                            message: report.message().to_owned(),
                        })
                    }
                    fatal => fatal.rethrow(),
                }
            }
        }
    }
}

/// What concerns the session or the server is not for us to catch.
fn may_go_on(code: PgSqlErrorCode) -> bool {
    !matches!(
        code,
        PgSqlErrorCode::ERRCODE_QUERY_CANCELED
            | PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN
            | PgSqlErrorCode::ERRCODE_CRASH_SHUTDOWN
            | PgSqlErrorCode::ERRCODE_CANNOT_CONNECT_NOW
            | PgSqlErrorCode::ERRCODE_DATABASE_DROPPED
            | PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY
            | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED
    )
}
