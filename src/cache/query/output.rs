//! How values are written out, as far as types say it: labels of enums, attributes of composite types,
//! and what a text search finds. Nothing of it is in a table that is watched, so it is a part of the
//! keys of what is cached: when it changes, another entry is looked for.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;
use std::collections::BTreeSet;

use crate::error::Failure;
use crate::invalidation;

thread_local! {
    static EPOCH: Cell<u64> = const { Cell::new(0) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// Another number after any enum or text search configuration may have changed.
pub fn epoch() -> u64 {
    if !REGISTERED.replace(true) {
        use pg_sys::SysCacheIdentifier::*;
        for cache in [ENUMOID, TSCONFIGOID, TSCONFIGMAP, TSDICTOID] {
            // SAFETY: the callback is a static function and may run at any time from now on; it
            // neither allocates nor raises errors.
            unsafe {
                pg_sys::CacheRegisterSyscacheCallback(
                    cache as i32,
                    Some(on_invalidation),
                    pg_sys::Datum::from(0),
                );
            }
        }
    }
    EPOCH.get()
}

#[pg_guard]
unsafe extern "C-unwind" fn on_invalidation(_argument: pg_sys::Datum, _cache: i32, _hash: u32) {
    EPOCH.set(EPOCH.get() + 1);
}

/// Which of it a query depends on.
#[derive(Debug, Default)]
pub struct Uses {
    pub types: BTreeSet<u32>,
    /// Of every type, as it calls a function whose body cannot be seen.
    pub all_types: bool,
    pub text_search: bool,
}

const TEXT_SEARCH_TYPES: [pg_sys::Oid; 4] = [
    pg_sys::TSVECTOROID,
    pg_sys::TSQUERYOID,
    pg_sys::REGCONFIGOID,
    pg_sys::REGDICTIONARYOID,
];

impl Uses {
    /// Whether one of the types is of text search.
    pub fn searches_text(types: &BTreeSet<u32>) -> bool {
        TEXT_SEARCH_TYPES
            .iter()
            .any(|of| types.contains(&of.to_u32()))
    }

    /// A text that is another one when it changes; empty if the query depends on none of it.
    pub fn state(&self) -> Result<String, Failure> {
        let types: Vec<pg_sys::Oid> = self.types.iter().copied().map(pg_sys::Oid::from).collect();
        let (state, rows) = Spi::connect(|client| {
            client
                .select(
                    include_str!("../../../sql/cache/output_state.sql"),
                    Some(1),
                    &[types.into(), self.all_types.into(), self.text_search.into()],
                )?
                .first()
                .get_two::<String, Vec<pg_sys::Oid>>()
        })?;
        // A composite type has a relation of its own, which says that it was altered.
        for row in rows.unwrap_or_default() {
            invalidation::watch(row);
        }
        if self.all_types
            && let Some(relation) = announced()
        {
            invalidation::watch(relation);
        }
        Ok(state.unwrap_or_default())
    }
}

/// What [`announce`] invalidates, for who depends on every type.
fn announced() -> Option<pg_sys::Oid> {
    // SAFETY: catalog look-ups by name.
    let relation = unsafe {
        let schema = pg_sys::get_namespace_oid(c"inventory_perf".as_ptr(), true);
        pg_sys::get_relname_relid(c"cached_queries".as_ptr(), schema)
    };
    (relation != pg_sys::InvalidOid).then_some(relation)
}

/// Says that a type was altered.
pub fn announce() {
    if let Some(relation) = announced() {
        // SAFETY: a message about a relation that is there.
        unsafe { pg_sys::CacheInvalidateRelcacheByRelid(relation) };
    }
}
