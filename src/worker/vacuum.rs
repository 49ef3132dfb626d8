//! Vacuuming the outbox, and the pending tables of ledgers.
//!
//! Every row of them is dead a moment after it was written, and everybody who looks for rows passes
//! the dead ones. Autovacuum comes once a minute, when there may be 100,000; so the workers, which
//! know how many they have deleted, do it themselves.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::{CStr, CString};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use super::process;
use crate::error::Failure;

/// Deleted rows after which it pays.
const ROWS: u64 = 20_000;
/// And not more often than this: rows that a long transaction still sees cannot be removed.
const INTERVAL: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Vacuum {
    deleted: u64,
    last: Option<Instant>,
}

impl Vacuum {
    pub fn count(&mut self, deleted: u64) {
        self.deleted += deleted;
    }

    pub fn run_if_due(&mut self, table: &str) -> Result<(), Failure> {
        let is_recent = self.last.is_some_and(|last| last.elapsed() < INTERVAL);
        if self.deleted < ROWS || is_recent {
            return Ok(());
        }
        *self = Self {
            deleted: 0,
            last: Some(Instant::now()),
        };
        let command = format!("VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON) {table}");
        vacuum(&CString::new(command).unwrap_or_default())
    }
}

/// Runs a VACUUM command, which begins and ends transactions of its own.
fn vacuum(command: &CStr) -> Result<(), Failure> {
    let result = PgTryBuilder::new(AssertUnwindSafe(|| {
        // SAFETY: as the main loop of a backend runs a VACUUM: in a transaction that it may end,
        // with the command in memory that outlives that transaction.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, command.as_ptr());
            let memory = pg_sys::AllocSetContextCreateInternal(
                pg_sys::TopMemoryContext,
                c"inventory_perf vacuum".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            let previous = pg_sys::MemoryContextSwitchTo(memory);
            let portal = pg_sys::PortalContext;
            pg_sys::PortalContext = memory;
            let parsed =
                pg_sys::raw_parser(command.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
            let statement = pg_sys::list_nth(parsed, 0).cast::<pg_sys::RawStmt>();
            let state = pg_sys::make_parsestate(std::ptr::null_mut());
            pg_sys::ExecVacuum(state, (*statement).stmt.cast(), true);
            pg_sys::MemoryContextSwitchTo(previous);
            pg_sys::CommitTransactionCommand();
            pg_sys::PortalContext = portal;
            pg_sys::MemoryContextDelete(memory);
        }
        Ok(())
    }))
    .catch_others(|error| Err(Failure::of(&error)))
    .execute();
    process::settle(result.is_err());
    result
}
