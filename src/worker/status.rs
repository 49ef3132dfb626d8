//! What the workers do, for the view `inventory_perf.worker_status`, and what an extension script
//! tells the launcher.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CStr;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::shared_memory::{self, Slot};
use crate::whole_errors::whole;

/// Called at the end of CREATE EXTENSION and ALTER EXTENSION … UPDATE.
#[pg_extern(sql = false)]
fn start_worker() {
    whole(|| {
        shared_memory::probe_at_commit();
    })
}

// pgrx reads the columns off the signature, so that no alias can stand for them.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn worker_status_rows() -> TableIterator<
    'static,
    (
        name!(database, Option<String>),
        name!(pid, Option<i32>),
        name!(fold_pid, Option<i32>),
        name!(state, &'static str),
        name!(delivered, i64),
        name!(last_delivery, Option<TimestampWithTimeZone>),
        name!(folds, i64),
        name!(last_fold, Option<TimestampWithTimeZone>),
        name!(last_error, Option<String>),
        name!(last_error_at, Option<TimestampWithTimeZone>),
    ),
> {
    whole(|| {
        let rows: Vec<_> = shared_memory::slots()
            .map(|slot| {
                let (at, text) = shared_memory::last_error(slot).unzip();
                let activity = &slot.activity;
                (
                    database_name(slot.database()),
                    slot.deliverer.pid(),
                    slot.folder.pid(),
                    state(slot),
                    activity.delivered.load(Ordering::Relaxed) as i64,
                    time(&activity.last_delivery),
                    activity.folds.load(Ordering::Relaxed) as i64,
                    time(&activity.last_fold),
                    text,
                    at.and_then(timestamp),
                )
            })
            .collect();
        TableIterator::new(rows)
    })
}

fn state(slot: &Slot) -> &'static str {
    if slot.deliverer.pid().is_some() {
        "running"
    } else {
        "not running"
    }
}

fn time(time: &AtomicI64) -> Option<TimestampWithTimeZone> {
    Some(time.load(Ordering::Relaxed))
        .filter(|time| *time != 0)
        .and_then(timestamp)
}

fn timestamp(time: i64) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(time).ok()
}

fn database_name(database: pg_sys::Oid) -> Option<String> {
    // SAFETY: a catalog look-up, which gives NULL for a database that is gone.
    unsafe {
        let name = pg_sys::get_database_name(database);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}
