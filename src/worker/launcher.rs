//! The launcher: sees to it that every database with the extension has its workers.
//!
//! Which databases have it, only a process inside can tell. So the launcher starts a worker in each
//! database, which ends at once where there is nothing to do. It is started again when the extension
//! is created there, as that command tells; the repeated look is the net under it.

use pgrx::bgworkers::{BackgroundWorkerStatus, DynamicBackgroundWorker};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::databases::{self, Database};
use super::process;
use crate::error::Failure;
use crate::settings;
use crate::shared_memory::{self, Outcome, Process, Slot};

/// Databases that are looked into for the first time at the same time: workers of others must not
/// wait until hundreds of them have been.
const PROBES: usize = 2;
/// A database without the extension is looked at again after the nap time, then twice that, …
const LONGEST_NAP: Duration = Duration::from_secs(3600);
/// How soon it is tried again when there is no room for a worker, or a command holds a database.
const RETRY: Duration = Duration::from_secs(2);
/// A worker that lived this long did not fail at once.
const STABLE: Duration = Duration::from_secs(60);

pub fn main() {
    process::connect(super::LAUNCHER, None);
    let Some(shared) = shared_memory::shared() else {
        process::finish();
    };
    if !process::become_the(&shared.launcher) {
        process::finish();
    }
    let mut launcher = Launcher::default();
    loop {
        // Slots first: a database that has one and is not listed afterwards was dropped.
        let slots: Vec<_> = shared_memory::slots().collect();
        let nap = match process::transaction("looking for databases", || Ok(databases::all())) {
            Ok(databases) => {
                for slot in slots {
                    let is_there = |one: &Database| one.oid == slot.database();
                    if !databases.iter().any(is_there) {
                        shared_memory::release_slot(slot);
                    }
                }
                launcher.supervise(&databases)
            }
            Err(failure) => {
                failure.warn();
                settings::worker_naptime()
            }
        };
        process::wait(nap);
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Deliverer,
    Folder,
}

impl Kind {
    fn process(self, slot: &Slot) -> &Process {
        match self {
            Self::Deliverer => &slot.deliverer,
            Self::Folder => &slot.folder,
        }
    }

    fn is_running(self, slot: Option<&Slot>) -> bool {
        slot.is_some_and(|slot| self.process(slot).pid().is_some())
    }

    /// Whether it should run, as far as is known without looking into the database.
    fn is_wanted(self, slot: Option<&Slot>) -> bool {
        match self {
            Self::Deliverer => true,
            Self::Folder => {
                settings::fold_interval().is_some()
                    && slot.is_some_and(|slot| slot.has_ledgers.load(Ordering::SeqCst))
            }
        }
    }

    fn start(self, database: &Database) -> Option<DynamicBackgroundWorker> {
        let (name, function) = match self {
            Self::Deliverer => (super::DELIVERER, "inventory_perf_deliverer"),
            Self::Folder => (super::FOLDER, "inventory_perf_folder"),
        };
        super::builder(name, function)
            .set_argument(Some(pg_sys::Datum::from(database.oid)))
            // SAFETY: reads a variable of this process.
            .set_notify_pid(unsafe { pg_sys::MyProcPid })
            .load_dynamic()
            .ok()
    }
}

#[derive(Default)]
struct Launcher {
    known: HashMap<pg_sys::Oid, [Role; 2]>,
    has_warned: bool,
}

/// One worker of a database: the process that was started for it, and when the next one may be.
struct Role {
    kind: Kind,
    started: Option<(DynamicBackgroundWorker, Instant)>,
    not_before: Instant,
    failures: Backoff,
    naps: Backoff,
}

impl Launcher {
    /// Starts what is missing. Returns how long to sleep if nothing happens.
    fn supervise(&mut self, databases: &[Database]) -> Duration {
        let exists = |oid| databases.iter().any(|database| database.oid == oid);
        self.known.retain(|oid, _| exists(*oid));
        let mut nap = settings::worker_naptime();
        let mut probes = self.probes();
        for database in databases {
            let slot = shared_memory::find_slot(database.oid);
            let roles = self.known.entry(database.oid).or_insert_with(Role::both);
            let is_news = slot.is_some_and(|slot| slot.probe.swap(false, Ordering::SeqCst));
            for role in roles {
                role.settle(slot);
                if is_news {
                    role.forget_failures();
                }
                if role.started.is_some()
                    || !database.takes_workers
                    || !role.kind.is_wanted(slot)
                    || role.kind.is_running(slot)
                {
                    continue;
                }
                let wait = role.not_before.saturating_duration_since(Instant::now());
                if !wait.is_zero() {
                    nap = nap.min(wait);
                } else if shared_memory::is_held(database.oid) {
                    nap = nap.min(RETRY);
                } else if slot.is_some() || probes < PROBES {
                    // otherwise the end of a probe wakes the launcher
                    probes += usize::from(slot.is_none());
                    if role.start(database, slot) {
                        self.has_warned = false;
                    } else {
                        nap = nap.min(RETRY);
                        if !std::mem::replace(&mut self.has_warned, true) {
                            no_room(database).warn();
                        }
                    }
                }
            }
        }
        nap
    }

    /// Databases whose first look has not ended.
    fn probes(&self) -> usize {
        let is_probed = |(oid, roles): (&pg_sys::Oid, &[Role; 2])| {
            roles.iter().any(|role| role.started.is_some())
                && shared_memory::find_slot(*oid).is_none()
        };
        self.known.iter().filter(|one| is_probed(*one)).count()
    }
}

fn no_room(database: &Database) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        format!(
            "no background worker can be started for database \"{}\"",
            database.name
        ),
    )
    .detail("Until one can, nothing is delivered or folded there by itself; no change is lost.")
    .hint("Increase max_worker_processes, or call inventory_perf.deliver_invalidations() and inventory_perf.populate_daily_stock_snapshots().")
}

impl Role {
    fn both() -> [Self; 2] {
        [Kind::Deliverer, Kind::Folder].map(|kind| Self {
            kind,
            started: None,
            not_before: Instant::now(),
            failures: Backoff::default(),
            naps: Backoff::default(),
        })
    }

    fn forget_failures(&mut self) {
        self.not_before = Instant::now();
        self.failures.reset();
        self.naps.reset();
    }

    /// Learns how the process ended that was started, if it did.
    fn settle(&mut self, slot: Option<&Slot>) {
        let Some((handle, since)) = &self.started else {
            return;
        };
        let lived = since.elapsed();
        match handle.pid() {
            Ok(_) | Err(BackgroundWorkerStatus::NotYetStarted) => return,
            Err(_) => self.started = None,
        }
        // Without a slot it never found the extension.
        let outcome = slot.map_or(Outcome::NotNeeded, |slot| self.kind.process(slot).outcome());
        let delay = match outcome {
            Outcome::MadeRoom => Duration::ZERO,
            Outcome::NotNeeded => self.naps.next(settings::worker_naptime(), LONGEST_NAP),
            Outcome::Died => {
                if lived >= STABLE {
                    self.failures.reset();
                }
                self.failures
                    .next(Duration::from_secs(1), Duration::from_secs(30))
            }
        };
        self.not_before = Instant::now() + delay;
    }

    fn start(&mut self, database: &Database, slot: Option<&Slot>) -> bool {
        if let Some(slot) = slot {
            self.kind.process(slot).expect_outcome();
        }
        self.started = self
            .kind
            .start(database)
            .map(|handle| (handle, Instant::now()));
        self.started.is_some()
    }
}
