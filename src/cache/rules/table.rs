//! The table whose changes are to be written down, and its parts.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::Failure;
use crate::executor::first_value;
use crate::ledger::members;
use crate::ledger::registry::relation_name;
use crate::security;

/// Refuses what cannot have the triggers, what belongs to a larger table, and callers who do not
/// own it.
pub fn check(relation: pg_sys::Oid) -> Result<(), Failure> {
    check_owned(relation)?;
    let name = relation_name(relation);
    // SAFETY: catalog look-ups by value.
    let (kind, persistence) = unsafe {
        (
            pg_sys::get_rel_relkind(relation) as u8,
            pg_sys::get_rel_persistence(relation) as u8,
        )
    };
    let refuse = |what: &str, hint: &str| {
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("{name} is {what}"),
        )
        .hint(hint))
    };
    match kind {
        b'r' | b'p' => {}
        b'v' => return refuse("a view", "Name the tables that the view reads from."),
        b'm' => {
            return refuse(
                "a materialized view",
                "Call inventory_perf.invalidate_tags() where it is refreshed.",
            );
        }
        b'f' => {
            return refuse(
                "a foreign table",
                "Call it in the database that holds its data.",
            );
        }
        _ => return refuse("no table", "Name a table."),
    }
    if persistence == pg_sys::RELPERSISTENCE_TEMP {
        return refuse("a temporary table", "Create the table without TEMPORARY.");
    }
    // SAFETY: a catalog look-up by value.
    let schema = unsafe { pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation)) };
    if !schema.is_null() {
        // SAFETY: a C string of the current memory context.
        let schema = unsafe { std::ffi::CStr::from_ptr(schema) }.to_bytes();
        if matches!(
            schema,
            b"pg_catalog" | b"information_schema" | b"inventory_perf"
        ) {
            return refuse("a system table", "Name a table of your own.");
        }
    }
    if let Some(parent) = parent(relation)? {
        let parent = relation_name(parent);
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("{name} is a partition or child of {parent}"),
        )
        .detail("Changes made through the parent do not fire its triggers.")
        .hint(format!("Call it for {parent}, which covers all its parts.")));
    }
    refuse_subscribed(relation)
}

pub fn check_owned(relation: pg_sys::Oid) -> Result<(), Failure> {
    let Some(owner) = security::owner_of(relation) else {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("relation with OID {} does not exist", relation.to_u32()),
        )
        .hint("Pass the name of a table."));
    };
    if !security::acts_for(owner) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("must be owner of {}", relation_name(relation)),
        )
        .hint("Ask the owner of the table, or a superuser, to do it."));
    }
    Ok(())
}

/// Partitions and children, however deep.
pub fn parts(relation: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>, Failure> {
    let mut parts = members::current(relation)?;
    parts.retain(|part| *part != relation);
    for part in &parts {
        check_part(*part)?;
    }
    Ok(parts)
}

/// Refuses a part that rows cannot be routed to any more once there are transition tables.
pub fn check_part(part: pg_sys::Oid) -> Result<(), Failure> {
    // SAFETY: a catalog look-up by value.
    let kind = unsafe { pg_sys::get_rel_relkind(part) } as u8;
    if kind != pg_sys::RELKIND_FOREIGN_TABLE {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
        format!("{} is a foreign table", relation_name(part)),
    )
    .detail("It cannot be a part of a table whose changes make cached values invalid.")
    .hint("Keep it out of that table, or run inventory_perf.stop_invalidating() on the table."))
}

fn parent(relation: pg_sys::Oid) -> Result<Option<pg_sys::Oid>, Failure> {
    first_value(
        "SELECT inhparent FROM pg_catalog.pg_inherits WHERE inhrelid = $1 ORDER BY inhseqno",
        &[relation.into()],
    )
}

fn refuse_subscribed(relation: pg_sys::Oid) -> Result<(), Failure> {
    let subscribed = first_value::<pg_sys::Oid>(
        "SELECT srrelid FROM pg_catalog.pg_subscription_rel WHERE srrelid = $1",
        &[relation.into()],
    )?;
    if subscribed.is_none() {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!("a subscription writes to {}", relation_name(relation)),
    )
    .detail("Changes that logical replication applies fire no statement triggers.")
    .hint(
        "Create triggers FOR EACH ROW that call inventory_perf.invalidate_cache(), and enable \
         them with ALTER TABLE … ENABLE ALWAYS TRIGGER.",
    ))
}

/// The columns that its rows hold: a trigger sees no value of a virtual generated one.
pub fn columns(relation: pg_sys::Oid) -> Result<Vec<String>, Failure> {
    let columns = Spi::connect(|client| {
        let mut columns = Vec::new();
        let rows = client.select(
            "SELECT attname::text FROM pg_catalog.pg_attribute \
             WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated <> 'v' \
             ORDER BY attnum",
            None,
            &[relation.into()],
        )?;
        for row in rows {
            columns.extend(row.get::<String>(1)?);
        }
        Ok::<_, pgrx::spi::Error>(columns)
    })?;
    Ok(columns)
}
