//! Delivery by hand or by a scheduled job, and waiting for it.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::time::{Duration, Instant};

use super::{BatchSize, deliver, renew_lease};
use crate::cache::events;
use crate::error::{Failure, OrRaise, required};
use crate::ledger::registry;
use crate::security;
use crate::shared_memory;
use crate::whole_errors::whole;

const FIRST_CHECK: Duration = Duration::from_millis(1);
const LONGEST_CHECK: Duration = Duration::from_millis(50);

/// Delivers what is in the outbox, at least `limit` rows of it if there are so many. Returns how
/// many rows it was.
#[pg_extern(sql = false)]
fn deliver_invalidations(limit: Option<i64>) -> i64 {
    whole(|| security::with_safe_path(|| deliver_all(limit)).or_raise())
}

fn deliver_all(limit: Option<i64>) -> Result<i64, Failure> {
    if limit.is_some_and(|limit| limit <= 0) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "limit must be positive",
        )
        .hint("Pass how many rows of the outbox to deliver, or nothing for all."));
    }
    registry::require_writable(c"deliver_invalidations()");
    refuse_after_writes("deliver_invalidations()")?;
    refuse_in_block()?;
    let mut size = BatchSize::default();
    let mut rows = 0;
    loop {
        pgrx::check_for_interrupts!();
        let delivered = deliver(&size)?;
        size.learn(&delivered);
        rows += delivered.rows as i64;
        events::publish(&delivered.told)?;
        if delivered.has_parts {
            shared_memory::wake_at_commit();
        }
        if !delivered.is_full || limit.is_some_and(|limit| rows >= limit) {
            break;
        }
    }
    renew_lease()?;
    Ok(rows)
}

/// What this transaction wrote is not committed, so what it made invalid must not be delivered.
fn refuse_after_writes(function: &str) -> Result<(), Failure> {
    // SAFETY: reads the state of the transaction.
    if unsafe { pg_sys::GetTopTransactionIdIfAny() } == pg_sys::InvalidTransactionId {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
        format!("{function} cannot run in a transaction that has written"),
    )
    .detail("What it made invalid can be delivered only after it has committed.")
    .hint("Commit first."))
}

/// What was delivered, and a new epoch, would keep others waiting until the block ends.
fn refuse_in_block() -> Result<(), Failure> {
    // SAFETY: reads the state of the transaction.
    if !unsafe { pg_sys::IsTransactionBlock() } {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
        "deliver_invalidations() cannot run inside a transaction block",
    )
    .detail("It has to commit as soon as it has delivered, so that others can go on.")
    .hint(
        "Call it as a statement of its own, without BEGIN; switch autocommit on where a driver \
         begins transactions by itself.",
    ))
}

/// Waits until all that is in the outbox now has been delivered. False when time ran out.
#[pg_extern(sql = false)]
fn wait_until_delivered(timeout: Option<Interval>) -> bool {
    whole(|| {
        (|| {
            let timeout = required(timeout, "timeout")?;
            let microseconds = timeout.as_micros().clamp(0, i128::from(i64::MAX)) as u64;
            refuse_after_writes("wait_until_delivered()")?;
            security::with_safe_path(|| wait(Duration::from_micros(microseconds)))
        })()
        .or_raise()
    })
}

fn wait(timeout: Duration) -> Result<bool, Failure> {
    let began = Instant::now();
    let Some(newest) = with_latest_snapshot(|| newest(None))? else {
        return Ok(true);
    };
    if let Some(slot) = shared_memory::this_slot() {
        slot.deliverer.wake();
    }
    let mut pause = FIRST_CHECK;
    loop {
        if with_latest_snapshot(|| self::newest(Some(newest)))?.is_none() {
            return Ok(true);
        }
        if began.elapsed() >= timeout {
            return Ok(false);
        }
        let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
        // SAFETY: the latch of this process.
        unsafe {
            pg_sys::WaitLatch(
                pg_sys::MyLatch,
                events as i32,
                pause.as_millis() as std::ffi::c_long,
                pg_sys::PG_WAIT_EXTENSION,
            );
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
        pgrx::check_for_interrupts!();
        pause = (pause * 2).min(LONGEST_CHECK);
    }
}

/// The newest row that is not newer than `bound`.
fn newest(bound: Option<TimestampWithTimeZone>) -> Result<Option<TimestampWithTimeZone>, Failure> {
    let owner = security::extension_owner()?;
    let newest = security::run_as(owner, || {
        Spi::connect(|client| {
            client
                .select(
                    "SELECT pg_catalog.max(o.captured_at) FROM inventory_perf.cache_outbox o \
                     WHERE $1 IS NULL OR o.captured_at <= $1",
                    Some(1),
                    &[bound.into()],
                )?
                .first()
                .get_one::<TimestampWithTimeZone>()
        })
    })?;
    Ok(newest)
}

/// Runs read-only queries with a snapshot of this instant, whatever the isolation level.
fn with_latest_snapshot<R>(work: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    // SAFETY: pushed here and popped here; after an error the transaction's end pops it.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot()) };
    let result = work();
    unsafe { pg_sys::PopActiveSnapshot() };
    result
}
