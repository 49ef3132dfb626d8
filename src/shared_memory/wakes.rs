//! Who is told when a transaction ends.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;
use std::sync::atomic::Ordering;

use super::{Slot, is_available, this_slot, wake_launcher};

thread_local! {
    static WAKES: Cell<Wakes> = const { Cell::new(Wakes::NOBODY) };
    static IS_REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// Who is told when the transaction ends.
#[derive(Clone, Copy)]
struct Wakes {
    /// After a commit.
    deliverer: Option<&'static Slot>,
    /// Whether the extension is in the database is to be found out, after a commit.
    probe: Option<&'static Slot>,
    /// In any case.
    launcher: bool,
}

impl Wakes {
    const NOBODY: Self = Self {
        deliverer: None,
        probe: None,
        launcher: false,
    };
}

/// Tells the database's worker of undelivered invalidations once this transaction has committed.
pub fn wake_at_commit() {
    remember(|wakes| wakes.deliverer = this_slot());
}

/// Has the launcher look for the extension in this database once this transaction has committed.
pub fn probe_at_commit() {
    remember(|wakes| {
        wakes.probe = this_slot();
        wakes.launcher = true;
    });
}

/// Has the launcher look at the databases again once this transaction has ended.
pub fn wake_launcher_at_end() {
    remember(|wakes| wakes.launcher = true);
}

fn remember(change: impl FnOnce(&mut Wakes)) {
    if is_available() {
        register_callback();
        let mut wakes = WAKES.get();
        change(&mut wakes);
        WAKES.set(wakes);
    }
}

fn register_callback() {
    if !IS_REGISTERED.replace(true) {
        // SAFETY: a static function, registered once for the life of this process.
        unsafe { pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut()) };
    }
}

/// Runs when the outcome is decided, so it must not fail: it reads and writes atomics and sets a
/// latch. After PREPARE TRANSACTION nobody is told: another session commits, and the worker's poll
/// finds it. That a rolled-back savepoint wakes the worker for nothing does no harm.
#[pg_guard]
unsafe extern "C-unwind" fn at_end(
    event: pg_sys::XactEvent::Type,
    _argument: *mut std::ffi::c_void,
) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PREPARE};
    if !matches!(
        event,
        XACT_EVENT_COMMIT | XACT_EVENT_ABORT | XACT_EVENT_PREPARE
    ) {
        return;
    }
    let wakes = WAKES.replace(Wakes::NOBODY);
    if event == XACT_EVENT_COMMIT {
        if let Some(slot) = wakes.deliverer
            && !slot.has_news.swap(true, Ordering::SeqCst)
        {
            slot.deliverer.wake();
        }
        if let Some(slot) = wakes.probe {
            slot.probe.store(true, Ordering::SeqCst);
        }
    }
    if wakes.launcher {
        wake_launcher();
    }
}
