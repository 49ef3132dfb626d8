//! Whether calls to Redis are worth trying. After repeated failures nobody asks for a while, and
//! then one at a time, until one succeeds. Shared by all backends of a database when the library
//! is preloaded, else each has its own.

use pgrx::pg_sys;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, Ordering};

use crate::settings;
use crate::shared_memory::{self, Breaker};

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It works as far as anybody knows.
    Closed,
    /// It failed, and this caller finds out whether it still does.
    Probe,
    Open,
}

impl Permit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Probe => "half open",
            Self::Open => "open",
        }
    }
}

static OWN: Breaker = Breaker {
    failures: AtomicU32::new(0),
    open_until: AtomicI64::new(0),
    probing: AtomicI32::new(0),
};

fn breaker() -> &'static Breaker {
    shared_memory::this_slot().map_or(&OWN, |slot| &slot.breaker)
}

fn this_process() -> i32 {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::MyProcPid }
}

fn is_open(breaker: &Breaker) -> bool {
    breaker.open_until.load(Ordering::Relaxed) > shared_memory::now()
}

fn has_tripped(breaker: &Breaker) -> bool {
    breaker.failures.load(Ordering::Relaxed) >= settings::CACHE_BREAKER_FAILURES.get() as u32
}

/// What `ask` would say, without taking the probe.
pub fn state() -> Permit {
    let breaker = breaker();
    match (has_tripped(breaker), is_open(breaker)) {
        (false, _) => Permit::Closed,
        (true, true) => Permit::Open,
        (true, false) => Permit::Probe,
    }
}

/// A caller that gets `Probe` reports what came of it with `succeeded` or `failed`. One that does
/// not, because it ended, blocks the next for one pause.
pub fn ask() -> Permit {
    let breaker = breaker();
    let permit = state();
    if permit != Permit::Probe {
        return permit;
    }
    let before = breaker.open_until.load(Ordering::Relaxed);
    // whoever moves the end of the pause has the probe
    let taken = breaker
        .open_until
        .compare_exchange(before, pause_end(), Ordering::Relaxed, Ordering::Relaxed)
        .is_ok();
    if !taken {
        return Permit::Open;
    }
    breaker.probing.store(this_process(), Ordering::Relaxed);
    Permit::Probe
}

pub fn succeeded() {
    let breaker = breaker();
    if breaker.failures.load(Ordering::Relaxed) != 0 {
        breaker.failures.store(0, Ordering::Relaxed);
        breaker.open_until.store(0, Ordering::Relaxed);
        breaker.probing.store(0, Ordering::Relaxed);
    }
}

pub fn failed() {
    let breaker = breaker();
    let count = breaker.failures.load(Ordering::Relaxed).saturating_add(1);
    breaker.failures.store(count, Ordering::Relaxed);
    if has_tripped(breaker) {
        breaker.open_until.store(pause_end(), Ordering::Relaxed);
        breaker.probing.store(0, Ordering::Relaxed);
    }
}

fn pause_end() -> i64 {
    shared_memory::now() + i64::from(settings::CACHE_BREAKER_PAUSE.get()) * 1_000
}
