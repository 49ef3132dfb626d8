//! Invalidation by name: rows of the outbox, so it takes effect when the transaction commits.

use pgrx::AnyElement;
use pgrx::prelude::*;
use std::cell::Cell;

use super::outbox::{self, Invalidation};
use super::text;
use super::text_array::TextArray;
use crate::error::{Failure, OrRaise, required};
use crate::ledger::registry::require_writable;
use crate::settings;
use crate::whole_errors::whole;

/// What begins like this is the extension's own.
pub const RESERVED_PREFIX: &str = "inventory_perf:";

#[pg_extern(sql = false)]
fn invalidate_keys(keys: Option<AnyElement>) -> i64 {
    whole(|| {
        require_writable(c"invalidate_keys()");
        keys_by_name(keys).or_raise()
    })
}

#[pg_extern(sql = false)]
fn cache_delete(keys: Option<AnyElement>) -> i64 {
    whole(|| {
        require_writable(c"cache_delete()");
        keys_by_name(keys).or_raise()
    })
}

fn keys_by_name(keys: Option<AnyElement>) -> Result<i64, Failure> {
    let keys = names(keys, "keys")?;
    if let Some(key) = keys.iter().find(|key| key.starts_with(RESERVED_PREFIX)) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("key \"{key}\" is reserved"),
        )
        .detail(format!(
            "Keys that begin with \"{RESERVED_PREFIX}\" belong to the extension."
        ))
        .hint("Use another key. Cached queries become invalid through their tags."));
    }
    append_in_parts(&keys, |keys| Invalidation {
        keys,
        ..Invalidation::default()
    })
}

#[pg_extern(sql = false)]
fn invalidate_tags(tags: Option<AnyElement>) -> i64 {
    whole(|| {
        require_writable(c"invalidate_tags()");
        let append = || {
            append_in_parts(&names(tags, "tags")?, |tags| Invalidation {
                tags,
                ..Invalidation::default()
            })
        };
        append().or_raise()
    })
}

#[pg_extern(sql = false)]
fn invalidate_pattern(pattern: Option<AnyElement>) {
    whole(|| {
        require_writable(c"invalidate_pattern()");
        let append = || {
            let pattern = required(pattern, "pattern")?;
            // SAFETY: the function is declared with a text.
            let pattern = unsafe { text::argument(pattern.datum(), "pattern")? };
            require_room(pattern.len(), "pattern")?;
            outbox::append(&Invalidation {
                patterns: [pattern].into_iter().collect(),
                ..Invalidation::default()
            })
        };
        append().or_raise();
    })
}

#[pg_extern(sql = false)]
fn cache_flush() {
    whole(|| {
        require_writable(c"cache_flush()");
        outbox::append(&Invalidation {
            flush: true,
            ..Invalidation::default()
        })
        .or_raise();
    })
}

fn names(list: Option<AnyElement>, argument: &str) -> Result<Vec<String>, Failure> {
    let list = required(list, argument)?;
    // SAFETY: the functions of this file are declared with a text[].
    let names: Vec<String> = unsafe { text::array(list.datum(), argument)? }
        .into_iter()
        .map(|name| required(name, argument))
        .collect::<Result<_, Failure>>()?;
    require_room(names.iter().map(|name| name.len()).sum(), argument)?;
    Ok(names)
}

/// Bytes of names that one transaction passes at most. What it wants to have invalid beyond that has a
/// tag in common, or a pattern.
const MOST_BYTES: usize = 16 * 1024 * 1024;

fn require_room(bytes: usize, argument: &str) -> Result<(), Failure> {
    thread_local! {
        static PASSED: Cell<(u64, usize)> = const { Cell::new((0, 0)) };
    }
    let transaction = outbox::transaction();
    let (of, before) = PASSED.get();
    let passed = bytes + if of == transaction { before } else { 0 };
    if passed > MOST_BYTES {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            format!("too many names in \"{argument}\""),
        )
        .detail(format!(
            "One transaction can pass {MOST_BYTES} bytes of names."
        ))
        .hint("Invalidate a tag that all of them have, or a pattern."));
    }
    PASSED.set((transaction, passed));
    Ok(())
}

/// Returns how many different names there were.
fn append_in_parts(
    names: &[String],
    row: impl Fn(TextArray) -> Invalidation,
) -> Result<i64, Failure> {
    let distinct: TextArray = names.iter().collect();
    let distinct: Vec<&[u8]> = distinct.iter().collect();
    for part in distinct.chunks(settings::OUTBOX_KEYS_LIMIT.get() as usize) {
        outbox::append(&row(part.iter().collect()))?;
    }
    Ok(distinct.len() as i64)
}
