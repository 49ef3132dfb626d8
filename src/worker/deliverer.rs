//! The worker of a database that delivers invalidations, and does what has to be done beside it.

use pgrx::pg_sys;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::pace::{self, Next};
use super::process;
use super::vacuum::Vacuum;
use crate::cache::delivery::{self, BatchSize, Delivered};
use crate::cache::events;
use crate::error::Failure;
use crate::ledger::registry;
use crate::settings;
use crate::shared_memory::{self, Outcome, Slot};

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often it looks whether there are ledgers to fold.
const LEDGERS_INTERVAL: Duration = Duration::from_secs(5);
/// An error that goes on is logged once in so long.
const QUIET: Duration = Duration::from_secs(60);

pub fn main(database: pg_sys::Oid) {
    process::connect(super::DELIVERER, Some(database));
    let is_here = process::transaction("looking for the extension", || Ok(process::is_ready()));
    if !matches!(is_here, Ok(true)) {
        if let Some(slot) = shared_memory::find_slot(database) {
            slot.deliverer.set_outcome(Outcome::NotNeeded);
        }
        process::finish();
    }
    let Some(slot) = shared_memory::this_slot() else {
        pgrx::warning!(
            "inventory_perf serves no more than {} databases by itself",
            shared_memory::DATABASES
        );
        process::finish();
    };
    if process::become_the(&slot.deliverer) {
        Deliverer::new(slot).run();
    }
    process::finish();
}

struct Deliverer {
    slot: &'static Slot,
    size: BatchSize,
    backoff: Backoff,
    last_logged: Option<(String, Instant)>,
    next_lease: Instant,
    last_lease: Option<Instant>,
    next_look: Instant,
    vacuum: Vacuum,
}

impl Deliverer {
    fn new(slot: &'static Slot) -> Self {
        Self {
            slot,
            size: BatchSize::default(),
            backoff: Backoff::default(),
            last_logged: None,
            next_lease: Instant::now(),
            last_lease: None,
            next_look: Instant::now(),
            vacuum: Vacuum::default(),
        }
    }

    fn run(&mut self) {
        loop {
            process::stop_or_reload();
            if shared_memory::is_held(self.slot.database()) {
                process::finish_with(&self.slot.deliverer, Outcome::MadeRoom);
            }
            // Cleared before looking: what is committed from now on sets it again.
            let has_news = self.slot.has_news.swap(false, Ordering::SeqCst);
            let pause = match self.step(has_news) {
                Ok(next) => {
                    self.backoff.reset();
                    match next {
                        Next::AtOnce => continue,
                        Next::Gather => {
                            self.gather();
                            continue;
                        }
                        Next::Wait => self.idle_pause(),
                    }
                }
                Err(failure) => {
                    self.leave_if_dropped();
                    self.report(failure);
                    self.backoff.next(SHORTEST_PAUSE, LONGEST_PAUSE)
                }
            };
            if self.backoff.is_failing() {
                self.sit_out(pause);
            } else if !self.slot.has_news.load(Ordering::SeqCst) {
                process::wait(pause);
            }
        }
    }

    /// One batch, and what is due beside it.
    fn step(&mut self, has_news: bool) -> Result<Next, Failure> {
        let (slot, size) = (self.slot, &self.size);
        let delivered = process::transaction("delivering invalidations", || {
            if !process::is_ready() {
                process::finish_with(&slot.deliverer, Outcome::NotNeeded);
            }
            if has_news || delivery::has_rows()? {
                delivery::deliver(size)
            } else {
                Ok(Delivered::default())
            }
        })?;
        self.size.learn(&delivered);
        if delivered.rows > 0 {
            let activity = &self.slot.activity;
            activity
                .delivered
                .fetch_add(delivered.rows, Ordering::Relaxed);
            activity
                .last_delivery
                .store(shared_memory::now(), Ordering::Relaxed);
            self.vacuum.count(delivered.rows);
        }
        if !delivered.told.is_empty() {
            // In a transaction of its own: what is invalid never waits for what is told about it.
            let published =
                process::transaction("publishing events", || events::publish(&delivered.told));
            if let Err(failure) = published {
                self.report(failure);
            }
        }
        if slot.is_doubted.swap(false, Ordering::SeqCst) {
            // A reader asks for a look at the store; many of them get no more than a few.
            let soon = self.last_lease.map(|last| last + SHORTEST_PAUSE);
            self.next_lease = self.next_lease.min(soon.unwrap_or_else(Instant::now));
        }
        if Instant::now() >= self.next_lease {
            self.last_lease = Some(Instant::now());
            self.next_lease = Instant::now() + settings::cache_lease() / 3;
            process::transaction("renewing the lease", delivery::renew_lease)?;
        }
        if Instant::now() >= self.next_look {
            self.next_look = Instant::now() + LEDGERS_INTERVAL;
            self.look_for_ledgers()?;
        }
        let next = Next::after(delivered.rows, delivered.is_full);
        if next != Next::AtOnce {
            self.vacuum.run_if_due("inventory_perf.cache_outbox")?;
        }
        Ok(next)
    }

    /// Lets commits gather. As there will be a look at the outbox in any case, none of them has to
    /// wake this process.
    fn gather(&self) {
        self.slot.has_news.store(true, Ordering::SeqCst);
        std::thread::sleep(pace::GATHERING);
    }

    fn idle_pause(&self) -> Duration {
        let lease = self.next_lease.saturating_duration_since(Instant::now());
        settings::outbox_poll_interval().min(lease)
    }

    /// After a failure: news do not cut the pause short, as every commit brings some.
    fn sit_out(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while let Some(left) = until.checked_duration_since(Instant::now())
            && !left.is_zero()
            && !shared_memory::is_held(self.slot.database())
        {
            process::wait(left);
        }
    }

    fn look_for_ledgers(&self) -> Result<(), Failure> {
        let has_ledgers =
            process::transaction("looking for ledgers", || Ok(!registry::all()?.is_empty()))?;
        if self.slot.has_ledgers.swap(has_ledgers, Ordering::SeqCst) != has_ledgers {
            shared_memory::wake_launcher();
        }
        Ok(())
    }

    /// The failure may have been that the extension was being dropped.
    fn leave_if_dropped(&self) {
        let is_here = process::transaction("looking for the extension", || Ok(process::is_ready()));
        if matches!(is_here, Ok(false)) {
            process::finish_with(&self.slot.deliverer, Outcome::NotNeeded);
        }
    }

    fn report(&mut self, failure: Failure) {
        let is_known = self
            .last_logged
            .as_ref()
            .is_some_and(|(text, at)| text == failure.message() && at.elapsed() < QUIET);
        if is_known {
            shared_memory::record_error(self.slot, failure.message());
        } else {
            self.last_logged = Some((failure.message().to_owned(), Instant::now()));
            process::report(self.slot, failure);
        }
    }
}
