//! cache_get(), cache_set() and their kin: arguments and results.

use pgrx::AnyElement;
use pgrx::datum::Interval;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CString;
use std::time::Duration;

use super::entry::json;
use super::invalidate::RESERVED_PREFIX;
use super::kv;
use super::text;
use crate::error::{Failure, OrRaise, required};
use crate::whole_errors::whole;

/// Bytes of a key or tag.
const LONGEST_NAME: usize = 512;
/// Of one call.
pub const MOST_KEYS: usize = 10_000;
const MOST_TAGS: usize = 100;
const LONGEST_TTL: Duration = Duration::from_secs(366 * 24 * 60 * 60);

#[pg_extern(sql = false)]
fn cache_get(key: Option<AnyElement>) -> Option<AnyElement> {
    whole(|| {
        let get = || {
            let found = kv::get(&[checked_key(text_argument(key, "key")?, "key")?])?;
            found.into_iter().next().flatten().map(jsonb).transpose()
        };
        get().or_raise()
    })
}

#[pg_extern(sql = false)]
fn cache_get_many(
    keys: Option<AnyElement>,
) -> TableIterator<'static, (name!(key, String), name!(value, Option<AnyElement>))> {
    whole(|| {
        let get = || {
            let keys = required(array_argument(keys, "keys")?, "keys")?;
            check_count(keys.len(), MOST_KEYS, "keys")?;
            let keys = keys
                .into_iter()
                .map(|key| checked_key(key, "keys"))
                .collect::<Result<Vec<_>, _>>()?;
            let values = kv::get(&keys)?;
            keys.into_iter()
                .zip(values)
                .map(|(key, value)| Ok((key, value.map(jsonb).transpose()?)))
                .collect::<Result<Vec<_>, Failure>>()
        };
        TableIterator::new(get().or_raise())
    })
}

#[pg_extern(sql = false)]
fn cache_exists(key: Option<AnyElement>) -> bool {
    whole(|| {
        let exists = || kv::exists(checked_key(text_argument(key, "key")?, "key")?);
        exists().or_raise()
    })
}

#[pg_extern(sql = false)]
fn cache_set(
    key: Option<AnyElement>,
    value: Option<AnyElement>,
    ttl: Option<Interval>,
    tags: Option<AnyElement>,
) -> bool {
    whole(|| {
        let set = || {
            let key = checked_key(text_argument(key, "key")?, "key")?;
            let value = required(value, "value").map_err(|failure| {
                failure.hint("JSON's null is 'null'::jsonb; cache_delete() deletes a key.")
            })?;
            let stored = kv::set(
                &[(key, json_argument(value, "value")?)],
                checked_ttl(ttl)?,
                &checked_tags(array_argument(tags, "tags")?)?,
            )?;
            Ok::<_, Failure>(stored == 1)
        };
        set().or_raise()
    })
}

#[pg_extern(sql = false)]
fn cache_set_many(
    entries: Option<AnyElement>,
    ttl: Option<Interval>,
    tags: Option<AnyElement>,
) -> i64 {
    whole(|| {
        let set = || {
            let text = json_argument(required(entries, "entries")?, "entries")?;
            let values = json::members(&text)
                .ok_or_else(|| {
                    invalid("argument \"entries\" is not a JSON object").hint(
                        "Pass an object of keys and values, such as jsonb_build_object('key', 1).",
                    )
                })?
                .into_iter()
                .map(|(key, value)| Ok((checked_key(Some(key), "entries")?, value.to_owned())))
                .collect::<Result<Vec<_>, Failure>>()?;
            check_count(values.len(), MOST_KEYS, "entries")?;
            let stored = kv::set(
                &values,
                checked_ttl(ttl)?,
                &checked_tags(array_argument(tags, "tags")?)?,
            )?;
            Ok::<_, Failure>(stored as i64)
        };
        set().or_raise()
    })
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        message.into(),
    )
}

fn check_count(count: usize, most: usize, argument: &str) -> Result<(), Failure> {
    if count <= most {
        return Ok(());
    }
    Err(
        invalid(format!("argument \"{argument}\" has too many elements"))
            .detail(format!("It has {count}; {most} are allowed."))
            .hint("Call the function for a part of them at a time."),
    )
}

fn checked_name(name: Option<String>, argument: &str) -> Result<String, Failure> {
    let name = required(name, argument)?;
    if name.is_empty() {
        return Err(
            invalid(format!("argument \"{argument}\" has an empty name"))
                .hint("Pass a name of at least one character."),
        );
    }
    if name.len() > LONGEST_NAME {
        return Err(invalid(format!(
            "argument \"{argument}\" has a name that is too long"
        ))
        .detail(format!(
            "It has {} bytes; {LONGEST_NAME} are allowed.",
            name.len()
        ))
        .hint("Use a shorter name, for example a digest of it."));
    }
    Ok(name)
}

fn checked_key(key: Option<String>, argument: &str) -> Result<String, Failure> {
    let key = checked_name(key, argument)?;
    if key.starts_with(RESERVED_PREFIX) {
        return Err(invalid(format!("key \"{key}\" is reserved"))
            .detail(format!(
                "Keys that begin with \"{RESERVED_PREFIX}\" belong to the extension."
            ))
            .hint("Use another key."));
    }
    Ok(key)
}

fn checked_tags(tags: Option<Vec<Option<String>>>) -> Result<Vec<String>, Failure> {
    let tags = required(tags, "tags")?;
    check_count(tags.len(), MOST_TAGS, "tags")?;
    let mut tags = tags
        .into_iter()
        .map(|tag| checked_name(tag, "tags"))
        .collect::<Result<Vec<_>, _>>()?;
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

/// A time to live: above nothing, and not for ever.
pub fn checked_ttl(ttl: Option<Interval>) -> Result<Duration, Failure> {
    const DAY: i128 = 24 * 60 * 60 * 1_000_000;
    let ttl = required(ttl, "ttl")?;
    let microseconds =
        (i128::from(ttl.months()) * 30 + i128::from(ttl.days())) * DAY + i128::from(ttl.micros());
    u64::try_from(microseconds)
        .ok()
        .map(Duration::from_micros)
        .filter(|ttl| !ttl.is_zero() && *ttl <= LONGEST_TTL)
        .ok_or_else(|| {
            invalid("argument \"ttl\" is out of range")
                .detail("A value lives for more than no time and for at most 366 days.")
                .hint("Pass an interval such as '10 minutes'.")
        })
}

fn text_argument(value: Option<AnyElement>, argument: &str) -> Result<Option<String>, Failure> {
    // SAFETY: the functions of this file are declared with a text there.
    let text = value.map(|value| unsafe { text::argument(value.datum(), argument) });
    text.transpose()
}

fn array_argument(
    value: Option<AnyElement>,
    argument: &str,
) -> Result<Option<Vec<Option<String>>>, Failure> {
    // SAFETY: the functions of this file are declared with a text[] there.
    let array = value.map(|value| unsafe { text::array(value.datum(), argument) });
    array.transpose()
}

fn json_argument(value: AnyElement, argument: &str) -> Result<String, Failure> {
    // SAFETY: the functions of this file are declared with a jsonb there.
    unsafe { text::json(value.datum(), argument) }
}

/// A jsonb of a text that was checked to be one.
fn jsonb(text: String) -> Result<AnyElement, Failure> {
    let text = CString::new(text).map_err(|_| invalid("a cached value has a null character"))?;
    // SAFETY: the input function of jsonb takes a text; its result is a new datum.
    let element = unsafe {
        let datum = pg_sys::OidInputFunctionCall(
            pg_sys::Oid::from(pg_sys::F_JSONB_IN),
            text.as_ptr().cast_mut(),
            pg_sys::JSONBOID,
            -1,
        );
        AnyElement::from_polymorphic_datum(datum, false, pg_sys::JSONBOID)
    };
    element.ok_or_else(|| invalid("a cached value is no value"))
}
