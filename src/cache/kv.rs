//! Values under keys of the application: get and set, with the same promise as cached queries.

use pgrx::pg_sys;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use super::entry::{self, Entry, Layout, Origin};
use super::names::{EntryName, StampName};
use super::stats::{self, Counter, Miss};
use super::store::{self, StoreError, StoredEntry, Trouble};
use super::validity::{self, Admission, Moment};
use crate::error::Failure;
use crate::settings;

/// Misses that a session remembers at least: as many as one call can have.
const REMEMBERED: usize = super::functions::MOST_KEYS;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The moment that a value must have been computed after, as its key was missed then.
struct Missed {
    moment: Moment,
    /// None when it was not looked for: then nothing tells what was delivered since.
    epoch: Option<String>,
    order: u64,
}

#[derive(Default)]
struct Memory {
    missed: HashMap<String, Missed>,
    order: u64,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::default());
}

impl Memory {
    fn remember(&mut self, key: &str, moment: Moment, epoch: Option<&str>) {
        if self.missed.len() >= 2 * REMEMBERED && !self.missed.contains_key(key) {
            // half of them at once, so that it costs each miss next to nothing
            let oldest = self.order.saturating_sub(REMEMBERED as u64);
            self.missed.retain(|_, missed| missed.order > oldest);
        }
        self.order += 1;
        let missed = Missed {
            moment,
            epoch: epoch.map(str::to_owned),
            order: self.order,
        };
        self.missed.insert(key.to_owned(), missed);
    }
}

/// What the cache has under the keys, in their order, as JSON text.
pub fn get(keys: &[String]) -> Result<Vec<Option<String>>, Failure> {
    let found = match look_up(keys, false)? {
        Ok(found) => found,
        Err(miss) => keys.iter().map(|_| Err(miss)).collect(),
    };
    let values = keys.iter().zip(found).map(|(key, found)| match found {
        Ok(found) => {
            stats::count(Counter::Hits);
            stats::add(Counter::BytesRead, found.stored as u64);
            MEMORY.with_borrow_mut(|memory| memory.missed.remove(key));
            Some(found.json)
        }
        Err(miss) => {
            stats::count(Counter::Missed(miss));
            None
        }
    });
    Ok(values.collect())
}

/// Whether the cache has something under the key.
pub fn exists(key: String) -> Result<bool, Failure> {
    Ok(look_up(&[key], true)?.is_ok_and(|found| found.iter().all(Result::is_ok)))
}

struct Found {
    json: String,
    /// Bytes that were transferred.
    stored: usize,
}

type Answers = Vec<Result<Found, Miss>>;

fn look_up(keys: &[String], headers_only: bool) -> Result<Result<Answers, Miss>, Failure> {
    if keys.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let remember = |moment, epoch: Option<&str>, keys: &mut dyn Iterator<Item = &String>| {
        if !headers_only {
            MEMORY.with_borrow_mut(|memory| {
                keys.for_each(|key| memory.remember(key, moment, epoch));
            });
        }
    };
    let names: Vec<StampName> = keys.iter().cloned().map(StampName::Key).collect();
    let admission = match validity::admit(&names)? {
        Ok(admission) => admission,
        Err(miss) => {
            remember(validity::moment(), None, &mut keys.iter());
            return Ok(Err(miss));
        }
    };
    let entries: Vec<EntryName> = keys.iter().cloned().map(EntryName::Key).collect();
    let reading = store::call(|store| store.read_stored(&entries, headers_only))
        .map_err(|error| miss_of(&error))
        .and_then(|reading| {
            admission.check_server(&reading.run_id, reading.epoch.as_deref(), reading.batches)?;
            Ok(reading)
        });
    let answers = match reading {
        Ok(reading) => keys
            .iter()
            .zip(&reading.entries)
            .map(|(key, stored)| check(key, stored, &admission, headers_only))
            .collect::<Result<Answers, Failure>>()?,
        Err(miss) => keys.iter().map(|_| Err(miss)).collect(),
    };
    let missed = keys
        .iter()
        .zip(&answers)
        .filter(|(_, found)| found.is_err());
    remember(
        admission.moment,
        Some(&admission.epoch),
        &mut missed.map(|(key, _)| key),
    );
    Ok(Ok(answers))
}

fn check(
    key: &str,
    stored: &StoredEntry,
    admission: &Admission,
    headers_only: bool,
) -> Result<Result<Found, Miss>, Failure> {
    let Some(bytes) = &stored.entry else {
        return Ok(Err(if stored.is_expired {
            Miss::Expired
        } else {
            Miss::Absent
        }));
    };
    let Some(entry) = entry::decode(bytes).filter(|entry| is_of(entry, key)) else {
        return Ok(Err(Miss::Corrupt));
    };
    if entry.origin.epoch != admission.epoch || !entry.is_fresh(&stored.stamps) {
        return Ok(Err(Miss::Stale));
    }
    // only now it is known which tags matter
    if admission.has_undelivered {
        let names: Vec<_> = entry.origin.stamps.iter().map(|(n, _)| n.clone()).collect();
        if let Err(miss) = validity::admit(&names)? {
            return Ok(Err(miss));
        }
    }
    let json = if headers_only {
        Some(String::new())
    } else {
        entry.json(store::largest_entry())
    };
    Ok(json.ok_or(Miss::Corrupt).map(|json| Found {
        json,
        stored: bytes.len(),
    }))
}

/// An entry that does not depend on its own key could not be deleted for good.
fn is_of(entry: &Entry, key: &str) -> bool {
    let mut stamps = entry.origin.stamps.iter();
    stamps.any(|(name, _)| matches!(name, StampName::Key(own) if own == key))
}

/// What a failure of the store is counted as.
pub fn miss_of(error: &StoreError) -> Miss {
    match error.kind {
        Trouble::BreakerOpen => Miss::BreakerOpen,
        _ => Miss::Error,
    }
}

/// Stores values of JSON text and returns how many. One is not stored if it may be older than a
/// change that was delivered already, or if the cache cannot be asked.
pub fn set(values: &[(String, String)], ttl: Duration, tags: &[String]) -> Result<usize, Failure> {
    if values.is_empty() {
        return Ok(0);
    }
    let stored = store_values(values, ttl, tags)?;
    stats::add(
        Counter::FillsRefused,
        values.len().saturating_sub(stored) as u64,
    );
    Ok(stored)
}

fn store_values(
    values: &[(String, String)],
    ttl: Duration,
    tags: &[String],
) -> Result<usize, Failure> {
    // SAFETY: reads a variable of the server.
    if !store::is_redis() && unsafe { pg_sys::XactReadOnly } {
        return Ok(0);
    }
    let mut names: Vec<StampName> = tags.iter().cloned().map(StampName::Tag).collect();
    names.extend(values.iter().map(|(key, _)| StampName::Key(key.clone())));
    let Ok(admission) = validity::admit(&names)? else {
        return Ok(0);
    };
    let Ok(Some(stamps)) = store::call(|store| store.create_stamps(&names, stamp_ttl(ttl))) else {
        return Ok(0);
    };
    let mut named: Vec<(StampName, String)> = names.into_iter().zip(stamps).collect();
    let own = named.split_off(tags.len());
    let mut entries = Vec::new();
    for ((key, json), own) in values.iter().zip(own) {
        let stamps: Vec<_> = named.iter().cloned().chain([own]).collect();
        if let Some(entry) = prepare(key, json, stamps, &admission) {
            entries.push((EntryName::Key(key.clone()), entry));
        }
    }
    if entries.is_empty() {
        return Ok(0);
    }
    if store::call(|store| store.write(&entries, ttl)).is_err() {
        return Ok(0);
    }
    MEMORY.with_borrow_mut(|memory| {
        for (name, bytes) in &entries {
            stats::count(Counter::Fills);
            stats::add(Counter::BytesWritten, bytes.len() as u64);
            if let EntryName::Key(key) = name {
                memory.missed.remove(key);
            }
        }
    });
    Ok(entries.len())
}

fn prepare(
    key: &str,
    json: &str,
    stamps: Vec<(StampName, String)>,
    admission: &Admission,
) -> Option<Vec<u8>> {
    let moment = MEMORY.with_borrow(|memory| match memory.missed.get(key) {
        None => Some(admission.moment),
        Some(missed) => (missed.epoch.as_deref() == Some(admission.epoch.as_str()))
            .then(|| admission.moment.min(missed.moment)),
    })?;
    let is_since = |stamp: &str| validity::is_since(stamp, &admission.epoch, moment);
    if !stamps.iter().all(|(_, stamp)| is_since(stamp)) {
        return None;
    }
    let origin = Origin {
        epoch: admission.epoch.clone(),
        stamps,
        created: now(),
    };
    let entry = entry::encode(&origin, json, &layout());
    if entry.is_none() {
        stats::count(Counter::FillsTooLarge);
    }
    entry
}

/// Stamps outlive what depends on them.
pub fn stamp_ttl(ttl: Duration) -> Duration {
    DAY.max(ttl * 2)
}

/// How entries are written, by the settings.
pub fn layout() -> Layout {
    Layout {
        format: settings::CACHE_FORMAT.get(),
        compress_from: usize::try_from(settings::CACHE_COMPRESS_ABOVE.get()).ok(),
        limit: store::largest_entry(),
    }
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map(|time| time.as_millis() as u64)
        .unwrap_or_default()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_oldest_miss_is_forgotten_first() {
        let moment = Moment(1);
        let mut memory = Memory::default();
        for number in 0..2 * REMEMBERED {
            memory.remember(&number.to_string(), moment, None);
        }
        memory.remember("0", moment, Some("e"));
        assert_eq!(memory.missed.len(), 2 * REMEMBERED);
        memory.remember("new", moment, None);
        assert_eq!(memory.missed.len(), REMEMBERED + 1);
        assert!(memory.missed.contains_key("new"));
        assert!(memory.missed.contains_key("0"));
        assert!(!memory.missed.contains_key("1"));
    }
}
