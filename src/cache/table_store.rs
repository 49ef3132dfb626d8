//! The store in tables of the database, for when no Redis is configured.
//!
//! Everything is read with the caller's snapshot, so what was delivered before it is gone in it.
//! What a fill writes becomes visible with its transaction. A stamp counts only for snapshots taken
//! after the transaction that made it: until then a delivery would not see it.
//!
//! Who delivers gives stamps new values instead of removing them, so that the next fill finds one
//! that counts already. Its time to live only says when a stamp may be swept away: a stamp that is
//! there is good.
//!
//! Nobody waits: sessions only insert stamps, one transaction at a time writes under a name, and others
//! leave it. Stamps are changed and deleted by who delivers alone, and entries that are locked are left to
//! their stamps.

mod room;

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::spi::{SpiClient, SpiTupleTable};
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use super::names::{EntryName, PatternKind, StampName};
use super::store::{
    Delivered, Delivery, Identity, Reading, Result, ScanPosition, ScanStep, ServerStatus, Store,
    StoreError, StoredEntry, StoredReading, Trouble,
};
use super::{entry, matching, random};
use crate::security;
use room::{STAMP_BYTES, have_stamps_room, make_room, stamps_cap};

/// In place of the run of a server.
pub const RUN_ID: &str = "tables";
/// Between two looks of a session for what may be swept away.
const SWEEP: Duration = Duration::from_secs(60);
/// A stamp is shared by what others store later, for longer than the first one asked for.
const SHORTEST_STAMP: Duration = Duration::from_secs(24 * 60 * 60);

/// A transaction loses nothing of what it sees: nothing has to be counted.
const BATCHES: Option<u64> = Some(u64::MAX);

pub struct TableStore;

fn stamp_name(name: &StampName) -> String {
    match name {
        StampName::Key(key) => format!("key:{key}"),
        StampName::Tag(tag) => format!("tag:{tag}"),
    }
}

fn entry_name(name: &EntryName) -> String {
    match name {
        EntryName::Key(key) => format!("key:{key}"),
        EntryName::Query(digest) => format!("query:{digest}"),
    }
}

fn from_spi(error: pgrx::spi::Error) -> StoreError {
    StoreError::new(Trouble::Database, error.to_string())
}

fn as_owner<R>(work: impl FnOnce() -> std::result::Result<R, pgrx::spi::Error>) -> Result<R> {
    let owner = security::owner_of_tables().map_err(|_| {
        StoreError::new(
            Trouble::Database,
            "the extension is not installed in this database",
        )
    })?;
    security::run_as(owner, work).map_err(from_spi)
}

fn select<R>(
    query: &str,
    arguments: &[DatumWithOid],
    read: impl FnOnce(SpiTupleTable) -> std::result::Result<R, pgrx::spi::Error>,
) -> Result<R> {
    as_owner(|| Spi::connect(|client| read(client.select(query, None, arguments)?)))
}

fn write<R>(
    work: impl FnOnce(&mut SpiClient) -> std::result::Result<R, pgrx::spi::Error>,
) -> Result<R> {
    as_owner(|| Spi::connect_mut(work))
}

/// Until the end of the transaction; false if another transaction has it. Nobody else can take such a
/// lock: it is one of the extension itself, with a number that PostgreSQL never uses. Of names that
/// share a number one has to wait for its turn, so that a transaction cannot take too many.
fn try_lock(what: &str, name: &str) -> bool {
    const LOCKS: u64 = 4_096;
    let mut hasher = std::hash::DefaultHasher::new();
    (what, name).hash(&mut hasher);
    let number = FIRST_LOCK + (hasher.finish() % LOCKS) as u16;
    // SAFETY: a look-up by name, and a lock that is released at the end of the transaction.
    unsafe {
        let extension = pg_sys::get_extension_oid(c"inventory_perf".as_ptr(), true);
        pg_sys::ConditionalLockDatabaseObject(
            pg_sys::ExtensionRelationId,
            extension,
            number,
            pg_sys::ExclusiveLock as pg_sys::LOCKMODE,
        )
    }
}

/// The lock of whoever makes an epoch has a lower number.
const FIRST_LOCK: u16 = 16;

fn may_write() -> bool {
    // SAFETY: reads a variable of the server.
    !unsafe { pg_sys::XactReadOnly }
}

fn present_stamps(names: Vec<String>) -> Result<HashMap<String, String>> {
    select(
        "SELECT s.name, s.stamp FROM inventory_perf.cache_stamps s WHERE s.name = ANY ($1)",
        &[names.into()],
        |rows| {
            let mut found = HashMap::new();
            for row in rows {
                if let (Some(name), Some(stamp)) = (row.get(1)?, row.get(2)?) {
                    found.insert(name, stamp);
                }
            }
            Ok(found)
        },
    )
}

/// None is an entry that has expired.
fn present_entries(names: Vec<String>) -> Result<HashMap<String, Option<Vec<u8>>>> {
    select(
        "SELECT e.name, CASE WHEN e.expires_at > pg_catalog.clock_timestamp() THEN e.value END \
         FROM inventory_perf.cache_entries e WHERE e.name = ANY ($1)",
        &[names.into()],
        |rows| {
            let mut found = HashMap::new();
            for row in rows {
                if let Some(name) = row.get(1)? {
                    found.insert(name, row.get(2)?);
                }
            }
            Ok(found)
        },
    )
}

fn present_epoch() -> Result<Option<String>> {
    select(
        "SELECT s.epoch FROM inventory_perf.cache_state s WHERE s.run_id = $1",
        &[RUN_ID.into()],
        |rows| {
            let row = rows.first();
            if row.is_empty() {
                Ok(None)
            } else {
                row.get_one::<String>()
            }
        },
    )
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

impl Store for TableStore {
    fn read(&mut self, entry: &EntryName, stamps: &[StampName]) -> Result<Reading> {
        let name = entry_name(entry);
        let found = present_entries(vec![name.clone()])?.remove(&name);
        let names: Vec<String> = stamps.iter().map(stamp_name).collect();
        let present = present_stamps(names.clone())?;
        Ok(Reading {
            is_expired: found == Some(None),
            entry: found.flatten(),
            epoch: present_epoch()?,
            stamps: names
                .iter()
                .map(|name| present.get(name).cloned())
                .collect(),
            run_id: RUN_ID.to_owned(),
            batches: BATCHES,
        })
    }

    fn read_stored(&mut self, entries: &[EntryName], _headers_only: bool) -> Result<StoredReading> {
        let found = present_entries(entries.iter().map(entry_name).collect())?;
        let stored: Vec<_> = entries
            .iter()
            .map(|name| {
                let entry = found.get(&entry_name(name)).cloned();
                let bytes = entry.as_ref().and_then(Option::as_deref);
                let stamps: Option<Vec<String>> = bytes.and_then(entry::decode).map(|entry| {
                    let stamps = entry.origin.stamps.iter();
                    stamps.map(|(name, _)| stamp_name(name)).collect()
                });
                (entry, stamps.unwrap_or_default())
            })
            .collect();
        let names = stored.iter().flat_map(|(_, names)| names.iter().cloned());
        let present = present_stamps(names.collect())?;
        Ok(StoredReading {
            entries: stored
                .into_iter()
                .map(|(entry, names)| StoredEntry {
                    is_expired: entry == Some(None),
                    entry: entry.flatten(),
                    stamps: names
                        .iter()
                        .map(|name| present.get(name).cloned())
                        .collect(),
                })
                .collect(),
            epoch: present_epoch()?,
            run_id: RUN_ID.to_owned(),
            batches: BATCHES,
        })
    }

    fn create_stamps(&mut self, names: &[StampName], ttl: Duration) -> Result<Option<Vec<String>>> {
        if !may_write() {
            return Ok(None);
        }
        let names: Vec<String> = names.iter().map(stamp_name).collect();
        let present = present_stamps(names.clone())?;
        let stamps: Vec<String> = names
            .iter()
            .filter_map(|name| present.get(name).cloned())
            .collect();
        if stamps.len() == names.len() {
            return Ok(Some(stamps));
        }
        let missing: Vec<String> = names
            .into_iter()
            .filter(|name| !present.contains_key(name))
            .collect();
        let bytes = missing.iter().map(|name| name.len() + STAMP_BYTES).sum();
        if !missing.iter().all(|name| try_lock("stamp", name)) || !have_stamps_room(bytes)? {
            return Ok(None);
        }
        let random: Vec<String> = missing.iter().map(|_| random::hex()).collect();
        write(|client| {
            client
                .update(
                    "INSERT INTO inventory_perf.cache_stamps (name, stamp, expires_at) \
                     SELECT n.name, n.random || ':x' || \
                            (pg_catalog.pg_current_xact_id()::text::numeric + 1)::text || ':', \
                            pg_catalog.clock_timestamp() \
                            + $3 * '1 second'::pg_catalog.interval \
                     FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) \
                          n (name, random) ON CONFLICT (name) DO NOTHING",
                    None,
                    &[
                        missing.into(),
                        random.into(),
                        seconds(ttl.max(SHORTEST_STAMP)).into(),
                    ],
                )
                .map(|_| ())
        })?;
        Ok(None)
    }

    fn write(&mut self, entries: &[(EntryName, Vec<u8>)], ttl: Duration) -> Result<()> {
        if !may_write() {
            return Ok(());
        }
        let mut bytes = 0;
        for (name, value) in entries {
            let name = entry_name(name);
            if try_lock("entry", &name) && store(name, value, ttl)? {
                bytes += value.len();
            }
        }
        make_room(bytes)
    }

    fn begin_fill(&mut self, digest: &str, _ttl: Duration) -> Result<bool> {
        Ok(try_lock("fill", digest))
    }

    /// The lock goes with the transaction.
    fn end_fill(&mut self, _digest: &str) -> Result<()> {
        Ok(())
    }

    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered> {
        let text = |name: &&[u8]| String::from_utf8_lossy(name).into_owned();
        let keys = delivery.keys.iter().map(text).map(StampName::Key);
        let tags = delivery.tags.iter().map(text).map(StampName::Tag);
        let entries = delivery.entries.iter().map(text).map(EntryName::Key);
        let stamps: Vec<String> = keys.chain(tags).map(|name| stamp_name(&name)).collect();
        let entries: Vec<String> = entries.map(|name| entry_name(&name)).collect();
        if !stamps.is_empty() || !entries.is_empty() {
            invalidate(stamps, entries)?;
        }
        sweep()?;
        Ok(Delivered {
            epoch: present_epoch()?,
            run_id: RUN_ID.to_owned(),
            batches: Some(delivery.batches),
        })
    }

    /// Nobody subscribes to tables.
    fn publish(&mut self, _events: &[(String, String)]) -> Result<()> {
        Ok(())
    }

    fn set_epoch(&mut self, _epoch: &str, _completed: u64, _batches: u64) -> Result<()> {
        write(|client| {
            client.update("DELETE FROM inventory_perf.cache_stamps", None, &[])?;
            client.update(
                "DELETE FROM inventory_perf.cache_entries e WHERE e.name = ANY (ARRAY( \
                     SELECT l.name FROM inventory_perf.cache_entries l FOR UPDATE SKIP LOCKED))",
                None,
                &[],
            )?;
            Ok(())
        })
    }

    fn identity(&mut self) -> Result<Identity> {
        Ok(Identity {
            run_id: RUN_ID.to_owned(),
            replication_id: String::new(),
            epoch: present_epoch()?,
            completed: Some(0),
            batches: BATCHES,
        })
    }

    /// Nobody reads the tables without looking into the outbox.
    fn renew_lease(&mut self, _epoch: &str, _batches: u64, _ttl: Duration) -> Result<bool> {
        Ok(true)
    }

    fn remove_matching(
        &mut self,
        kind: PatternKind,
        pattern: &str,
        _from: ScanPosition,
    ) -> Result<ScanStep> {
        let space = match kind {
            PatternKind::Key => "key:",
            PatternKind::Tag => "tag:",
        };
        let matching = |table: &str| {
            select(
                &format!(
                    "SELECT t.name FROM inventory_perf.{table} t \
                     WHERE pg_catalog.starts_with(t.name, $1)"
                ),
                &[space.into()],
                |rows| {
                    let mut names = Vec::new();
                    for row in rows {
                        names.extend(row.get::<String>(1)?.filter(|name| {
                            name.strip_prefix(space)
                                .is_some_and(|name| matching::matches(pattern, name))
                        }));
                    }
                    Ok(names)
                },
            )
        };
        let (stamps, entries) = (matching("cache_stamps")?, matching("cache_entries")?);
        let removed = (stamps.len() + entries.len()) as u64;
        invalidate(stamps, entries)?;
        Ok(ScanStep {
            removed,
            next: None,
        })
    }

    fn status(&mut self) -> Result<ServerStatus> {
        let started = Instant::now();
        Ok(ServerStatus {
            version: None,
            run_id: RUN_ID.to_owned(),
            epoch: present_epoch()?,
            batches: BATCHES,
            lease_left: None,
            latency: started.elapsed(),
        })
    }
}

/// Stores one entry, whose lock the transaction has. False if somebody is deleting the one that is there.
fn store(name: String, value: &[u8], ttl: Duration) -> Result<bool> {
    write(|client| {
        let arguments = [name.into(), value.into(), seconds(ttl).into()];
        let stored = client.update(
            include_str!("../../sql/cache/store_entry.sql"),
            None,
            &arguments,
        )?;
        Ok(!stored.is_empty())
    })
}

/// What depends on these stamps is invalid from now on, and these entries are gone. Like a stamp
/// that a session makes, a new value counts only for snapshots that see this transaction.
fn invalidate(stamps: Vec<String>, entries: Vec<String>) -> Result<()> {
    write(|client| {
        client.update(
            "UPDATE inventory_perf.cache_stamps s \
             SET stamp = $2 || ':x' || (pg_catalog.pg_current_xact_id()::text::numeric + 1)::text \
                            || ':' \
             WHERE s.name = ANY ($1)",
            None,
            &[stamps.into(), random::hex().into()],
        )?;
        client.update(
            "DELETE FROM inventory_perf.cache_entries e WHERE e.name = ANY (ARRAY( \
                 SELECT l.name FROM inventory_perf.cache_entries l WHERE l.name = ANY ($1) \
                 FOR UPDATE SKIP LOCKED))",
            None,
            &[entries.into()],
        )?;
        Ok(())
    })
}

/// Now and then who delivers removes what has expired.
fn sweep() -> Result<()> {
    thread_local! {
        static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    if LAST.get().is_some_and(|last| last.elapsed() < SWEEP) {
        return Ok(());
    }
    LAST.set(Some(Instant::now()));
    for table in ["cache_stamps", "cache_entries"] {
        write(|client| client.update(&delete_expired(table), None, &[]).map(|_| ()))?;
    }
    write(|client| {
        client
            .update(
                include_str!("../../sql/cache/make_room_for_stamps.sql"),
                None,
                &[(stamps_cap() as f64).into(), (STAMP_BYTES as i32).into()],
            )
            .map(|_| ())
    })
}

fn delete_expired(table: &str) -> String {
    format!(
        "DELETE FROM inventory_perf.{table} e WHERE e.name = ANY (ARRAY( \
             SELECT x.name FROM inventory_perf.{table} x \
             WHERE x.expires_at < pg_catalog.clock_timestamp() \
             LIMIT 10000 FOR UPDATE SKIP LOCKED))"
    )
}
