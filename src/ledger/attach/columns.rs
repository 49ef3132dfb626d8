//! The table that is to be attached, and its columns.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::Failure;
use crate::ledger::detection::{Category, Column};
use crate::ledger::registry;
use crate::security;

pub struct Table {
    /// Qualified and quoted.
    pub name: String,
    pub schema: String,
}

/// Refuses what is no permanent table, and callers who do not own it.
pub fn check_table(ledger: pg_sys::Oid) -> Result<Table, Failure> {
    let found = Spi::connect(|client| {
        let mut rows = client.select(
            "SELECT c.relkind::text, c.relpersistence::text, c.relowner, n.nspname::text \
             FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1",
            Some(1),
            &[ledger.into()],
        )?;
        let Some(row) = rows.next() else {
            return Ok(None);
        };
        Ok::<_, pgrx::spi::Error>(Some((
            row.get::<String>(1)?.unwrap_or_default(),
            row.get::<String>(2)?.unwrap_or_default(),
            row.get::<pg_sys::Oid>(3)?.unwrap_or(pg_sys::InvalidOid),
            row.get::<String>(4)?.unwrap_or_default(),
        )))
    })?;
    let Some((kind, persistence, owner, schema)) = found else {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("relation with OID {} does not exist", ledger.to_u32()),
        )
        .hint("Pass the name of the ledger's table."));
    };
    let name = registry::relation_name(ledger);
    let refuse = |what: &str, hint: &str| {
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("{name} is {what}, not a permanent table"),
        )
        .hint(hint))
    };
    match kind.as_str() {
        "r" | "p" => {}
        "v" => return refuse("a view", "Attach the table that the view reads from."),
        "m" => {
            return refuse(
                "a materialized view",
                "Attach the table that it is made from.",
            );
        }
        "f" => {
            return refuse(
                "a foreign table",
                "Attach it in the database that holds its data.",
            );
        }
        _ => {
            return refuse(
                "another kind of relation",
                "Attach a table of stock movements.",
            );
        }
    }
    match persistence.as_str() {
        "t" => return refuse("a temporary table", "Create the ledger without TEMPORARY."),
        "u" => {
            return refuse(
                "an unlogged table",
                "It would be empty after a crash while its snapshots are not. \
                 Run ALTER TABLE … SET LOGGED.",
            );
        }
        _ => {}
    }
    if schema == "pg_catalog" || schema == "information_schema" {
        return refuse("a system catalog", "Attach a table of stock movements.");
    }
    if !security::acts_for(owner) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("must be owner of table {name}"),
        )
        .hint("Ask the owner of the table, or a superuser, to attach it."));
    }
    Ok(Table { name, schema })
}

/// The columns that its rows hold: a trigger sees no value of a virtual generated one.
pub fn columns(ledger: pg_sys::Oid) -> Result<Vec<Column>, Failure> {
    let columns = Spi::connect(|client| {
        let mut columns = Vec::new();
        let rows = client.select(
            "SELECT attname::text, atttypid FROM pg_catalog.pg_attribute \
             WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated <> 'v' \
             ORDER BY attnum",
            None,
            &[ledger.into()],
        )?;
        for row in rows {
            let type_oid = row.get::<pg_sys::Oid>(2)?.unwrap_or(pg_sys::InvalidOid);
            columns.push(Column {
                name: row.get::<String>(1)?.unwrap_or_default(),
                category: category(type_oid),
            });
        }
        Ok::<_, pgrx::spi::Error>(columns)
    })?;
    Ok(columns)
}

fn category(type_oid: pg_sys::Oid) -> Category {
    // SAFETY: a catalog look-up by value; a domain has the category of its base type.
    match unsafe { pg_sys::getBaseType(type_oid) } {
        pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::INT8OID => Category::Integer,
        pg_sys::NUMERICOID => Category::Exact,
        pg_sys::FLOAT4OID | pg_sys::FLOAT8OID => Category::Float,
        pg_sys::DATEOID => Category::Date,
        pg_sys::TIMESTAMPOID => Category::Timestamp,
        pg_sys::TIMESTAMPTZOID => Category::TimestampTz,
        pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID => Category::Text,
        pg_sys::UUIDOID => Category::Uuid,
        pg_sys::BOOLOID => Category::Boolean,
        _ => Category::Other,
    }
}
