//! Every setting of the extension.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

/// Pending deltas that one fold statement takes at most, in rows.
pub static FOLD_BATCH: GucSetting<i32> = GucSetting::<i32>::new(250_000);

/// Memory for the movements that a backfill holds before it spills to disk, in kilobytes.
pub static BACKFILL_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(512 * 1024);

/// Distinct keys, or tags, that one statement names at most before it names a pattern instead.
pub static OUTBOX_KEYS_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(1_000);

pub fn register() {
    GucRegistry::define_int_guc(
        c"inventory_perf.fold_batch",
        c"Pending deltas that one fold statement takes at most.",
        c"A smaller batch needs less memory and disk for one statement, a larger one folds a large backlog faster.",
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
    // SAFETY: the prefix is a static, null-terminated string, and this runs on the backend's
    // only thread while the library is loaded.
    unsafe {
        #[cfg(feature = "pg14")]
        pgrx::pg_sys::EmitWarningsOnPlaceholders(c"inventory_perf".as_ptr());
        #[cfg(not(feature = "pg14"))]
        pgrx::pg_sys::MarkGUCPrefixReserved(c"inventory_perf".as_ptr());
    }
}
