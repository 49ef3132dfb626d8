//! Which keys of a ledger a statement changed, for whoever is told of changed levels.
//!
//! Capture has worked the keys out when the invalidation trigger of the same statement fires, and
//! leaves them here. Nobody is told if the keys are lost: what is told is not what keeps caches
//! right.

use pgrx::pg_sys;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::ffi::CStr;

use crate::cache::store;
use crate::cache::text;
use crate::cache::trigger::values::{self, Format};
use crate::ledger::keys::KeyInterner;
use crate::ledger::mapping::Key;
use crate::security;
use crate::settings;

/// Keys that one statement names at most.
const LIMIT: usize = 100;

/// How the keys of a ledger are told.
pub struct Told {
    columns: Vec<(String, Format)>,
    depends_on_settings: bool,
}

impl Told {
    pub fn new(keys: &[Key], types: impl Iterator<Item = pg_sys::Oid>) -> Self {
        let mut told = Self {
            columns: Vec::new(),
            depends_on_settings: false,
        };
        for (key, type_oid) in keys.iter().zip(types) {
            told.depends_on_settings |= values::depends_on_settings(type_oid);
            told.columns.push((key.name.clone(), Format::of(type_oid)));
        }
        told
    }

    /// None if it has text that is not the same in UTF-8, which JSON is.
    unsafe fn key(&self, datums: &[pg_sys::Datum]) -> Option<Value> {
        let mut key = Map::new();
        let mut bytes = Vec::new();
        for ((name, format), datum) in self.columns.iter().zip(datums) {
            let value = match format {
                Format::Int2 => json!(datum.value() as i16),
                Format::Int4 => json!(datum.value() as i32),
                Format::Int8 => json!(datum.value() as i64),
                Format::Bool => json!(datum.value() & 0xff != 0),
                _ => {
                    bytes.clear();
                    // SAFETY: as the caller promises.
                    unsafe { values::write(&mut bytes, *format, *datum) };
                    json!(text::shared(&bytes)?)
                }
            };
            key.insert(name.clone(), value);
        }
        Some(Value::Object(key))
    }
}

/// Whether a trigger of this relation tells of changes.
///
/// # Safety
/// The relation is open.
pub unsafe fn is_told(relation: pg_sys::Relation) -> bool {
    // SAFETY: the descriptor has that many triggers; look-ups by value return NULL for what does
    // not exist.
    unsafe {
        let triggers = (*relation).trigdesc;
        if triggers.is_null() {
            return false;
        }
        (0..(*triggers).numtriggers).any(|position| {
            let function = (*(*triggers).triggers.add(position as usize)).tgfoid;
            let name = pg_sys::get_func_name(function);
            let schema = pg_sys::get_namespace_name(pg_sys::get_func_namespace(function));
            !name.is_null()
                && !schema.is_null()
                && CStr::from_ptr(name) == c"invalidate_cache"
                && CStr::from_ptr(schema) == c"inventory_perf"
        })
    }
}

/// Whether anybody can be listening.
pub fn are_wanted() -> bool {
    settings::NOTIFY_EVENTS.get() || settings::PUBLISH_EVENTS.get() && store::is_redis()
}

/// The keys that one statement changes.
pub struct Changed<'a> {
    told: &'a Told,
    is_known: Vec<bool>,
    keys: Vec<u32>,
}

impl<'a> Changed<'a> {
    /// `keys` is how many there can be.
    pub fn new(told: &'a Told, keys: usize) -> Self {
        Self {
            told,
            is_known: vec![false; keys],
            keys: Vec::new(),
        }
    }

    pub fn add(&mut self, key: u32) {
        if self.keys.len() <= LIMIT
            && let Some(is_known) = self.is_known.get_mut(key as usize)
            && !std::mem::replace(is_known, true)
        {
            self.keys.push(key);
        }
    }

    /// None if nothing changed. A key that cannot be named is as one too many.
    ///
    /// # Safety
    /// The keys are of the ledger that this was made for.
    pub unsafe fn to_json(&self, keys: &KeyInterner) -> Option<Value> {
        if self.keys.is_empty() {
            return None;
        }
        if self.keys.len() > LIMIT {
            return Some(truncated());
        }
        let list = || {
            self.keys
                .iter()
                // SAFETY: as the caller promises.
                .map(|key| unsafe { self.told.key(keys.datums(*key)) })
                .collect::<Option<_>>()
        };
        let named = if self.told.depends_on_settings {
            security::with_plain_text(list)
        } else {
            list()
        };
        Some(named.map_or_else(truncated, Value::Array))
    }
}

fn truncated() -> Value {
    json!({"truncated": true})
}

/// What capture has left, and of which statement: its relation and its transition tables.
struct Noted {
    statement: Statement,
    keys: Value,
}

type Statement = (
    pg_sys::Oid,
    *mut pg_sys::Tuplestorestate,
    *mut pg_sys::Tuplestorestate,
);

thread_local! {
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

pub fn note(trigger: &pg_sys::TriggerData, relation: pg_sys::Oid, keys: Option<Value>) {
    let statement = (relation, trigger.tg_oldtable, trigger.tg_newtable);
    NOTED.set(keys.map(|keys| Noted { statement, keys }));
}

/// A TRUNCATE changed every key.
pub fn note_all(relation: pg_sys::Oid) {
    let statement = (relation, std::ptr::null_mut(), std::ptr::null_mut());
    NOTED.set(Some(Noted {
        statement,
        keys: truncated(),
    }));
}

/// What capture has left for this statement, if anything.
///
/// # Safety
/// The trigger's relation is open.
pub unsafe fn take(trigger: &pg_sys::TriggerData) -> Option<Value> {
    // SAFETY: as the caller promises.
    let relation = unsafe { (*trigger.tg_relation).rd_id };
    let statement = (relation, trigger.tg_oldtable, trigger.tg_newtable);
    NOTED
        .take()
        .filter(|noted| noted.statement == statement)
        .map(|noted| noted.keys)
}
