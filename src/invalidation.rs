//! Tells caches of this backend when a relation that they depend on may have changed.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;

thread_local! {
    static EPOCH: Cell<u64> = const { Cell::new(0) };
    static WATCHED: RefCell<HashSet<pg_sys::Oid>> = RefCell::new(HashSet::new());
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// A number that is another one after any watched relation was invalidated.
pub fn epoch() -> u64 {
    EPOCH.get()
}

/// From now on an invalidation of `relation` starts a new epoch.
pub fn watch(relation: pg_sys::Oid) {
    if !REGISTERED.replace(true) {
        // SAFETY: the callback is a static function and may run at any time from now on; it
        // neither allocates nor raises errors.
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(on_invalidation), pg_sys::Datum::from(0));
        }
    }
    WATCHED.with_borrow_mut(|watched| watched.insert(relation));
}

/// InvalidOid stands for every relation.
#[pg_guard]
unsafe extern "C-unwind" fn on_invalidation(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    let concerned = relation == pg_sys::InvalidOid
        || WATCHED.try_with(|watched| match watched.try_borrow() {
            Ok(watched) => watched.contains(&relation),
            Err(_) => true,
        }) == Ok(true);
    if concerned {
        EPOCH.set(EPOCH.get() + 1);
    }
}
