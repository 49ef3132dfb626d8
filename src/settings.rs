//! Every setting of the extension.

mod queries;
mod worker;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};
use std::ffi::CString;

use crate::versions;

pub use queries::{CACHE_TTL_JITTER, cache_fill_wait};
pub use worker::*;

/// Pending deltas that one fold statement takes at most, in rows.
pub static FOLD_BATCH: GucSetting<i32> = GucSetting::<i32>::new(1_000_000);

/// Memory for the movements that a backfill holds before it spills to disk, in kilobytes.
pub static BACKFILL_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(512 * 1024);

/// Distinct keys, or tags, that one statement names at most before it names a pattern instead.
pub static OUTBOX_KEYS_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(1_000);

/// How payloads of cache entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum CacheFormat {
    #[name = c"msgpack"]
    MessagePack,
    #[name = c"json"]
    Json,
}

pub static CACHE_ENABLED: GucSetting<bool> = GucSetting::<bool>::new(true);

/// Where Redis is; empty for tables of the database instead.
pub static REDIS_URL: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
pub static REDIS_PASSWORD_FILE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));
pub static REDIS_CA_FILE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));
pub static REDIS_CERT_FILE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));
pub static REDIS_KEY_FILE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));
pub static REDIS_KEY_PREFIX: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));

/// In milliseconds.
pub static REDIS_CONNECT_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(500);
/// In milliseconds.
pub static REDIS_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(250);

/// Failures in a row after which Redis is left alone for a while.
pub static CACHE_BREAKER_FAILURES: GucSetting<i32> = GucSetting::<i32>::new(3);
/// For how long, in milliseconds.
pub static CACHE_BREAKER_PAUSE: GucSetting<i32> = GucSetting::<i32>::new(2_000);

pub static CACHE_FORMAT: GucSetting<CacheFormat> =
    GucSetting::<CacheFormat>::new(CacheFormat::MessagePack);
/// Payloads from this size on are compressed, in bytes; -1 compresses none.
pub static CACHE_COMPRESS_ABOVE: GucSetting<i32> = GucSetting::<i32>::new(1024);
/// In kilobytes.
pub static CACHE_MAX_ENTRY_SIZE: GucSetting<i32> = GucSetting::<i32>::new(8 * 1024);
/// Of the tables that hold entries when there is no Redis, in megabytes.
pub static CACHE_TABLE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(256);

pub fn register() {
    queries::register();
    worker::register();
    GucRegistry::define_int_guc(
        c"inventory_perf.fold_batch",
        c"Pending deltas that a fold holds in memory at most before it stores them.",
        c"A smaller batch needs less memory, a larger one folds a large backlog faster.",
        &FOLD_BATCH,
        1_000,
        i32::MAX,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.backfill_memory",
        c"Memory for the movements that a backfill holds before it spills to temporary files.",
        c"Keys and their balances come on top, about 200 bytes for each distinct key.",
        &BACKFILL_MEMORY,
        1_024,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.outbox_keys_limit",
        c"Distinct cache keys, or tags, that one statement makes invalid by name.",
        c"A statement with more makes everything invalid that its template can name.",
        &OUTBOX_KEYS_LIMIT,
        1,
        100_000,
        GucContext::Userset,
        GucFlags::default(),
    );
    register_cache();
    register_redis();
    versions::reserve_setting_prefix();
}

fn register_cache() {
    GucRegistry::define_bool_guc(
        c"inventory_perf.cache_enabled",
        c"Answers from the cache.",
        c"Off, cached queries compute and nothing is stored. Invalidations are delivered all the same.",
        &CACHE_ENABLED,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"inventory_perf.cache_format",
        c"How values are written into cache entries.",
        c"Entries of either format are read.",
        &CACHE_FORMAT,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.cache_compress_above",
        c"Size from which on a value is compressed with LZ4.",
        c"-1 compresses none.",
        &CACHE_COMPRESS_ABOVE,
        -1,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_BYTE,
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.cache_max_entry_size",
        c"Largest entry that is stored or read.",
        c"What is larger is computed every time.",
        &CACHE_MAX_ENTRY_SIZE,
        1,
        256 * 1024,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.cache_table_size",
        c"Size of the tables that hold entries when no Redis is configured.",
        c"Beyond it, expired entries and then those written longest ago make room.",
        &CACHE_TABLE_SIZE,
        1,
        1024 * 1024,
        GucContext::Sighup,
        GucFlags::UNIT_MB,
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.cache_breaker_failures",
        c"Failed calls in a row after which Redis is left alone.",
        c"",
        &CACHE_BREAKER_FAILURES,
        1,
        1_000_000,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"inventory_perf.cache_breaker_pause",
        c"How long Redis is left alone before one call tries again.",
        c"",
        &CACHE_BREAKER_PAUSE,
        1,
        3_600_000,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
}

fn register_redis() {
    for (name, description, details, setting) in [
        (
            c"inventory_perf.redis_url",
            c"Where Redis is: redis://, rediss:// or unix:// with user name and database number.",
            c"Empty: the cache is in tables of the database. A password belongs into a file.",
            &REDIS_URL,
        ),
        (
            c"inventory_perf.redis_password_file",
            c"File with the password for Redis.",
            c"",
            &REDIS_PASSWORD_FILE,
        ),
        (
            c"inventory_perf.redis_ca_file",
            c"File with the certificates to trust for rediss://, in PEM format.",
            c"Empty: the public certificate authorities.",
            &REDIS_CA_FILE,
        ),
        (
            c"inventory_perf.redis_cert_file",
            c"File with the client certificate for rediss://, in PEM format.",
            c"",
            &REDIS_CERT_FILE,
        ),
        (
            c"inventory_perf.redis_key_file",
            c"File with the private key of the client certificate, in PEM format.",
            c"",
            &REDIS_KEY_FILE,
        ),
    ] {
        GucRegistry::define_string_guc(
            name,
            description,
            details,
            setting,
            GucContext::Sighup,
            GucFlags::SUPERUSER_ONLY,
        );
    }
    GucRegistry::define_string_guc(
        c"inventory_perf.redis_key_prefix",
        c"What every name in Redis begins with.",
        c"It must be the same in every session of a database: set it with ALTER DATABASE or for the server.",
        &REDIS_KEY_PREFIX,
        GucContext::Suset,
        GucFlags::default(),
    );
    for (name, description, setting) in [
        (
            c"inventory_perf.redis_connect_timeout",
            c"How long connecting to Redis may take.",
            &REDIS_CONNECT_TIMEOUT,
        ),
        (
            c"inventory_perf.redis_timeout",
            c"How long a call to Redis may take.",
            &REDIS_TIMEOUT,
        ),
    ] {
        GucRegistry::define_int_guc(
            name,
            description,
            c"A transfer of much data may take a tenth of a second more for each megabyte.",
            setting,
            1,
            60_000,
            GucContext::Sighup,
            GucFlags::UNIT_MS,
        );
    }
}

/// The value of a setting that is a text.
pub fn text(setting: &GucSetting<Option<CString>>) -> String {
    setting
        .get()
        .map(|text| text.to_string_lossy().into_owned())
        .unwrap_or_default()
}
