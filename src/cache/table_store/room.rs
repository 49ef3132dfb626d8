//! How much the tables may take.

use pgrx::pg_sys;
use std::cell::Cell;
use std::time::{Duration, Instant};

use super::{delete_expired, select, try_lock, write};
use crate::cache::store::Result;
use crate::settings;

/// What a stamp takes beside its name.
pub const STAMP_BYTES: usize = 150;

/// Bytes that stamps take at most, of those that are allowed for entries.
pub fn stamps_cap() -> usize {
    settings::CACHE_TABLE_SIZE.get() as usize * 1024 * 1024 / 4
}

/// Whether more stamps may be made. Who delivers removes those that would be swept away next; until then
/// nothing with a new tag is stored. A session looks as often as [`make_room`] does.
pub fn have_stamps_room(written: usize) -> Result<bool> {
    const AGAIN: Duration = Duration::from_secs(10);
    thread_local! {
        static UNSEEN: Cell<usize> = const { Cell::new(usize::MAX) };
        static FULL: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    if FULL.get().is_some_and(|since| since.elapsed() < AGAIN) {
        return Ok(false);
    }
    let unseen = UNSEEN.get().saturating_add(written);
    if unseen < stamps_cap() / 8 / sessions() {
        UNSEEN.set(unseen);
        return Ok(true);
    }
    let total = select(
        "SELECT pg_catalog.sum(pg_catalog.octet_length(s.name) + $1) FROM inventory_perf.cache_stamps s",
        &[(STAMP_BYTES as i32).into()],
        |rows| rows.first().get_one::<i64>(),
    )?;
    let is_full = total.unwrap_or(0) as usize + written > stamps_cap();
    FULL.set(is_full.then(Instant::now));
    UNSEEN.set(0);
    Ok(!is_full)
}

fn sessions() -> usize {
    // SAFETY: reads a variable of the server.
    unsafe { pg_sys::MaxConnections }.max(1) as usize
}

/// Deletes what has expired, and then what was written longest ago, down to seven eighths of the
/// size that is allowed. A session looks when it writes for the first time, and whenever it has
/// written its part of another eighth: so all together are never further above than that and what
/// one call writes.
pub fn make_room(written: usize) -> Result<()> {
    thread_local! {
        static UNSEEN: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let cap = settings::CACHE_TABLE_SIZE.get() as usize * 1024 * 1024;
    let unseen = UNSEEN.get().saturating_add(written);
    if unseen < cap / 8 / sessions() || !try_lock("room", "") {
        UNSEEN.set(unseen);
        return Ok(());
    }
    UNSEEN.set(0);
    write(|client| {
        client.update(&delete_expired("cache_entries"), None, &[])?;
        client.update(
            include_str!("../../../sql/cache/make_room.sql"),
            None,
            &[(cap as f64).into()],
        )?;
        Ok(())
    })
}
