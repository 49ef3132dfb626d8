//! Which store, and since when, may be believed: the epoch and the run of the server, recorded in
//! the database, and the lease for applications that read the store themselves.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::sync::atomic::Ordering;

use super::{as_owner, call, is_true};
use crate::cache::random;
use crate::cache::store;
use crate::cache::validity;
use crate::error::Failure;
use crate::prepared::Prepared;
use crate::{settings, shared_memory};

/// What is recorded of the store.
pub struct State {
    pub epoch: String,
    run_id: String,
    replication_id: String,
    batches: i64,
}

impl State {
    /// As it is recorded, if that was since the server started; else a new epoch. What was
    /// delivered before a crash or a promotion is not known, and completion counts start again.
    pub fn confirmed() -> Result<Self, Failure> {
        thread_local! {
            static RECORDED: Prepared = const {
                Prepared::new(
                    "SELECT s.epoch, s.run_id, s.replication_id, s.batches \
                     FROM inventory_perf.cache_state s \
                     WHERE s.started_at = pg_catalog.pg_postmaster_start_time()",
                )
            };
        }
        let recorded = Spi::connect(|client| {
            RECORDED.with(|query| {
                query.with_plan(client, &[], |client, plan| {
                    let row = client.select(plan, Some(1), &[])?.first();
                    if row.is_empty() {
                        return Ok(None);
                    }
                    Ok(Some(Self {
                        epoch: row.get::<String>(1)?.unwrap_or_default(),
                        run_id: row.get::<String>(2)?.unwrap_or_default(),
                        replication_id: row.get::<String>(3)?.unwrap_or_default(),
                        batches: row.get::<i64>(4)?.unwrap_or_default(),
                    }))
                })
            })
        })?;
        match recorded {
            Some(state) => Ok(state),
            None => Self::begin(),
        }
    }

    /// Makes everything in the store invalid, and records the epoch from which on it is valid
    /// again. In between no reader is served: the two differ.
    pub fn begin() -> Result<Self, Failure> {
        lock()?;
        let epoch = random::hex();
        let completed = completed();
        let batches = store::confirmed_batches(0);
        let server = call(|store| {
            store.set_epoch(&epoch, completed, batches)?;
            store.identity()
        })?;
        let state = Self {
            epoch,
            run_id: server.run_id,
            replication_id: server.replication_id,
            batches: batches as i64,
        };
        Spi::connect_mut(|client| {
            client
                .update(
                    include_str!("../../../sql/delivery/record_epoch.sql"),
                    None,
                    &[
                        state.epoch.as_str().into(),
                        state.run_id.as_str().into(),
                        state.replication_id.as_str().into(),
                        state.batches.into(),
                    ],
                )
                .map(|_| ())
        })?;
        Ok(state)
    }

    /// Batches that the store has. To be read before the store is asked: others deliver as well.
    pub fn batches(&self) -> u64 {
        store::confirmed_batches(self.batches)
    }

    /// Whether it was the recorded store that took a batch, and it has the batches before; if so,
    /// from now on a store without this one is none to believe.
    pub fn confirm(&mut self, server: &store::Delivered) -> Result<bool, Failure> {
        let Some(batches) = server.batches else {
            return Ok(false);
        };
        if server.epoch.as_deref() != Some(&self.epoch) || server.run_id != self.run_id {
            return Ok(false);
        }
        if let Some(slot) = shared_memory::this_slot() {
            slot.batches.fetch_max(batches, Ordering::SeqCst);
        } else if batches as i64 > self.batches {
            self.batches = batches as i64;
            Spi::connect_mut(|client| {
                client
                    .update(
                        "UPDATE inventory_perf.cache_state s SET batches = $1 \
                         WHERE s.epoch = $2 AND s.batches < $1",
                        None,
                        &[self.batches.into(), self.epoch.as_str().into()],
                    )
                    .map(|_| ())
            })?;
        }
        Ok(true)
    }

    /// Whether this is the recorded store with at least so many batches.
    fn is_of(&self, server: &store::Identity, batches: u64) -> bool {
        server.epoch.as_deref() == Some(&self.epoch)
            && server.run_id == self.run_id
            && server.replication_id == self.replication_id
            && server.batches.is_some_and(|present| present >= batches)
            // what is not delivered yet cannot have been
            && server.completed.is_some_and(|number| number <= completed())
    }
}

/// One session at a time makes an epoch: else the store could end with one and the record with the
/// other's.
fn lock() -> Result<(), Failure> {
    // SAFETY: look-ups by name, and a lock that is released at the end of the transaction. The
    // sub-object number keeps it apart from the locks that PostgreSQL itself takes.
    let is_locked = unsafe {
        let extension = pg_sys::get_extension_oid(c"inventory_perf".as_ptr(), true);
        pg_sys::ConditionalLockDatabaseObject(
            pg_sys::ExtensionRelationId,
            extension,
            1,
            pg_sys::ExclusiveLock as pg_sys::LOCKMODE,
        )
    };
    if is_locked {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
        "another session is making a new epoch of the cache",
    )
    .hint("Try again when its transaction has ended."))
}

/// A transaction number above all that earlier statements saw committed.
pub fn completed() -> u64 {
    validity::upper_bound().0
}

/// Tells applications that read the store themselves that they may go on doing so, unless
/// something waits to be delivered for longer than they would notice.
pub fn renew_lease() -> Result<(), Failure> {
    as_owner(|| {
        let state = State::confirmed()?;
        let batches = state.batches();
        let server = call(|store| store.identity())?;
        if !state.is_of(&server, batches) {
            return State::begin().map(|_| ());
        }
        let lease = settings::cache_lease();
        let is_behind = is_true(
            "SELECT EXISTS (SELECT FROM inventory_perf.cache_outbox o WHERE o.captured_at < \
             pg_catalog.clock_timestamp() - $1 * '1 millisecond'::pg_catalog.interval)",
            &[(lease.as_millis() as f64).into()],
        )?;
        if !is_behind && !call(|store| store.renew_lease(&state.epoch, batches, lease))? {
            State::begin()?;
        }
        Ok(())
    })
}
