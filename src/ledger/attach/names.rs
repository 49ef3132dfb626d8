//! Names of what is to be created: short enough, and free.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::Failure;
use crate::ledger::objects::{self, Kind, OBJECTS, Objects};
use std::ffi::CString;

/// Refuses a schema that is not there or not for users, a prefix that is too long, and names that are taken.
pub fn check(schema: &str, prefix: &str) -> Result<(), Failure> {
    let exists = Spi::connect(|client| {
        client
            .select(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)",
                Some(1),
                &[schema.into()],
            )?
            .first()
            .get_one::<bool>()
    })?;
    if exists != Some(true) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
            format!(
                "schema {} does not exist",
                crate::sql::quote_identifier(schema)
            ),
        )
        .hint("Create it, or pass another target_schema."));
    }
    check_schema(schema)?;
    if prefix.len() > objects::longest_prefix() {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_NAME_TOO_LONG,
            format!("prefix is longer than {} bytes", objects::longest_prefix()),
        )
        .hint("Pass a shorter prefix."));
    }
    let names = Objects::new(schema, prefix);
    let mut taken = Vec::new();
    for object in &OBJECTS {
        let name = format!("{prefix}{}", object.name);
        if is_taken(schema, &name, object.kind == Kind::Function)? {
            taken.push(names.name(object.name));
        }
    }
    if taken.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
        "names that the ledger's relations need are taken",
    )
    .detail(format!("There is already: {}.", taken.join(", ")))
    .hint("Pass prefix or target_schema, such as prefix => 'exact_', to create them elsewhere."))
}

/// What is in a temporary schema ends with its session, without a word to anybody; the others are
/// PostgreSQL's, or the extension's.
fn check_schema(schema: &str) -> Result<(), Failure> {
    let name = CString::new(schema).unwrap_or_default();
    // SAFETY: catalog look-ups by name and by value.
    let is_temporary = unsafe {
        let oid = pg_sys::get_namespace_oid(name.as_ptr(), true);
        pg_sys::isAnyTempNamespace(oid)
    };
    let what = match schema {
        _ if is_temporary => "temporary",
        "information_schema" | "inventory_perf" => "a system schema",
        _ if schema.starts_with("pg_") => "a system schema",
        _ => return Ok(()),
    };
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
        format!("schema {} is {what}", crate::sql::quote_identifier(schema)),
    )
    .detail("What a ledger's snapshots are stored in must stay as long as the ledger.")
    .hint("Pass another target_schema."))
}

/// A composite type or a function of any arguments counts as taken as well.
fn is_taken(schema: &str, name: &str, is_function: bool) -> Result<bool, Failure> {
    let query = if is_function {
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p \
             JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
             WHERE n.nspname = $1 AND p.proname = $2)"
    } else {
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_type t \
             JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
             WHERE n.nspname = $1 AND t.typname = $2) \
             OR EXISTS (SELECT FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1 AND c.relname = $2)"
    };
    let taken = Spi::connect(|client| {
        client
            .select(query, Some(1), &[schema.into(), name.into()])?
            .first()
            .get_one::<bool>()
    })?;
    Ok(taken.unwrap_or(false))
}

/// The OID of a relation that was just created.
pub fn relation(qualified_name: &str) -> Result<pg_sys::Oid, Failure> {
    let oid = Spi::connect(|client| {
        client
            .select(
                "SELECT $1::text::regclass::oid",
                Some(1),
                &[qualified_name.into()],
            )?
            .first()
            .get_one::<pg_sys::Oid>()
    })?;
    oid.ok_or_else(|| {
        Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("relation {qualified_name} does not exist"),
        )
    })
}
