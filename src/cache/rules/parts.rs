//! Keeps the triggers of partitions and children those of the table that they belong to.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;

use super::{table, triggers};
use crate::error::{Failure, OrRaise};
use crate::ledger::registry::relation_name;
use crate::security;

/// Called by the event trigger after commands that may have given a table a part, or taken one.
#[pg_extern(sql = false)]
fn sync_invalidation() {
    // The triggers that this creates are DDL as well, and end here again.
    if let Some(_syncing) = Syncing::begin() {
        security::with_safe_path(sync).or_raise();
    }
}

thread_local! {
    static IS_SYNCING: Cell<bool> = const { Cell::new(false) };
}

pub struct Syncing;

impl Syncing {
    /// None while it is going on already.
    pub fn begin() -> Option<Self> {
        (!IS_SYNCING.replace(true)).then(|| Self)
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        IS_SYNCING.set(false);
    }
}

struct Change {
    part: pg_sys::Oid,
    /// The table that it is a part of; none if it was one.
    table: Option<pg_sys::Oid>,
    /// Another table that it is a part of, but the first is not.
    other: Option<pg_sys::Oid>,
}

pub fn sync() -> Result<(), Failure> {
    for change in changes()? {
        let Some(table) = change.table else {
            triggers::drop(change.part, triggers::Of::Part)?;
            continue;
        };
        if let Some(other) = change.other {
            return Err(part_of_another(change.part, table, other));
        }
        table::check_part(change.part)?;
        triggers::create(
            change.part,
            triggers::Of::Part,
            &triggers::arguments(table)?,
        )?;
    }
    Ok(())
}

fn changes() -> Result<Vec<Change>, Failure> {
    let changes = Spi::connect_mut(|client| {
        let mut changes = Vec::new();
        // A query that reads only would not see what this command did.
        let query = include_str!("../../../sql/cache/parts_to_change.sql");
        for row in client.update(query, None, &[])? {
            changes.push(Change {
                part: row.get::<pg_sys::Oid>(1)?.unwrap_or(pg_sys::InvalidOid),
                table: row.get::<pg_sys::Oid>(2)?,
                other: row.get::<pg_sys::Oid>(3)?,
            });
        }
        Ok::<_, pgrx::spi::Error>(changes)
    })?;
    Ok(changes)
}

fn part_of_another(part: pg_sys::Oid, table: pg_sys::Oid, other: pg_sys::Oid) -> Failure {
    let (part, table, other) = (
        relation_name(part),
        relation_name(table),
        relation_name(other),
    );
    Failure::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!("{part} is a partition or child of {other}, but invalidates on change as {table}"),
    )
    .detail(format!(
        "Changes made through {other} would not fire the triggers."
    ))
    .hint(format!(
        "Run SELECT inventory_perf.stop_invalidating({}) first.",
        crate::sql::quote_literal(&table)
    ))
}
