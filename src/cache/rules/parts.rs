//! Keeps the triggers of partitions and children those of the table that they belong to.

use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::spi::SpiClient;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use super::command::{self, Relations};
use super::{altered, table, triggers};
use crate::error::{Failure, OrRaise};
use crate::event_trigger_call;
use crate::executor::raw_function;
use crate::ledger::registry::relation_name;
use crate::prepared::Prepared;
use crate::security;
use crate::whole_errors::whole;

raw_function!(
    /// `inventory_perf.on_ddl_command_start()`: remembers where the tables that a command names stand,
    /// before it gives one of them a part or takes one.
    pg_finfo_inventory_perf_ddl_start,
    inventory_perf_ddl_start,
    note_before
);

unsafe fn note_before(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the call that PostgreSQL makes.
    let command = unsafe { event_trigger_call::command(call, "on_ddl_command_start()")? };
    if IS_SYNCING.get() {
        return Ok(());
    }
    // SAFETY: the command that is about to begin.
    let touched = unsafe { command::touched(command)? };
    if touched.is_empty() || !invalidates()? {
        return Ok(());
    }
    let statement = statement();
    let mut noted = BEFORE
        .take()
        .filter(|noted| noted.statement == statement)
        .unwrap_or_else(|| Noted {
            statement,
            relations: Relations::new(),
            edges: Edges::new(),
        });
    // A command inside another one leaves what was noted before both.
    let new: Relations = touched.difference(&noted.relations).copied().collect();
    if !new.is_empty() {
        noted.edges.extend(edges(&new)?);
        noted.relations.extend(new);
    }
    BEFORE.set(Some(noted));
    Ok(())
}

/// Whether any table has triggers that call invalidate_cache().
fn invalidates() -> Result<bool, Failure> {
    thread_local! {
        static QUERY: Prepared = const {
            Prepared::new(include_str!("../../../sql/cache/invalidates.sql"))
        };
    }
    security::run_as(security::extension_owner()?, || {
        Spi::connect(|client| {
            let found = QUERY.with(|query| {
                query.with_plan(client, &[], |client, plan| {
                    client.select(plan, Some(1), &[])?.first().get_one::<bool>()
                })
            })?;
            Ok(found == Some(true))
        })
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
        let before = BEFORE.take().filter(|noted| noted.statement == statement());
        let altered = altered.unwrap_or_default();
        security::with_safe_path(|| {
            let (mut touched, before) =
                before.map_or_else(Default::default, |noted| (noted.relations, noted.edges));
            touched.extend(altered.iter().map(|relation| relation.to_u32()));
            touched.extend(before.iter().map(|(part, _)| *part));
            let now = edges(&touched)?;
            if before != now {
                sync(&touched)?;
            }
            // A table that gets or loses a part has other rows.
            let parents = before
                .symmetric_difference(&now)
                .map(|(_, parent)| pg_sys::Oid::from(*parent));
            altered::invalidate(altered.iter().copied().chain(parents))
        })
        .or_raise();
    })
}

/// Parts, each with what it hangs below.
type Edges = BTreeSet<(u32, u32)>;

/// What was there before a command.
struct Noted {
    /// The start of the statement that it belongs to.
    statement: pg_sys::TimestampTz,
    /// The tables that it names.
    relations: Relations,
    edges: Edges,
}

thread_local! {
    static BEFORE: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

fn statement() -> pg_sys::TimestampTz {
    // SAFETY: reads a backend variable.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// What these tables hang below, and all that hangs below them.
fn edges(relations: &Relations) -> Result<Edges, Failure> {
    if relations.is_empty() {
        return Ok(Edges::new());
    }
    security::run_as(security::extension_owner()?, || {
        Spi::connect_mut(|client| {
            let mut edges = Edges::new();
            // A query that reads only would not see what this command did.
            let query = include_str!("../../../sql/cache/edges.sql");
            for row in client.update(query, None, &[oids(relations).into()])? {
                let oid = |column| row.get::<pg_sys::Oid>(column);
                edges.extend(
                    oid(1)?
                        .zip(oid(2)?)
                        .map(|(part, parent)| (part.to_u32(), parent.to_u32())),
                );
            }
            Ok(edges)
        })
    })
}

fn oids(relations: &Relations) -> Vec<pg_sys::Oid> {
    relations.iter().copied().map(pg_sys::Oid::from).collect()
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

/// Gives these tables, and all below them, the triggers that they are to have.
pub fn sync(relations: &Relations) -> Result<(), Failure> {
    for change in changes(relations)? {
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

fn changes(relations: &Relations) -> Result<Vec<Change>, Failure> {
    let look = |client: &mut SpiClient| {
        let mut changes = Vec::new();
        // A query that reads only would not see what this command did.
        let query = include_str!("../../../sql/cache/parts_to_change.sql");
        for row in client.update(query, None, &[oids(relations).into()])? {
            changes.push(Change {
                part: row.get::<pg_sys::Oid>(1)?.unwrap_or(pg_sys::InvalidOid),
                table: row.get::<pg_sys::Oid>(2)?,
                other: row.get::<pg_sys::Oid>(3)?,
            });
        }
        Ok::<_, pgrx::spi::Error>(changes)
    };
    Ok(security::with_index_scans(|| Spi::connect_mut(look))?)
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
