//! What the processes of one server share: who delivers for which database, and counters.
//!
//! It is there only when `shared_preload_libraries` names the library. Everything here is atomics
//! of fixed size; the lock is taken to give a slot to a database and to read or write error texts,
//! never on the way of a statement that writes.

mod wakes;

use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::{PGRXSharedMemory, PgAtomic, PgLwLock};
use std::cell::Cell;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

pub use self::wakes::{probe_at_commit, wake_at_commit, wake_launcher_at_end};

/// Databases that can have a slot. One more gets no wake-ups and no shared counters.
pub const DATABASES: usize = 128;
/// Counters of a slot, for the statistics of the cache.
pub const COUNTERS: usize = 64;
/// Commands that can keep workers out of a database at the same time.
const HOLDS: usize = 64;
const ERROR_LENGTH: usize = 256;

/// How a background process ended.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It never said: an error or a signal ended it.
    Died = 0,
    /// There was nothing for it to do in this database.
    NotNeeded = 1,
    /// A command wants the database for itself.
    MadeRoom = 2,
}

/// A background process, while there is one.
pub struct Process {
    pid: AtomicI32,
    latch: AtomicUsize,
    outcome: AtomicU8,
}

impl Process {
    const fn new() -> Self {
        Self {
            pid: AtomicI32::new(0),
            latch: AtomicUsize::new(0),
            outcome: AtomicU8::new(Outcome::Died as u8),
        }
    }

    /// A process is about to be started: what became of the one before is settled.
    pub fn expect_outcome(&self) {
        self.set_outcome(Outcome::Died);
    }

    pub fn set_outcome(&self, outcome: Outcome) {
        self.outcome.store(outcome as u8, Ordering::SeqCst);
    }

    pub fn outcome(&self) -> Outcome {
        match self.outcome.load(Ordering::SeqCst) {
            1 => Outcome::NotNeeded,
            2 => Outcome::MadeRoom,
            _ => Outcome::Died,
        }
    }

    pub fn pid(&self) -> Option<i32> {
        Some(self.pid.load(Ordering::SeqCst)).filter(|pid| *pid != 0)
    }

    /// Makes this process the one, unless there is one.
    pub fn take(&self) -> bool {
        // SAFETY: variables of this process, set before its main function runs.
        let (pid, latch) = unsafe { (pg_sys::MyProcPid, pg_sys::MyLatch as usize) };
        let taken = self
            .pid
            .compare_exchange(0, pid, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok();
        if taken {
            self.latch.store(latch, Ordering::SeqCst);
        }
        taken
    }

    /// Undoes `take`, if this process is the one.
    pub fn leave(&self) {
        // SAFETY: reads a variable of this process.
        let pid = unsafe { pg_sys::MyProcPid };
        if self.pid.load(Ordering::SeqCst) == pid {
            self.latch.store(0, Ordering::SeqCst);
            self.pid.store(0, Ordering::SeqCst);
        }
    }

    pub fn wake(&self) {
        let latch = self.latch.load(Ordering::SeqCst) as *mut pg_sys::Latch;
        if !latch.is_null() {
            // SAFETY: a latch of the array of processes, which lives as long as the server. Should
            // another process own it by now, it wakes up for nothing, which latches allow.
            unsafe { pg_sys::SetLatch(latch) };
        }
    }
}

/// What is known of one database.
#[repr(C, align(128))]
pub struct Slot {
    database: AtomicU32,
    /// An invalidation was committed since the deliverer looked last.
    pub has_news: AtomicBool,
    /// The launcher should see whether the database has the extension.
    pub probe: AtomicBool,
    /// A reader met a store that is not the confirmed one.
    pub is_doubted: AtomicBool,
    /// There are ledgers to fold.
    pub has_ledgers: AtomicBool,
    /// Batches of invalidations that the store has confirmed since the server started.
    pub batches: AtomicU64,
    pub deliverer: Process,
    pub folder: Process,
    pub activity: Activity,
    pub breaker: Breaker,
    pub counters: [AtomicU64; COUNTERS],
}

/// What the workers of a database did since the server started. Times are of type timestamptz.
pub struct Activity {
    pub delivered: AtomicU64,
    pub last_delivery: AtomicI64,
    pub folds: AtomicU64,
    pub last_fold: AtomicI64,
    pub last_error: AtomicI64,
}

/// Whether calls to Redis are worth trying, for every backend of a database.
pub struct Breaker {
    pub failures: AtomicU32,
    /// A timestamptz, or 0 while closed.
    pub open_until: AtomicI64,
    /// Who tries, as long as it is open.
    pub probing: AtomicI32,
}

impl Slot {
    const fn new() -> Self {
        Self {
            database: AtomicU32::new(0),
            has_news: AtomicBool::new(false),
            probe: AtomicBool::new(false),
            is_doubted: AtomicBool::new(false),
            has_ledgers: AtomicBool::new(false),
            batches: AtomicU64::new(0),
            deliverer: Process::new(),
            folder: Process::new(),
            activity: Activity {
                delivered: AtomicU64::new(0),
                last_delivery: AtomicI64::new(0),
                folds: AtomicU64::new(0),
                last_fold: AtomicI64::new(0),
                last_error: AtomicI64::new(0),
            },
            breaker: Breaker {
                failures: AtomicU32::new(0),
                open_until: AtomicI64::new(0),
                probing: AtomicI32::new(0),
            },
            counters: [const { AtomicU64::new(0) }; COUNTERS],
        }
    }

    pub fn database(&self) -> pg_sys::Oid {
        pg_sys::Oid::from(self.database.load(Ordering::SeqCst))
    }

    fn clear(&self) {
        for counter in &self.counters {
            counter.store(0, Ordering::Relaxed);
        }
        let activity = &self.activity;
        activity.delivered.store(0, Ordering::Relaxed);
        activity.folds.store(0, Ordering::Relaxed);
        for time in [
            &activity.last_delivery,
            &activity.last_fold,
            &activity.last_error,
            &self.breaker.open_until,
        ] {
            time.store(0, Ordering::Relaxed);
        }
        self.batches.store(0, Ordering::Relaxed);
        self.breaker.failures.store(0, Ordering::Relaxed);
        self.breaker.probing.store(0, Ordering::Relaxed);
        for flag in [
            &self.has_news,
            &self.probe,
            &self.is_doubted,
            &self.has_ledgers,
        ] {
            flag.store(false, Ordering::Relaxed);
        }
    }
}

/// A command that keeps workers out of a database while it runs.
struct Hold {
    pid: AtomicI32,
    database: AtomicU32,
}

pub struct Shared {
    pub launcher: Process,
    slots: [Slot; DATABASES],
    holds: [Hold; HOLDS],
}

// SAFETY: atomics of fixed size; the latches are addresses in shared memory, the same everywhere.
unsafe impl PGRXSharedMemory for Shared {}

impl Shared {
    const fn new() -> Self {
        Self {
            launcher: Process::new(),
            slots: [const { Slot::new() }; DATABASES],
            holds: [const {
                Hold {
                    pid: AtomicI32::new(0),
                    database: AtomicU32::new(0),
                }
            }; HOLDS],
        }
    }
}

/// The last error of each slot's workers: length and UTF-8 text.
#[derive(Clone, Copy)]
struct ErrorText {
    length: usize,
    text: [u8; ERROR_LENGTH],
}

struct Texts([ErrorText; DATABASES]);

// SAFETY: plain bytes.
unsafe impl PGRXSharedMemory for Texts {}

impl Texts {
    const fn new() -> Self {
        Self(
            [ErrorText {
                length: 0,
                text: [0; ERROR_LENGTH],
            }; DATABASES],
        )
    }
}

// SAFETY: no other shared memory has these names.
static SHARED: PgAtomic<Shared> = unsafe { PgAtomic::new(c"inventory_perf") };
// SAFETY: as above.
static TEXTS: PgLwLock<Texts> = unsafe { PgLwLock::new(c"inventory_perf_errors") };
static IS_AVAILABLE: AtomicBool = AtomicBool::new(false);

/// Called while the library is loaded.
#[expect(
    unexpected_cfgs,
    reason = "the macro asks for versions that pgrx still knows"
)]
pub fn register() {
    // SAFETY: reads a variable of the server.
    if !unsafe { pg_sys::process_shared_preload_libraries_in_progress } {
        return;
    }
    IS_AVAILABLE.store(true, Ordering::Relaxed);
    pgrx::pg_shmem_init!(SHARED = Shared::new());
    pgrx::pg_shmem_init!(TEXTS = Texts::new());
}

/// Whether the library is loaded through `shared_preload_libraries`.
pub fn is_available() -> bool {
    IS_AVAILABLE.load(Ordering::Relaxed)
}

pub fn shared() -> Option<&'static Shared> {
    is_available().then(|| SHARED.get())
}

/// Every slot that belongs to a database.
pub fn slots() -> impl Iterator<Item = &'static Slot> {
    shared()
        .into_iter()
        .flat_map(|shared| shared.slots.iter())
        .filter(|slot| slot.database() != pg_sys::InvalidOid)
}

/// The slot of a database that has one.
pub fn find_slot(database: pg_sys::Oid) -> Option<&'static Slot> {
    slots().find(|slot| slot.database() == database)
}

/// The slot of a database, given to it now if need be. None when all are taken.
pub fn slot_of(database: pg_sys::Oid) -> Option<&'static Slot> {
    let shared = shared()?;
    if let Some(slot) = find_slot(database) {
        return Some(slot);
    }
    let _lock = TEXTS.exclusive();
    if let Some(slot) = find_slot(database) {
        return Some(slot);
    }
    let free = shared
        .slots
        .iter()
        .find(|slot| slot.database() == pg_sys::InvalidOid)?;
    free.clear();
    free.database.store(database.to_u32(), Ordering::SeqCst);
    Some(free)
}

/// Takes the slot from a database that was dropped.
pub fn release_slot(slot: &Slot) {
    let _lock = TEXTS.exclusive();
    slot.database.store(0, Ordering::SeqCst);
}

/// The slot of the database that this process is connected to.
pub fn this_slot() -> Option<&'static Slot> {
    thread_local! {
        static SLOT: Cell<Option<&'static Slot>> = const { Cell::new(None) };
    }
    if let Some(slot) = SLOT.get() {
        return Some(slot);
    }
    // SAFETY: reads a variable of this process. A process stays with its database, and a database
    // with processes in it cannot be dropped, so its slot stays the same.
    let database = unsafe { pg_sys::MyDatabaseId };
    if database == pg_sys::InvalidOid {
        return None;
    }
    let slot = slot_of(database);
    SLOT.set(slot);
    slot
}

fn index_of(slot: &Slot) -> Option<usize> {
    shared()?
        .slots
        .iter()
        .position(|one| std::ptr::eq(one, slot))
}

/// Records an error of a worker, cut to what fits.
pub fn record_error(slot: &Slot, text: &str) {
    let Some(index) = index_of(slot) else { return };
    let mut length = text.len().min(ERROR_LENGTH);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    let mut texts = TEXTS.exclusive();
    let error = &mut texts.0[index];
    error.length = length;
    error.text[..length].copy_from_slice(&text.as_bytes()[..length]);
    drop(texts);
    slot.activity.last_error.store(now(), Ordering::Relaxed);
}

/// The last error of a database's workers, and when it happened.
pub fn last_error(slot: &Slot) -> Option<(i64, String)> {
    let at = slot.activity.last_error.load(Ordering::Relaxed);
    if at == 0 {
        return None;
    }
    let error = TEXTS.share().0[index_of(slot)?];
    let text = String::from_utf8_lossy(&error.text[..error.length]).into_owned();
    Some((at, text))
}

/// The present time as a timestamptz.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// A place in the table of holds, given back when dropped.
pub struct Held(&'static Hold);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.pid.store(0, Ordering::SeqCst);
    }
}

/// Keeps workers out of a database until the result is dropped or this process has ended. None
/// when too many commands do so already.
pub fn hold(database: pg_sys::Oid) -> Option<Held> {
    // SAFETY: reads a variable of this process.
    let pid = unsafe { pg_sys::MyProcPid };
    let hold = shared()?.holds.iter().find(|hold| {
        // the rest of a process that ended in the middle of its command
        let other = hold.pid.load(Ordering::SeqCst);
        (other == 0 || !is_backend(other))
            && hold
                .pid
                .compare_exchange(other, pid, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
    })?;
    hold.database.store(database.to_u32(), Ordering::SeqCst);
    Some(Held(hold))
}

/// Whether a running command wants a database without workers.
pub fn is_held(database: pg_sys::Oid) -> bool {
    shared().is_some_and(|shared| {
        shared.holds.iter().any(|hold| {
            let pid = hold.pid.load(Ordering::SeqCst);
            pid != 0 && hold.database.load(Ordering::SeqCst) == database.to_u32() && is_backend(pid)
        })
    })
}

fn is_backend(pid: i32) -> bool {
    // SAFETY: a look at the array of processes, by value.
    !unsafe { pg_sys::BackendPidGetProc(pid) }.is_null()
}

pub fn wake_launcher() {
    if let Some(shared) = shared() {
        shared.launcher.wake();
    }
}
