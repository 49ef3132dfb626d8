//! Keeps the triggers of partitions and children those of the table that they belong to.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};

use super::{altered, table, triggers};
use crate::error::{Failure, OrRaise};
use crate::ledger::registry::relation_name;
use crate::security;
use crate::whole_errors::whole;

/// Called by the event trigger before commands that may give a table a part, or take one.
#[pg_extern(sql = false)]
fn note_parts() {
    whole(|| {
        if IS_SYNCING.get() {
            return;
        }
        let statement = statement();
        // A command inside another one leaves what was noted before both.
        if BEFORE.with_borrow(|before| before.as_ref().is_some_and(|(at, _)| *at == statement)) {
            return;
        }
        let trees = security::with_safe_path(trees).or_raise();
        BEFORE.set(Some((statement, trees)));
    })
}

/// Called by the event trigger after such commands, with the relations that were altered. Triggers
/// are created or dropped only if the command gave or took a part: when a dump is restored, those of
/// the parts are still to come.
#[pg_extern(sql = false)]
fn sync_invalidation(altered: Option<Vec<pg_sys::Oid>>) {
    whole(|| {
        // The triggers that this creates are DDL as well, and end here again.
        let Some(_syncing) = Syncing::begin() else {
            return;
        };
        let before = BEFORE.take().filter(|(at, _)| *at == statement());
        let altered = altered.unwrap_or_default();
        security::with_safe_path(|| {
            let now = trees()?;
            let before = before.map(|(_, before)| before);
            if before.as_ref() != Some(&now) {
                sync()?;
            }
            // A table that gets or loses a part has other rows.
            let before = before.unwrap_or_default();
            let parents = before
                .iter()
                .filter(|edge| !now.contains(edge))
                .chain(now.iter().filter(|edge| !before.contains(edge)))
                .map(|(_, parent)| *parent);
            altered::invalidate(altered.iter().copied().chain(parents))
        })
        .or_raise();
    })
}

type Trees = Vec<(pg_sys::Oid, pg_sys::Oid)>;

thread_local! {
    /// The parts of tables with triggers before the command, and of which statement it is.
    static BEFORE: RefCell<Option<(pg_sys::TimestampTz, Trees)>> = const { RefCell::new(None) };
}

fn statement() -> pg_sys::TimestampTz {
    // SAFETY: reads a backend variable.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// What hangs below tables with triggers of their own, each with what it hangs below.
fn trees() -> Result<Trees, Failure> {
    let trees = Spi::connect_mut(|client| {
        let mut trees = Vec::new();
        // A query that reads only would not see what this command did.
        let query = include_str!("../../../sql/cache/trees.sql");
        for row in client.update(query, None, &[])? {
            let oid = |column| row.get::<pg_sys::Oid>(column);
            trees.extend(oid(1)?.zip(oid(2)?));
        }
        Ok::<_, pgrx::spi::Error>(trees)
    })?;
    Ok(trees)
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
