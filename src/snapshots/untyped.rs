//! Reads that take the ledger as an argument and name keys in jsonb.

use pgrx::datum::Date;
use pgrx::pg_sys;
use pgrx::prelude::*;
use serde_json::Value;

use crate::error::{Failure, OrRaise, required};
use crate::ledger::mapping::Key;
use crate::ledger::objects::Objects;
use crate::ledger::registry::{self, Ledger};
use crate::security;
use crate::sql::{quote_identifier, quote_literal};

const QUANTITIES: &str = "r.opening_quantity, r.in_quantity, r.out_quantity, r.total_movements, r.closing_quantity, \
     r.move_count";

#[pg_extern(sql = false)]
fn stock_on(
    ledger: Option<pg_sys::Oid>,
    as_of: Option<Date>,
    key: Option<pgrx::JsonB>,
) -> TableIterator<
    'static,
    (
        name!(key, pgrx::JsonB),
        name!(quantity, Option<AnyNumeric>),
        name!(value, Option<AnyNumeric>),
    ),
> {
    let rows = (|| {
        let as_of = required(as_of, "as_of")?;
        let ledger = readable(ledger)?;
        let relation = Objects::new(&ledger.schema, &ledger.prefix).stock_on();
        let value = if ledger.mapping.value.is_some() {
            "r.value"
        } else {
            "NULL::numeric"
        };
        let query = query(
            &ledger,
            &format!("{relation}($1)"),
            &format!("r.quantity, {value}"),
            key,
        )?;
        read(&query, &[as_of.into()], |row| {
            Ok((row.get(1)?, row.get(2)?, row.get(3)?))
        })
    })();
    let rows = rows.or_raise().into_iter();
    TableIterator::new(rows.filter_map(|(key, quantity, value)| Some((key?, quantity, value))))
}

#[pg_extern(sql = false)]
fn stock_history(
    ledger: Option<pg_sys::Oid>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    key: Option<pgrx::JsonB>,
) -> TableIterator<
    'static,
    (
        name!(key, pgrx::JsonB),
        name!(snapshot_date, Option<Date>),
        name!(opening_quantity, Option<AnyNumeric>),
        name!(in_quantity, Option<AnyNumeric>),
        name!(out_quantity, Option<AnyNumeric>),
        name!(total_movements, Option<AnyNumeric>),
        name!(closing_quantity, Option<AnyNumeric>),
        name!(move_count, Option<i64>),
        name!(opening_value, Option<AnyNumeric>),
        name!(value_change, Option<AnyNumeric>),
        name!(closing_value, Option<AnyNumeric>),
    ),
> {
    let rows = (|| {
        let from = required(from_date, "from_date")?;
        let to = required(to_date, "to_date")?;
        let ledger = readable(ledger)?;
        let relation = Objects::new(&ledger.schema, &ledger.prefix).stock_history();
        let columns = format!("r.snapshot_date, {QUANTITIES}, {}", values(&ledger));
        let query = query(&ledger, &format!("{relation}($1, $2)"), &columns, key)?;
        read(&query, &[from.into(), to.into()], |row| {
            Ok((
                row.get::<pgrx::JsonB>(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
                row.get(7)?,
                row.get(8)?,
                row.get(9)?,
                row.get(10)?,
                row.get(11)?,
            ))
        })
    })();
    let rows = rows.or_raise().into_iter();
    TableIterator::new(rows.filter_map(|(key, b, c, d, e, f, g, h, i, j, k)| {
        Some((key?, b, c, d, e, f, g, h, i, j, k))
    }))
}

#[pg_extern(sql = false)]
fn stock_period(
    ledger: Option<pg_sys::Oid>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    key: Option<pgrx::JsonB>,
) -> TableIterator<
    'static,
    (
        name!(key, pgrx::JsonB),
        name!(opening_quantity, Option<AnyNumeric>),
        name!(in_quantity, Option<AnyNumeric>),
        name!(out_quantity, Option<AnyNumeric>),
        name!(total_movements, Option<AnyNumeric>),
        name!(closing_quantity, Option<AnyNumeric>),
        name!(move_count, Option<i64>),
        name!(opening_value, Option<AnyNumeric>),
        name!(value_change, Option<AnyNumeric>),
        name!(closing_value, Option<AnyNumeric>),
    ),
> {
    let rows = (|| {
        let from = required(from_date, "from_date")?;
        let to = required(to_date, "to_date")?;
        let ledger = readable(ledger)?;
        let relation = Objects::new(&ledger.schema, &ledger.prefix).stock_period();
        let columns = format!("{QUANTITIES}, {}", values(&ledger));
        let query = query(&ledger, &format!("{relation}($1, $2)"), &columns, key)?;
        read(&query, &[from.into(), to.into()], |row| {
            Ok((
                row.get::<pgrx::JsonB>(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
                row.get(7)?,
                row.get(8)?,
                row.get(9)?,
                row.get(10)?,
            ))
        })
    })();
    let rows = rows.or_raise().into_iter();
    TableIterator::new(
        rows.filter_map(|(key, b, c, d, e, f, g, h, i, j)| Some((key?, b, c, d, e, f, g, h, i, j))),
    )
}

/// The ledger, for a caller who may read it.
fn readable(ledger: Option<pg_sys::Oid>) -> Result<Ledger, Failure> {
    let oid = required(ledger, "ledger")?;
    super::guard::check(oid)?;
    registry::get(oid)
}

fn values(ledger: &Ledger) -> &'static str {
    if ledger.mapping.value.is_some() {
        "r.opening_value, r.value_change, r.closing_value"
    } else {
        "NULL::numeric, NULL::numeric, NULL::numeric"
    }
}

fn query(
    ledger: &Ledger,
    relation: &str,
    columns: &str,
    key: Option<pgrx::JsonB>,
) -> Result<String, Failure> {
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
        "SELECT pg_catalog.jsonb_build_object({}), {columns} FROM {relation} r{}",
        names.join(", "),
        conditions(&ledger.mapping.keys, key)?
    ))
}

/// A WHERE clause for the key columns that `key` names.
fn conditions(keys: &[Key], key: Option<pgrx::JsonB>) -> Result<String, Failure> {
    let pgrx::JsonB(key) = required(key, "key")?;
    let names = || {
        keys.iter()
            .map(|key| key.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let hint = || format!("Pass an object with some of the key columns: {}.", names());
    let Value::Object(members) = key else {
        return Err(invalid_key("key is not a jsonb object").hint(hint()));
    };
    let mut conditions = Vec::new();
    for (name, value) in members {
        let Some(column) = keys.iter().find(|key| key.name == name) else {
            return Err(invalid_key(&format!("key names no key column: \"{name}\"")).hint(hint()));
        };
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(boolean) => boolean.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(invalid_key(&format!(
                    "key \"{name}\" is not a string, number or boolean"
                ))
                .hint("Key columns are never null. Leave a column out for all its values."));
            }
        };
        conditions.push(format!(
            "r.{} {} {}::{}",
            quote_identifier(&name),
            column.equals,
            quote_literal(&text),
            column.sql_type
        ));
    }
    if conditions.is_empty() {
        return Ok(String::new());
    }
    Ok(format!(" WHERE {}", conditions.join(" AND ")))
}

fn invalid_key(message: &str) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}

fn read<T>(
    query: &str,
    arguments: &[pgrx::datum::DatumWithOid],
    each: impl Fn(&pgrx::spi::SpiHeapTupleData) -> Result<T, pgrx::spi::Error>,
) -> Result<Vec<T>, Failure> {
    let rows = security::with_safe_path(|| {
        Spi::connect(|client| {
            client
                .select(query, None, arguments)?
                .map(|row| each(&row))
                .collect::<Result<_, _>>()
        })
    })?;
    Ok(rows)
}
