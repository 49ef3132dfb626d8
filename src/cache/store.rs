//! What holds entries and stamps: Redis, or tables of this database when no Redis is configured.

use pgrx::guc::GucSetting;
use pgrx::pg_sys;
use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::breaker::{self, Permit};
use super::names::{EntryName, Names, PatternKind, StampName};
use super::redis::RedisStore;
use super::redis::connection::{self, Target};
use super::stats;
use super::table_store::TableStore;
use crate::{settings, shared_memory};

/// A connection to a server that is not the confirmed one is kept for so long.
const DOUBT: Duration = Duration::from_secs(1);

/// Why a store gave no answer. The text names no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    pub kind: Trouble,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Settings that cannot work.
    Configuration,
    /// Nobody listens there.
    Refused,
    Timeout,
    /// The connection ended in the middle of a call.
    Reset,
    /// A reply that makes no sense, or is larger than what was asked for can be.
    Protocol,
    /// The server wants other credentials, or gives this user too few rights.
    Authentication,
    /// The server loads its data, is a replica, or has no memory left.
    Unready,
    /// It failed repeatedly a moment ago and is not asked.
    BreakerOpen,
    /// The database refused what the store in its tables needs.
    Database,
}

impl Trouble {
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
            Self::Authentication => "authentication",
            Self::Unready => "unready",
            Self::BreakerOpen => "breaker open",
            Self::Database => "database",
        }
    }
}

impl StoreError {
    pub fn new(kind: Trouble, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind.name(), self.text)
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// An entry with the present stamps of what the caller knows it depends on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub entry: Option<Vec<u8>>,
    /// There is one whose time is over. Redis itself removes those, and does not tell.
    pub is_expired: bool,
    pub epoch: Option<String>,
    /// In the order asked for; None is a stamp that is not there.
    pub stamps: Vec<Option<String>>,
    /// The run of the server that answered.
    pub run_id: String,
    /// How many batches it has, read after everything else.
    pub batches: Option<u64>,
}

/// Entries with the present stamps of what each says it depends on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StoredReading {
    /// One for each key asked for.
    pub entries: Vec<StoredEntry>,
    pub epoch: Option<String>,
    pub run_id: String,
    pub batches: Option<u64>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct StoredEntry {
    pub entry: Option<Vec<u8>>,
    /// As in a `Reading`.
    pub is_expired: bool,
    /// In the order of the entry's header; empty if that cannot be read.
    pub stamps: Vec<Option<String>>,
}

/// A batch of invalidations and what is told about them.
#[derive(Debug, Default)]
pub struct Delivery<'a> {
    pub epoch: &'a str,
    /// A transaction number above every transaction whose invalidations are in the batch:
    /// `validity::upper_bound` after it was read.
    pub completed: u64,
    /// Batches that the store confirmed before: one that has fewer has lost some.
    pub batches: u64,
    /// Keys, and tags, whose stamps go, as the database's text.
    pub keys: &'a [&'a [u8]],
    pub tags: &'a [&'a [u8]],
    /// Users' keys whose entries go.
    pub entries: &'a [&'a [u8]],
    /// Channel and payload, published after the stamps are gone.
    pub events: &'a [(String, String)],
}

#[derive(Debug, PartialEq, Eq)]
pub struct Delivered {
    /// What the epoch key held when the batch began. When it is not the epoch of the batch, the
    /// server has lost or gained data: the deliverer makes a new epoch.
    pub epoch: Option<String>,
    pub run_id: String,
    /// How many batches the server has, this one included; None if it has lost some.
    pub batches: Option<u64>,
}

/// The server as it is now.
#[derive(Debug, PartialEq, Eq)]
pub struct Identity {
    pub run_id: String,
    /// Another one whenever the server becomes a primary: then its data may come from elsewhere.
    pub replication_id: String,
    pub epoch: Option<String>,
    /// Above which transaction nothing was delivered, as stamps say it; None if that is lost.
    pub completed: Option<u64>,
    pub batches: Option<u64>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// `redis 7.0.15`, `valkey 8.0.1`; None for tables.
    pub version: Option<String>,
    pub run_id: String,
    pub epoch: Option<String>,
    pub batches: Option<u64>,
    pub lease_left: Option<Duration>,
    pub latency: Duration,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanPosition {
    /// Which of the pattern's name spaces.
    pub space: usize,
    pub cursor: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub struct ScanStep {
    pub removed: u64,
    pub next: Option<ScanPosition>,
}

/// Every call is one round trip unless it says otherwise, and none waits longer than
/// `inventory_perf.redis_timeout` for it.
pub trait Store {
    fn read(&mut self, entry: &EntryName, stamps: &[StampName]) -> Result<Reading>;

    /// For entries that alone know what they depend on. With `headers_only` no payload comes along.
    fn read_stored(&mut self, entries: &[EntryName], headers_only: bool) -> Result<StoredReading>;

    /// The present stamps, made now where they are missing, which live for `ttl` at least. What is
    /// computed from a snapshot taken after this call may be written with them. None: they are new
    /// and count only after this transaction (tables), so there is nothing to write yet.
    fn create_stamps(&mut self, names: &[StampName], ttl: Duration) -> Result<Option<Vec<String>>>;

    fn write(&mut self, entries: &[(EntryName, Vec<u8>)], ttl: Duration) -> Result<()>;

    /// True for the one caller that is to compute the query, until `end_fill` or for `ttl`.
    fn begin_fill(&mut self, digest: &str, ttl: Duration) -> Result<bool>;

    fn end_fill(&mut self, digest: &str) -> Result<()>;

    /// Removes the stamps, then the entries, then counts the batch, then publishes.
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered>;

    /// Channel and payload of each.
    fn publish(&mut self, events: &[(String, String)]) -> Result<()>;

    /// Makes everything stored so far invalid. `completed` and `batches` as in a delivery: above
    /// all that was delivered or given up before.
    fn set_epoch(&mut self, epoch: &str, completed: u64, batches: u64) -> Result<()>;

    /// Who answers and what it has, to compare with what is recorded. A replica is an error.
    fn identity(&mut self) -> Result<Identity>;

    /// Sets the lease key to the epoch for `ttl`, unless the server has another epoch or fewer
    /// batches: then false.
    fn renew_lease(&mut self, epoch: &str, batches: u64, ttl: Duration) -> Result<bool>;

    /// One bounded step of removing all whose name matches the pattern. Begins with
    /// `ScanPosition::default()`; is repeated from `next` until that is None.
    fn remove_matching(
        &mut self,
        kind: PatternKind,
        pattern: &str,
        from: ScanPosition,
    ) -> Result<ScanStep>;

    fn status(&mut self) -> Result<ServerStatus>;
}

thread_local! {
    static REDIS: RefCell<Option<RedisStore>> = const { RefCell::new(None) };
    static LAST_ERROR: RefCell<Option<StoreError>> = const { RefCell::new(None) };
}

/// Whether a Redis is configured. Else entries are in tables.
pub fn is_redis() -> bool {
    settings::REDIS_URL.get().is_some_and(|url| !url.is_empty())
}

/// Calls the store unless it failed repeatedly a moment ago.
pub fn call<R>(work: impl FnOnce(&mut dyn Store) -> Result<R>) -> Result<R> {
    if is_redis() && breaker::ask() == Permit::Open {
        return Err(StoreError::new(
            Trouble::BreakerOpen,
            "Redis failed repeatedly and is not asked for a moment",
        ));
    }
    call_always(work)
}

/// Calls the store for somebody who has a patience of its own.
pub fn call_always<R>(work: impl FnOnce(&mut dyn Store) -> Result<R>) -> Result<R> {
    if !is_redis() {
        return work(&mut TableStore);
    }
    let started = Instant::now();
    let result = call_redis(work);
    stats::time(started.elapsed());
    match &result {
        Ok(_) => breaker::succeeded(),
        Err(error) => {
            breaker::failed();
            LAST_ERROR.set(Some(error.clone()));
        }
    }
    result
}

fn call_redis<R>(work: impl FnOnce(&mut dyn Store) -> Result<R>) -> Result<R> {
    let target = target()?;
    // taken out, so that an error of PostgreSQL in the middle leaves no connection behind
    let mut store = match REDIS.take() {
        Some(store) if *store.target() == target => store,
        _ => RedisStore::open(&target)?,
    };
    store.prepare(names(), largest_entry());
    let result = work(&mut store);
    if store.is_open() {
        REDIS.set(Some(store));
    }
    result
}

/// Batches that the store has confirmed; `recorded` is what the database says of it.
pub fn confirmed_batches(recorded: i64) -> u64 {
    let recorded = u64::try_from(recorded).unwrap_or_default();
    shared_memory::this_slot().map_or(recorded, |slot| {
        recorded.max(slot.batches.load(Ordering::SeqCst))
    })
}

/// This session's connection leads to a server that is not the confirmed one. The confirmed one may
/// be behind a new connection, which is tried now and then, or the worker has to look.
pub fn doubt() {
    REDIS.with_borrow_mut(|store| {
        if store.as_ref().is_some_and(|store| store.age() >= DOUBT) {
            *store = None;
        }
    });
    if let Some(slot) = shared_memory::this_slot() {
        slot.is_doubted.store(true, Ordering::SeqCst);
        slot.deliverer.wake();
    }
}

/// Why the last call of this session failed that did.
pub fn last_error() -> Option<StoreError> {
    LAST_ERROR.with_borrow(Clone::clone)
}

fn target() -> Result<Target> {
    let target = Target {
        url: settings::text(&settings::REDIS_URL),
        password_file: settings::text(&settings::REDIS_PASSWORD_FILE),
        ca_file: settings::text(&settings::REDIS_CA_FILE),
        certificate_file: settings::text(&settings::REDIS_CERT_FILE),
        key_file: settings::text(&settings::REDIS_KEY_FILE),
        connect_timeout: milliseconds(&settings::REDIS_CONNECT_TIMEOUT),
        timeout: milliseconds(&settings::REDIS_TIMEOUT),
    };
    if !shared_memory::is_available() && connection::has_password(&target.url) {
        return Err(StoreError::new(
            Trouble::Configuration,
            "inventory_perf.redis_url holds a password, which every role can read as long as \
             shared_preload_libraries does not name inventory_perf; put it into a file and set \
             inventory_perf.redis_password_file",
        ));
    }
    Ok(target)
}

fn milliseconds(setting: &GucSetting<i32>) -> Duration {
    Duration::from_millis(setting.get() as u64)
}

/// The names of this database's cache.
pub fn names() -> Names {
    Names::new(&settings::text(&settings::REDIS_KEY_PREFIX), &database())
}

fn database() -> String {
    // SAFETY: a catalog look-up in a transaction; the name is copied.
    unsafe {
        let name = pg_sys::get_database_name(pg_sys::MyDatabaseId);
        if name.is_null() {
            return String::new();
        }
        std::ffi::CStr::from_ptr(name)
            .to_string_lossy()
            .into_owned()
    }
}

/// Most bytes of an entry.
pub fn largest_entry() -> usize {
    settings::CACHE_MAX_ENTRY_SIZE.get() as usize * 1024
}
