//! Work for one ledger among many: it may fail, or be given up, without failing what is done for the
//! others.

use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use crate::error::Failure;
use crate::security;

/// How long the work may take, and how long it may wait for each lock.
#[derive(Clone, Copy)]
pub struct Limits {
    pub run: Duration,
    pub lock: Duration,
}

impl Limits {
    pub const fn new(run: Duration, lock: Duration) -> Self {
        Self { run, lock }
    }
}

/// Runs `work` in a subtransaction, which an error rolls back. `work` must return nothing that
/// PostgreSQL allocated.
///
/// What cancels the statement or ends the session is not caught.
pub fn attempt<R>(limits: Limits, work: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    // SAFETY: the pair of context and resource owner is put back after the subtransaction, as every
    // procedural language does.
    let (context, owner) = unsafe {
        let saved = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        saved
    };
    let mut timer = None;
    let outcome = PgTryBuilder::new(AssertUnwindSafe(|| {
        timer = Timer::start(limits.run);
        security::with_lock_timeout(limits.lock, work).map_err(Ended::Failed)
    }))
    .catch_others(|error| Err(Ended::Caught(Box::new(error))))
    .catch_rust_panic(|error| Err(Ended::Caught(Box::new(error))))
    .execute();
    let ran_out = timer.is_some_and(Timer::stop);
    // SAFETY: ends the subtransaction that began above, the innermost one again by now.
    unsafe {
        if outcome.is_ok() {
            pg_sys::ReleaseCurrentSubTransaction();
        } else {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
    }
    outcome.map_err(|ended| match ended {
        Ended::Failed(failure) => failure,
        Ended::Caught(error) => caught(*error, ran_out),
    })
}

enum Ended {
    Failed(Failure),
    Caught(Box<CaughtError>),
}

fn caught(error: CaughtError, ran_out: bool) -> Failure {
    let report = match &error {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
        CaughtError::RustPanic { .. } => error.rethrow(),
    };
    let ends_more = match report.sql_error_code() {
        PgSqlErrorCode::ERRCODE_QUERY_CANCELED => !ran_out,
        PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN
        | PgSqlErrorCode::ERRCODE_CRASH_SHUTDOWN
        | PgSqlErrorCode::ERRCODE_CANNOT_CONNECT_NOW
        | PgSqlErrorCode::ERRCODE_DATABASE_DROPPED
        | PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY => true,
        _ => false,
    };
    if ends_more {
        error.rethrow();
    }
    Failure::of(&error)
}

unsafe extern "C-unwind" {
    fn enable_timeout_after(id: i32, milliseconds: i32);
    fn disable_timeout(id: i32, keeps_indicator: bool);
    fn get_timeout_active(id: i32) -> bool;
    fn get_timeout_indicator(id: i32, resets: bool) -> bool;
}

/// The number of the statement's time-out, the same in every version.
const STATEMENT_TIMEOUT: i32 = 3;

/// The time-out of a statement, for a part of one, or for a worker, which has no statements.
#[derive(Clone, Copy)]
pub struct Timer {
    ends: Instant,
}

impl Timer {
    /// None while a time-out of the session's own is running, which ends the work as well.
    pub fn start(limit: Duration) -> Option<Self> {
        let milliseconds = limit.as_millis().clamp(1, i32::MAX as u128) as i32;
        // SAFETY: plain calls of the backend; the time-out is one that every process with a database
        // has registered.
        unsafe {
            if get_timeout_active(STATEMENT_TIMEOUT) {
                return None;
            }
            enable_timeout_after(STATEMENT_TIMEOUT, milliseconds);
        }
        Some(Self {
            ends: Instant::now() + limit,
        })
    }

    /// Whether time had run out. What it would still cancel is over.
    pub fn stop(self) -> bool {
        // SAFETY: plain calls of the backend, and a flag that its signal handlers set.
        unsafe {
            disable_timeout(STATEMENT_TIMEOUT, true);
            if get_timeout_indicator(STATEMENT_TIMEOUT, true) {
                (&raw mut pg_sys::QueryCancelPending).write_volatile(0);
            }
        }
        Instant::now() >= self.ends
    }
}
