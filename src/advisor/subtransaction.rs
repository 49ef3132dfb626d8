//! Work that may fail without failing the statement that asked for it.

use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;
use std::panic::AssertUnwindSafe;

use crate::error::Failure;

/// What ended the work: the SQLSTATE and the words of an error.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: PgSqlErrorCode,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let mut failure = Self::new(refusal.code, refusal.message);
        if let Some(detail) = refusal.detail {
            failure = failure.detail(detail);
        }
        if let Some(hint) = refusal.hint {
            failure = failure.hint(hint);
        }
        failure
    }
}

/// Runs `work` in a subtransaction that is rolled back whatever happens, with its locks and its
/// memory. It is read-only, and `work` must return nothing that PostgreSQL allocated.
///
/// What cancels the statement or ends the session is not caught.
pub fn rolled_back<R>(work: impl FnOnce() -> R) -> Result<R, Refusal> {
    rolled_back_with(work, || {})
}

/// [`rolled_back`], with `clean_up` after any error, caught or not.
pub fn rolled_back_with<R>(
    work: impl FnOnce() -> R,
    clean_up: impl FnOnce(),
) -> Result<R, Refusal> {
    // SAFETY: the pair of context and resource owner is put back after the subtransaction, as
    // every procedural language does. Its end restores the former read-only state.
    let (context, owner) = unsafe {
        let saved = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::XactReadOnly = true;
        saved
    };
    let outcome = PgTryBuilder::new(AssertUnwindSafe(|| Ok(work())))
        .catch_others(|error| Err(Box::new(error)))
        .catch_rust_panic(|error| Err(Box::new(error)))
        .execute();
    // SAFETY: ends the subtransaction that began above, the innermost one again by now.
    unsafe {
        pg_sys::RollbackAndReleaseCurrentSubTransaction();
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
    }
    outcome.or_else(|error| {
        clean_up();
        refusal(*error)
    })
}

fn refusal<R>(error: CaughtError) -> Result<R, Refusal> {
    let report = match &error {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
        CaughtError::RustPanic { .. } => error.rethrow(),
    };
    let ends_more = matches!(
        report.sql_error_code(),
        PgSqlErrorCode::ERRCODE_QUERY_CANCELED
            | PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN
            | PgSqlErrorCode::ERRCODE_CRASH_SHUTDOWN
            | PgSqlErrorCode::ERRCODE_CANNOT_CONNECT_NOW
            | PgSqlErrorCode::ERRCODE_DATABASE_DROPPED
            | PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY
            | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED
    );
    if ends_more {
        error.rethrow();
    }
    Err(Refusal {
        code: report.sql_error_code(),
        message: report.message().to_owned(),
        detail: report.detail().map(str::to_owned),
        hint: report.hint().map(str::to_owned),
    })
}
