//! Reads that take the ledger as an argument and name keys in jsonb.

use pgrx::datum::Date;
use pgrx::pg_sys;
use pgrx::prelude::*;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::cache::text;
use crate::error::{Failure, OrRaise, required};
use crate::executor::{raw_function, return_rows};
use crate::ledger::mapping::{Key, Shape};
use crate::ledger::objects;
use crate::ledger::registry::{self, Ledger};
use crate::security;
use crate::sql::{quote_identifier, quote_literal};

raw_function!(
    /// `stock_on(ledger, as_of, key)`
    pg_finfo_inventory_perf_stock_on,
    inventory_perf_stock_on,
    stock_on
);
raw_function!(
    /// `stock_history(ledger, from_date, to_date, key)`
    pg_finfo_inventory_perf_stock_history,
    inventory_perf_stock_history,
    stock_history
);
raw_function!(
    /// `stock_period(ledger, from_date, to_date, key)`
    pg_finfo_inventory_perf_stock_period,
    inventory_perf_stock_period,
    stock_period
);

const QUANTITIES: &str = "r.opening_quantity, r.in_quantity, r.out_quantity, r.total_movements, \
                          r.closing_quantity, r.move_count";

unsafe fn stock_on(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the arguments are declared with these types.
    let (ledger, as_of, key) = unsafe {
        (
            readable(argument(call, 0, "ledger")?)?,
            argument::<Date>(call, 1, "as_of")?,
            text::json(argument(call, 2, "key")?, "key")?,
        )
    };
    let relation = ledger.object_name(objects::STOCK_ON);
    let value = if ledger.mapping.value.is_some() {
        "r.value"
    } else {
        "NULL::numeric"
    };
    let source = format!("{relation}({})", day_sql(as_of));
    let query = query(&ledger, &source, &format!("r.quantity, {value}"), &key)?;
    // SAFETY: the current call.
    unsafe { answer(call, &ledger, &query) }
}

unsafe fn stock_history(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the current call.
    unsafe { over_range(call, objects::STOCK_HISTORY, "r.snapshot_date, ") }
}

unsafe fn stock_period(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the current call.
    unsafe { over_range(call, objects::STOCK_PERIOD, "") }
}

unsafe fn over_range(
    call: pg_sys::FunctionCallInfo,
    relation: &str,
    first_column: &str,
) -> Result<(), Failure> {
    // SAFETY: the arguments are declared with these types.
    let (ledger, from, to, key) = unsafe {
        (
            readable(argument(call, 0, "ledger")?)?,
            argument::<Date>(call, 1, "from_date")?,
            argument::<Date>(call, 2, "to_date")?,
            text::json(argument(call, 3, "key")?, "key")?,
        )
    };
    let relation = ledger.object_name(relation);
    let values = if ledger.mapping.value.is_some() {
        "r.opening_value, r.value_change, r.closing_value"
    } else {
        "NULL::numeric, NULL::numeric, NULL::numeric"
    };
    let source = format!("{relation}({}, {})", day_sql(from), day_sql(to));
    let query = query(
        &ledger,
        &source,
        &format!("{first_column}{QUANTITIES}, {values}"),
        &key,
    )?;
    // SAFETY: the current call.
    unsafe { answer(call, &ledger, &query) }
}

/// Runs the query as the ledger's owner: functions and views beside the ledger, the types of its keys
/// and what they are compared with and written by may be code of the owner's. Whether the caller may
/// read the ledger was checked before.
///
/// # Safety
/// `call` is the current call.
unsafe fn answer(
    call: pg_sys::FunctionCallInfo,
    ledger: &Ledger,
    query: &str,
) -> Result<(), Failure> {
    // SAFETY: as the caller promises.
    security::run_as(ledger.owner, || unsafe { return_rows(call, query) })
}

/// An argument that must not be NULL.
///
/// # Safety
/// The argument is declared with the SQL type of `T`.
pub unsafe fn argument<T: FromDatum>(
    call: pg_sys::FunctionCallInfo,
    position: usize,
    name: &str,
) -> Result<T, Failure> {
    // SAFETY: as the caller promises.
    required(
        unsafe { pgrx::fcinfo::pg_getarg::<T>(call, position) },
        name,
    )
}

/// A day as SQL: an offset, which no date style can misread.
pub fn day_sql(day: Date) -> String {
    match day.to_pg_epoch_days() {
        i32::MAX => "'infinity'::date".into(),
        i32::MIN => "'-infinity'::date".into(),
        days => format!("('2000-01-01'::date + ({days}))"),
    }
}

/// The ledger, for a caller who may read it.
fn readable(oid: pg_sys::Oid) -> Result<Ledger, Failure> {
    super::guard::check(oid)?;
    registry::get(oid)
}

fn query(ledger: &Ledger, source: &str, columns: &str, key: &str) -> Result<String, Failure> {
    let names: Vec<String> = ledger
        .mapping
        .keys
        .iter()
        .map(|key| {
            format!(
                "{}, r.{}",
                quote_literal(&key.name),
                quote_identifier(&key.name)
            )
        })
        .collect();
    Ok(format!(
        "SELECT pg_catalog.jsonb_build_object({}), {columns} FROM {source} r{}",
        names.join(", "),
        conditions(&ledger.mapping.keys, key)?
    ))
}

/// The key columns that the JSON object `key` names, with the text of their values: of numbers every
/// digit.
pub fn members<'a>(keys: &'a [Key], key: &str) -> Result<Vec<(&'a Key, String)>, Failure> {
    let invalid = |message: String| {
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        Failure::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message).hint(format!(
            "Pass an object with values of some of the key columns: {}.",
            names.join(", ")
        ))
    };
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(key).map_err(|_| invalid("key is not a jsonb object".into()))?;
    members
        .into_iter()
        .map(|(name, value)| {
            let Some(column) = keys.iter().find(|key| key.name == name) else {
                return Err(invalid(format!("key names no key column: \"{name}\"")));
            };
            let text = text_of(value.get(), column.shape).ok_or_else(|| {
                invalid(format!("key \"{name}\" is not a string, number or boolean"))
            })?;
            Ok((column, text))
        })
        .collect()
}

/// The text of a value, which JSON shows as a type of this shape is shown.
fn text_of(json: &str, shape: Shape) -> Option<String> {
    match shape {
        Shape::Json => Some(json.to_owned()),
        Shape::Array if json.starts_with('[') => array_text(json),
        _ if json.starts_with('"') => serde_json::from_str(json).ok(),
        _ if json == "null" || json.starts_with(['[', '{']) => None,
        _ => Some(json.to_owned()),
    }
}

/// An array as PostgreSQL writes one.
fn array_text(json: &str) -> Option<String> {
    let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let elements: Option<Vec<String>> = elements
        .iter()
        .map(|element| match element.get() {
            "null" => Some("NULL".to_owned()),
            array if array.starts_with('[') => array_text(array),
            other => {
                let text = if other.starts_with('"') {
                    serde_json::from_str(other).ok()?
                } else {
                    other.to_owned()
                };
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                Some(format!("\"{escaped}\""))
            }
        })
        .collect();
    Some(format!("{{{}}}", elements?.join(",")))
}

/// A WHERE clause for the key columns that `key` names.
fn conditions(keys: &[Key], key: &str) -> Result<String, Failure> {
    let conditions: Vec<String> = members(keys, key)?
        .into_iter()
        .map(|(column, text)| {
            format!(
                "r.{} {} {}::{}",
                quote_identifier(&column.name),
                column.equals,
                quote_literal(&text),
                column.sql_type
            )
        })
        .collect();
    if conditions.is_empty() {
        return Ok(String::new());
    }
    Ok(format!(" WHERE {}", conditions.join(" AND ")))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn values_are_read_in_the_form_that_json_shows_them_in() {
        for (json, shape, text) in [
            ("1.50", Shape::Scalar, Some("1.50")),
            (r#""a\"b""#, Shape::Scalar, Some("a\"b")),
            ("[1]", Shape::Scalar, None),
            ("null", Shape::Scalar, None),
            ("[]", Shape::Array, Some("{}")),
            (
                r#"["a,b","c\\\"d",null,"NULL"]"#,
                Shape::Array,
                Some(r#"{"a,b","c\\\"d",NULL,"NULL"}"#),
            ),
            (
                "[[1,2],[3,4]]",
                Shape::Array,
                Some(r#"{{"1","2"},{"3","4"}}"#),
            ),
            ("\"{1}\"", Shape::Array, Some("{1}")),
            (r#"{"a":1}"#, Shape::Json, Some(r#"{"a":1}"#)),
            (r#""a""#, Shape::Json, Some(r#""a""#)),
        ] {
            assert_eq!(text_of(json, shape).as_deref(), text, "{json}");
        }
    }
}
