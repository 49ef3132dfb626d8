//! What every background process does: connect, wait, run transactions, end.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;
use std::ffi::CString;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use crate::attempt::Timer;
use crate::error::Failure;
use crate::shared_memory::{self, Outcome, Process, Slot};
use crate::versions;

// PostgreSQL's own handlers, without the guard that pgrx puts around its functions: a signal handler
// must not save a place to jump to.
unsafe extern "C-unwind" {
    fn SignalHandlerForConfigReload(signal: i32);
    fn die(signal: i32);
}

/// Takes signals, and connects under a name to a database, or to the shared catalogs alone.
pub fn connect(name: &str, database: Option<pg_sys::Oid>) {
    // SAFETY: once at the start of a background worker. Both handlers only set flags and the latch.
    unsafe {
        versions::handle_signal(pg_sys::SIGHUP, SignalHandlerForConfigReload);
        versions::handle_signal(pg_sys::SIGTERM, die);
        pg_sys::BackgroundWorkerUnblockSignals();
        match database {
            Some(database) => {
                pg_sys::BackgroundWorkerInitializeConnectionByOid(database, pg_sys::InvalidOid, 0)
            }
            None => {
                pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0)
            }
        }
    }
    // What a crash undoes of a worker's work, it does again.
    for (setting, value) in [
        ("application_name", name),
        ("synchronous_commit", "off"),
        ("search_path", "pg_catalog, pg_temp"),
        ("default_transaction_isolation", "read committed"),
        ("default_transaction_read_only", "off"),
        ("statement_timeout", "0"),
        // Whoever keeps one object locked must not keep the others waiting.
        ("lock_timeout", "1s"),
        ("idle_in_transaction_session_timeout", "0"),
        ("jit", "off"),
    ] {
        set(setting, value);
    }
}

fn set(name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) {
        // SAFETY: strings that live through the call.
        unsafe {
            pg_sys::SetConfigOption(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}

thread_local! {
    static TAKEN: Cell<Option<&'static Process>> = const { Cell::new(None) };
}

/// Makes this process the one of its kind until it ends. False when there is one.
pub fn become_the(process: &'static Process) -> bool {
    if !process.take() {
        return false;
    }
    TAKEN.set(Some(process));
    // SAFETY: a static function, once in this process.
    unsafe { pg_sys::before_shmem_exit(Some(leave), pg_sys::Datum::from(0)) };
    true
}

#[pg_guard]
unsafe extern "C-unwind" fn leave(_code: i32, _argument: pg_sys::Datum) {
    if let Some(process) = TAKEN.take() {
        process.leave();
        shared_memory::wake_launcher();
    }
}

/// Ends this process in good order, saying why. The launcher decides when the next one starts.
pub fn finish_with(process: &Process, outcome: Outcome) -> ! {
    process.set_outcome(outcome);
    finish()
}

/// Ends this process in good order. The postmaster does not start it again.
pub fn finish() -> ! {
    // SAFETY: outside of any transaction.
    unsafe { versions::exit() }
}

/// Waits for the latch or until `timeout` is over; reloads settings; ends the process when told to.
pub fn wait(timeout: Duration) {
    const EVENTS: u32 = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    let milliseconds = timeout.as_millis().min(i32::MAX as u128);
    // SAFETY: the latch of this process.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            EVENTS as i32,
            milliseconds as std::ffi::c_long,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    stop_or_reload();
}

/// What signals ask for, at a place where it can be done.
pub fn stop_or_reload() {
    pgrx::check_for_interrupts!();
    // SAFETY: reads and writes a flag that the signal handler sets, and reads the files again
    // outside of any transaction.
    unsafe {
        if (&raw const pg_sys::ConfigReloadPending).read_volatile() != 0 {
            (&raw mut pg_sys::ConfigReloadPending).write_volatile(0);
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
    }
}

/// Runs `work` in a transaction of its own. Whatever goes wrong in it, the transaction is rolled
/// back and the process goes on. What it does is what pg_stat_activity shows.
pub fn transaction<R>(what: &str, work: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    let shown = CString::new(what).unwrap_or_default();
    let mut work = Some(work);
    let result = PgTryBuilder::new(AssertUnwindSafe(|| {
        // SAFETY: begins a transaction as the main loop of a backend does; no transaction is open.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, shown.as_ptr());
        }
        let work = work.take().ok_or_else(|| internal("ran twice"))?;
        let result = work()?;
        // SAFETY: ends what was begun above.
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
        }
        Ok(result)
    }))
    .catch_others(|error| Err(Failure::of(&error)))
    .execute();
    settle(result.is_err());
    result
}

/// [`transaction`] that is given up after some time.
pub fn transaction_within<R>(
    limit: Duration,
    what: &str,
    work: impl FnOnce() -> Result<R, Failure>,
) -> Result<R, Failure> {
    let timer = Timer::start(limit);
    let result = transaction(what, work);
    if let Some(timer) = timer {
        timer.stop();
    }
    result
}

/// Ends what a transaction leaves open, and reports to the statistics.
pub fn settle(has_failed: bool) {
    // SAFETY: rolls back whatever is open; afterwards, or after a commit, nothing is.
    unsafe {
        if has_failed {
            pg_sys::AbortCurrentTransaction();
        }
        pg_sys::pgstat_report_stat(false);
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
    }
}

fn internal(text: &str) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, text)
}

/// Logs what went wrong, and keeps it for `worker_status`.
pub fn report(slot: &Slot, failure: Failure) {
    shared_memory::record_error(slot, failure.message());
    failure.warn();
}

/// Whether the extension is installed in this database, in a version that has an outbox.
pub fn is_ready() -> bool {
    // SAFETY: catalog look-ups inside a transaction.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"inventory_perf".as_ptr(), true);
        pg_sys::get_extension_oid(c"inventory_perf".as_ptr(), true) != pg_sys::InvalidOid
            && pg_sys::get_relname_relid(c"cache_outbox".as_ptr(), schema) != pg_sys::InvalidOid
    }
}
