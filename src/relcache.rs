//! What the relation cache knows of a relation, without a lock on it.
//!
//! To look at the shape of somebody's table must not make anybody wait for its owner. What is found
//! may be outdated a moment later, of which `invalidation` tells; rows are read under a lock.

use pgrx::pg_sys;
use std::ffi::CStr;

use crate::unguarded::{self as backend, under_one_guard};

/// An entry of the relation cache, pinned until it is dropped or the transaction ends.
pub struct Entry(pg_sys::Relation);

/// A column as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub type_oid: pg_sys::Oid,
    /// Length, precision and the like; -1 without any.
    pub modifier: i32,
    pub collation: pg_sys::Oid,
    pub not_null: bool,
}

/// A trigger as the catalog describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    pub function: pg_sys::Oid,
    /// When it fires, as in pg_trigger.tgtype.
    pub fires: i16,
    /// As in pg_trigger.tgenabled.
    pub enabled: u8,
    pub has_old_rows: bool,
    pub has_new_rows: bool,
    /// Whether a condition, columns, arguments or a constraint are part of it.
    pub is_restricted: bool,
}

impl Entry {
    /// None if there is no such relation.
    pub fn of(relation: pg_sys::Oid) -> Option<Self> {
        // SAFETY: returns null for what does not exist.
        let entry = unsafe { pg_sys::RelationIdGetRelation(relation) };
        (!entry.is_null()).then(|| Self(entry))
    }

    fn class(&self) -> &pg_sys::FormData_pg_class {
        // SAFETY: a pinned entry has its row of pg_class.
        unsafe { &*(*self.0).rd_rel }
    }

    /// As pg_class has it: `b'r'` for a table, `b'v'` for a view.
    pub fn kind(&self) -> u8 {
        self.class().relkind as u8
    }

    pub fn owner(&self) -> pg_sys::Oid {
        self.class().relowner
    }

    /// A table whose rows lie in files of PostgreSQL's own format and are still there after a crash.
    pub fn is_permanent_heap(&self) -> bool {
        is_permanent_heap(self.class())
    }

    pub fn is_partition(&self) -> bool {
        self.class().relispartition
    }

    /// Whether tables inherit from it, whose rows a query of it returns as well.
    pub fn has_children(&self) -> bool {
        let class = self.class();
        if !class.relhassubclass {
            return false;
        }
        // SAFETY: a look-up in the catalog, without a lock; nothing here is to be dropped.
        unsafe {
            let relation = (*self.0).rd_id;
            under_one_guard(|| {
                !backend::find_inheritance_children(relation, pg_sys::NoLock as pg_sys::LOCKMODE)
                    .is_null()
            })
        }
    }

    /// Whether policies decide which of its rows a role sees.
    pub fn has_row_security(&self) -> bool {
        self.class().relrowsecurity
    }

    /// Whether what is done to its rows fires triggers, or is rewritten by rules.
    pub fn has_triggers_or_rules(&self) -> bool {
        // SAFETY: a pinned entry keeps what it points to.
        unsafe {
            let triggers = (*self.0).trigdesc;
            !(*self.0).rd_rules.is_null() || (!triggers.is_null() && (*triggers).numtriggers > 0)
        }
    }

    pub fn triggers(&self) -> Vec<Trigger> {
        // SAFETY: a pinned entry keeps what it points to, an array of that many triggers.
        let triggers = unsafe {
            let descriptor = (*self.0).trigdesc;
            if descriptor.is_null() || (*descriptor).numtriggers <= 0 {
                return Vec::new();
            }
            let count = (*descriptor).numtriggers as usize;
            std::slice::from_raw_parts((*descriptor).triggers, count)
        };
        triggers
            .iter()
            .map(|trigger| Trigger {
                function: trigger.tgfoid,
                fires: trigger.tgtype,
                enabled: trigger.tgenabled as u8,
                has_old_rows: !trigger.tgoldtable.is_null(),
                has_new_rows: !trigger.tgnewtable.is_null(),
                is_restricted: !trigger.tgqual.is_null()
                    || trigger.tgnattr != 0
                    || trigger.tgnargs != 0
                    || trigger.tgconstraint != pg_sys::InvalidOid,
            })
            .collect()
    }

    pub fn columns(&self) -> Vec<Column> {
        // SAFETY: the descriptor of a pinned entry; names in it are null-terminated.
        unsafe {
            let descriptor = pgrx::PgTupleDesc::from_pg_unchecked((*self.0).rd_att);
            descriptor
                .iter()
                .map(|column| Column {
                    name: CStr::from_ptr(column.attname.data.as_ptr())
                        .to_string_lossy()
                        .into_owned(),
                    // What was dropped has no type any more.
                    type_oid: column.atttypid,
                    modifier: column.atttypmod,
                    collation: column.attcollation,
                    not_null: column.attnotnull,
                })
                .collect()
        }
    }

    /// A copy of the query of a view, in the current memory context; none of what is no view.
    pub fn view_query(&self) -> Option<*mut pg_sys::Query> {
        if self.kind() != pg_sys::RELKIND_VIEW {
            return None;
        }
        // SAFETY: a view has a rule for SELECT, with one query, which is copied before anything
        // can make the cache build its entry anew.
        unsafe {
            if (*self.0).rd_rules.is_null() {
                return None;
            }
            let query = pg_sys::get_view_query(self.0);
            Some(pg_sys::copyObjectImpl(query.cast()).cast())
        }
    }
}

/// Of a row of pg_class: see [`Entry::is_permanent_heap`].
pub fn is_permanent_heap(class: &pg_sys::FormData_pg_class) -> bool {
    class.relkind as u8 == pg_sys::RELKIND_RELATION
        && class.relpersistence as u8 == pg_sys::RELPERSISTENCE_PERMANENT
        && class.relam == pg_sys::HEAP_TABLE_AM_OID
}

/// Makes the cache look at the catalog anew, as it is now: without a lock it may not have heard yet of
/// what was committed a moment ago.
pub fn renew(relations: impl IntoIterator<Item = pg_sys::Oid>) {
    // SAFETY: pinned entries are built anew in their places.
    unsafe {
        pg_sys::InvalidateCatalogSnapshot();
        for relation in relations {
            pg_sys::RelationCacheInvalidateEntry(relation);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: gives back the pin; after an error PostgreSQL does.
            unsafe { pg_sys::RelationClose(self.0) }
        }
    }
}
