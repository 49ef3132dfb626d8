//! The store in tables of the database, for when no Redis is configured.
//!
//! Everything is read with the caller's snapshot, so what was delivered before it is gone in it.
//! What a fill writes becomes visible with its transaction. A stamp counts only for snapshots taken
//! after the transaction that made it: until then a delivery would not see it.
//!
//! Nobody waits: sessions only insert stamps, one transaction at a time writes, and others leave
//! it. Stamps are deleted by who delivers alone, and entries that are locked are left to their
//! stamps.

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::spi::{SpiClient, SpiTupleTable};
use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::names::{EntryName, PatternKind, StampName};
use super::store::{
    Delivered, Delivery, Reading, Result, ScanPosition, ScanStep, ServerStatus, Store, StoreError,
    StoredEntry, StoredReading, Trouble,
};
use super::{entry, matching, random};
use crate::{security, settings};

/// In place of the run of a server.
pub const RUN_ID: &str = "tables";

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

/// Until the end of the transaction; false if another transaction has it.
fn try_lock(name: &str) -> Result<bool> {
    select(
        "SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))",
        &[format!("inventory_perf cache {name}").into()],
        |rows| rows.first().get_one::<bool>(),
    )
    .map(|taken| taken.unwrap_or(false))
}

fn may_write() -> Result<bool> {
    // SAFETY: reads a variable of the server.
    Ok(!unsafe { pg_sys::XactReadOnly } && try_lock("writer")?)
}

fn present_stamps(names: Vec<String>) -> Result<HashMap<String, String>> {
    by_name(
        "SELECT s.name, s.stamp FROM inventory_perf.cache_stamps s \
         WHERE s.name = ANY ($1) AND s.expires_at > pg_catalog.clock_timestamp()",
        names,
    )
}

fn present_entries(names: Vec<String>) -> Result<HashMap<String, Vec<u8>>> {
    by_name(
        "SELECT e.name, e.value FROM inventory_perf.cache_entries e \
         WHERE e.name = ANY ($1) AND e.expires_at > pg_catalog.clock_timestamp()",
        names,
    )
}

/// Names and what belongs to them, of a query for the names in $1.
fn by_name<V: FromDatum + IntoDatum>(
    query: &str,
    names: Vec<String>,
) -> Result<HashMap<String, V>> {
    select(query, &[names.into()], |rows| {
        let mut found = HashMap::new();
        for row in rows {
            if let (Some(name), Some(value)) = (row.get(1)?, row.get(2)?) {
                found.insert(name, value);
            }
        }
        Ok(found)
    })
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
        let entry = present_entries(vec![name.clone()])?.remove(&name);
        let names: Vec<String> = stamps.iter().map(stamp_name).collect();
        let present = present_stamps(names.clone())?;
        Ok(Reading {
            entry,
            epoch: present_epoch()?,
            stamps: names
                .iter()
                .map(|name| present.get(name).cloned())
                .collect(),
            run_id: RUN_ID.to_owned(),
        })
    }

    fn read_stored(&mut self, entries: &[EntryName], _headers_only: bool) -> Result<StoredReading> {
        let found = present_entries(entries.iter().map(entry_name).collect())?;
        let stored: Vec<(Option<Vec<u8>>, Vec<String>)> = entries
            .iter()
            .map(|name| {
                let bytes = found.get(&entry_name(name)).cloned();
                let stamps = bytes.as_deref().and_then(entry::decode).map(|entry| {
                    let stamps = entry.origin.stamps.iter();
                    stamps.map(|(name, _)| stamp_name(name)).collect()
                });
                (bytes, stamps.unwrap_or_default())
            })
            .collect();
        let names = stored.iter().flat_map(|(_, names)| names.iter().cloned());
        let present = present_stamps(names.collect())?;
        Ok(StoredReading {
            entries: stored
                .into_iter()
                .map(|(entry, names)| StoredEntry {
                    entry,
                    stamps: names
                        .iter()
                        .map(|name| present.get(name).cloned())
                        .collect(),
                })
                .collect(),
            epoch: present_epoch()?,
            run_id: RUN_ID.to_owned(),
        })
    }

    fn create_stamps(&mut self, names: &[StampName], ttl: Duration) -> Result<Option<Vec<String>>> {
        // SAFETY: reads a variable of the server.
        if unsafe { pg_sys::XactReadOnly } {
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
        if !may_write()? {
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
                    &[missing.into(), random.into(), seconds(ttl).into()],
                )
                .map(|_| ())
        })?;
        Ok(None)
    }

    fn write(&mut self, entries: &[(EntryName, Vec<u8>)], ttl: Duration) -> Result<()> {
        if !may_write()? {
            return Ok(());
        }
        let bytes: usize = entries.iter().map(|(_, bytes)| bytes.len()).sum();
        write(|client| {
            for (name, bytes) in entries {
                client.update(
                    "INSERT INTO inventory_perf.cache_entries AS e (name, value, expires_at, \
                         written_at) \
                     VALUES ($1, $2, pg_catalog.clock_timestamp() \
                             + $3 * '1 second'::pg_catalog.interval, \
                             pg_catalog.clock_timestamp()) \
                     ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, \
                         expires_at = EXCLUDED.expires_at, written_at = EXCLUDED.written_at",
                    None,
                    &[
                        entry_name(name).into(),
                        bytes.clone().into(),
                        seconds(ttl).into(),
                    ],
                )?;
            }
            Ok(())
        })?;
        make_room(bytes)
    }

    fn begin_fill(&mut self, digest: &str, _ttl: Duration) -> Result<bool> {
        try_lock(digest)
    }

    /// The lock goes with the transaction.
    fn end_fill(&mut self, _digest: &str) -> Result<()> {
        Ok(())
    }

    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered> {
        let stamps: Vec<String> = delivery.stamps.iter().map(stamp_name).collect();
        let entries: Vec<String> = delivery.entries.iter().map(entry_name).collect();
        if !stamps.is_empty() || !entries.is_empty() {
            delete(stamps, entries)?;
        }
        self.epoch()
    }

    fn set_epoch(&mut self, _epoch: &str, _completed: u64) -> Result<()> {
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

    fn epoch(&mut self) -> Result<Delivered> {
        Ok(Delivered {
            epoch: present_epoch()?,
            run_id: RUN_ID.to_owned(),
        })
    }

    /// Nobody reads the tables without looking into the outbox.
    fn renew_lease(&mut self, _epoch: &str, _ttl: Duration) -> Result<bool> {
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
        delete(stamps, entries)?;
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
            lease_left: None,
            latency: started.elapsed(),
        })
    }
}

/// Who delivers removes what has expired along the way.
fn delete(stamps: Vec<String>, entries: Vec<String>) -> Result<()> {
    write(|client| {
        client.update(
            "DELETE FROM inventory_perf.cache_stamps s WHERE s.name = ANY ($1) \
             OR s.name = ANY (ARRAY(SELECT o.name FROM inventory_perf.cache_stamps o \
                                    WHERE o.expires_at < pg_catalog.clock_timestamp() \
                                    LIMIT 1000))",
            None,
            &[stamps.into()],
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

/// Deletes what has expired, and then what was written longest ago, down to seven eighths of the
/// size that is allowed. A session looks once it has written a sixty-fourth of that.
fn make_room(written: usize) -> Result<()> {
    thread_local! {
        static UNSEEN: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let cap = settings::CACHE_TABLE_SIZE.get() as usize * 1024 * 1024;
    let unseen = UNSEEN.get().saturating_add(written);
    if unseen < cap / 64 {
        UNSEEN.set(unseen);
        return Ok(());
    }
    UNSEEN.set(0);
    write(|client| {
        client.update(
            "DELETE FROM inventory_perf.cache_entries e WHERE e.name = ANY (ARRAY( \
                 SELECT x.name FROM inventory_perf.cache_entries x \
                 WHERE x.expires_at < pg_catalog.clock_timestamp() \
                 LIMIT 1000 FOR UPDATE SKIP LOCKED))",
            None,
            &[],
        )?;
        client.update(
            "WITH size AS ( \
                 SELECT pg_catalog.sum(pg_catalog.octet_length(v.value) + 200) AS total \
                 FROM inventory_perf.cache_entries v \
             ), oldest AS ( \
                 SELECT a.name, pg_catalog.sum(a.size) OVER (ORDER BY a.written_at, a.name) AS freed \
                 FROM (SELECT b.name, b.written_at, pg_catalog.octet_length(b.value) + 200 AS size \
                       FROM inventory_perf.cache_entries b ORDER BY b.written_at LIMIT 10000) a \
             ) \
             DELETE FROM inventory_perf.cache_entries e USING oldest o, size s \
             WHERE s.total > $1 AND o.name = e.name AND o.freed <= s.total - $1 * 0.875",
            None,
            &[(cap as f64).into()],
        )?;
        Ok(())
    })
}
