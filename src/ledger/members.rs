//! The tables that a ledger is made of: itself, and its partitions or inheritance children.
//!
//! Each has the capture triggers, as a statement fires the triggers of the table that it names.
//! Event triggers keep the list right: rows of an attached partition are counted, those of a
//! detached one are taken out.

use pgrx::pg_sys;
use pgrx::prelude::*;

use std::cell::Cell;

use super::capture;
use super::objects::{MOVED_ROWS_TRIGGER, TRIGGERS};
use super::registry::{self, Ledger, State};
use crate::error::{Failure, OrRaise, required};
use crate::executor;
use crate::executor::first_value;
use crate::moved_rows;
use crate::security;
use crate::snapshots::storage;

/// The registered ledger that a table belongs to.
pub fn ledger_of(member: pg_sys::Oid) -> Result<Option<Ledger>, Failure> {
    match registered_with("members::oid[]", member)? {
        Some(ledger) => registry::find(ledger),
        None if is_registered_by_now(member)? => Err(Failure::new(
            PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            format!(
                "{} became a ledger, or a part of one, after this transaction's snapshot",
                registry::relation_name(member)
            ),
        )
        .hint("Retry the transaction.")),
        None => Ok(None),
    }
}

/// Whether the table belongs to a ledger that a fixed snapshot may be too old to see.
fn is_registered_by_now(member: pg_sys::Oid) -> Result<bool, Failure> {
    let query = format!(
        "SELECT FROM inventory_perf.ledger WHERE {}::oid = ANY (members::oid[])",
        member.to_u32()
    );
    let owner = security::extension_owner()?;
    let mut is_registered = false;
    // SAFETY: an error pops the snapshot as well.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot()) };
    security::run_as(owner, || {
        executor::for_each_row(&query, |_| is_registered = true)
    })?;
    // SAFETY: pops what was pushed above.
    unsafe { pg_sys::PopActiveSnapshot() };
    Ok(is_registered)
}

/// The ledger of which one of the registered `relations` is this one.
fn registered_with(relations: &str, relation: pg_sys::Oid) -> Result<Option<pg_sys::Oid>, Failure> {
    let query =
        format!("SELECT ledger::oid FROM inventory_perf.ledger WHERE $1 = ANY ({relations})");
    let owner = security::extension_owner()?;
    security::run_as(owner, || first_value(&query, &[relation.into()]))
}

/// Whether an inheritance tree, not a partitioned table, hangs below the ledger.
pub fn has_plain_children(ledger: pg_sys::Oid) -> Result<bool, Failure> {
    let found = Spi::connect(|client| {
        client
            .select(
                "SELECT c.relkind = 'r' AND EXISTS ( \
                     SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) \
                 FROM pg_catalog.pg_class c WHERE c.oid = $1",
                Some(1),
                &[ledger.into()],
            )?
            .first()
            .get_one::<bool>()
    })?;
    Ok(found.unwrap_or(false))
}

/// The tables of a ledger as they are now.
pub fn current(ledger: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>, Failure> {
    oids(include_str!("../../sql/ledger/members.sql"), ledger)
}

fn recorded(ledger: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>, Failure> {
    let owner = security::extension_owner()?;
    security::run_as(owner, || {
        oids(
            "SELECT unnest(members)::oid FROM inventory_perf.ledger WHERE ledger = $1::oid",
            ledger,
        )
    })
}

fn oids(query: &str, argument: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>, Failure> {
    let members = Spi::connect(|client| {
        let mut members = Vec::new();
        for row in client.select(query, None, &[argument.into()])? {
            members.extend(row.get::<pg_sys::Oid>(1)?);
        }
        Ok::<_, pgrx::spi::Error>(members)
    })?;
    Ok(members)
}

/// Keeps tables from coming to the ledger, going, or being truncated until the transaction ends, and
/// waits for what is under way: a query that compares the ledger with what was captured of it takes
/// the tables from when it was planned, and rows from its snapshot. Writers go on. Called before any
/// storage is locked, in the order of a TRUNCATE.
pub fn hold(ledger: pg_sys::Oid) -> Result<(), Failure> {
    let mut held: Vec<pg_sys::Oid> = Vec::new();
    loop {
        // What came while others were waited for.
        let mut new = current(ledger)?;
        new.retain(|member| !held.contains(member));
        if new.is_empty() {
            return registry::require_newest(ledger);
        }
        for member in new {
            let mode = if can_have_parts(member)? {
                pg_sys::ShareUpdateExclusiveLock
            } else {
                pg_sys::AccessShareLock
            };
            // SAFETY: a lock by number; the transaction holds it until it ends.
            unsafe { pg_sys::LockRelationOid(member, mode as pg_sys::LOCKMODE) };
            held.push(member);
        }
    }
}

fn can_have_parts(member: pg_sys::Oid) -> Result<bool, Failure> {
    let found = oids(
        "SELECT oid FROM pg_catalog.pg_class WHERE oid = $1 AND (relkind = 'p' OR relhassubclass)",
        member,
    )?;
    Ok(!found.is_empty())
}

/// Refuses members that triggers cannot watch, or that would be empty after a crash while the
/// snapshots are not.
pub fn check_kinds(members: &[pg_sys::Oid]) -> Result<(), Failure> {
    for member in members {
        // SAFETY: catalog look-ups by value.
        let (kind, persistence) = unsafe {
            (
                pg_sys::get_rel_relkind(*member) as u8,
                pg_sys::get_rel_persistence(*member) as u8,
            )
        };
        let (what, hint) = if kind == pg_sys::RELKIND_FOREIGN_TABLE {
            (
                "a foreign table",
                "Detach the foreign partition from the ledger.",
            )
        } else if persistence != pg_sys::RELPERSISTENCE_PERMANENT {
            (
                "not a permanent table",
                "Keep the ledger and its partitions logged.",
            )
        } else {
            continue;
        };
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("{} is {what}", registry::relation_name(*member)),
        )
        .detail("It cannot be a ledger or a part of one.")
        .hint(hint));
    }
    Ok(())
}

/// Refuses a tree of which some table hangs below another table as well: statements that name the
/// other one fire its triggers, not those of the ledger.
pub fn check_parents(ledger: pg_sys::Oid, members: &[pg_sys::Oid]) -> Result<(), Failure> {
    for member in members {
        let parents = oids(
            "SELECT inhparent FROM pg_catalog.pg_inherits WHERE inhrelid = $1",
            *member,
        )?;
        let Some(parent) = parents.into_iter().find(|parent| !members.contains(parent)) else {
            continue;
        };
        let (child, parent) = (
            registry::relation_name(*member),
            registry::relation_name(parent),
        );
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("{child} is a partition or child of {parent}, which is not part of the ledger"),
        )
        .detail("Changes made through the parent could not be captured.")
        .hint(if *member == ledger {
            format!("Attach {parent} instead.")
        } else {
            format!("Take {child} out of {parent}, or out of the ledger.")
        }));
    }
    Ok(())
}

/// The triggers of a member: name, event, transition tables and function.
pub fn triggers(
    member: pg_sys::Oid,
) -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str)> {
    let moved = (
        MOVED_ROWS_TRIGGER,
        moved_rows::TRIGGER_EVENT,
        "",
        moved_rows::TRIGGER_FUNCTION,
    );
    TRIGGERS
        .into_iter()
        .map(|(name, event, tables)| (name, event, tables, "inventory_perf.capture_moves()"))
        .chain(moved_rows::can_be_in(member).then_some(moved))
}

pub fn create_triggers(member: pg_sys::Oid) -> Result<(), Failure> {
    let table = registry::relation_name(member);
    // Beside one of the old name it would capture everything twice.
    run_all(
        include_str!("../../sql/ledger/renamed_triggers.sql"),
        member,
    )?;
    for (name, event, tables, function) in triggers(member) {
        Spi::run(&format!(
            "CREATE OR REPLACE TRIGGER \"{name}\" {event} ON {table} {tables} \
             FOR EACH STATEMENT EXECUTE FUNCTION {function}"
        ))?;
        // Sessions that apply changes as a replica count, too.
        Spi::run(&format!(
            "ALTER TABLE {table} ENABLE ALWAYS TRIGGER \"{name}\""
        ))?;
    }
    Ok(())
}

/// Whatever their names are by now.
pub fn drop_triggers(member: pg_sys::Oid) -> Result<(), Failure> {
    run_all(include_str!("../../sql/ledger/drop_triggers.sql"), member)
}

/// Runs the commands that a query returns.
fn run_all(query: &str, argument: pg_sys::Oid) -> Result<(), Failure> {
    let commands = Spi::connect(|client| {
        let mut commands = Vec::new();
        for row in client.select(query, None, &[argument.into()])? {
            commands.extend(row.get::<String>(1)?);
        }
        Ok::<_, pgrx::spi::Error>(commands)
    })?;
    for command in commands {
        Spi::run(&command)?;
    }
    Ok(())
}

/// Makes the recorded members of every ledger those that it has, and counts or takes out the rows
/// of those that came or went. Called by the event trigger after each CREATE or ALTER TABLE.
#[pg_extern(sql = false)]
fn sync_members() {
    // The triggers that this creates are DDL as well, and end here again.
    if let Some(_syncing) = Syncing::begin() {
        sync_all().or_raise();
    }
}

/// A table that is rewritten shows nothing to older snapshots, so that these get no answer. Called by
/// the event trigger before ALTER TABLE rewrites one.
#[pg_extern(sql = false)]
fn note_rewrite(relation: Option<pg_sys::Oid>) {
    let relations = "members::oid[] || ARRAY[pending::oid, days, openings, months]";
    required(relation, "relation")
        .and_then(|relation| registered_with(relations, relation))
        .and_then(|ledger| ledger.map_or(Ok(()), registry::start_generation))
        .or_raise();
}

thread_local! {
    static IS_SYNCING: Cell<bool> = const { Cell::new(false) };
}

struct Syncing;

impl Syncing {
    fn begin() -> Option<Self> {
        (!IS_SYNCING.replace(true)).then(|| Self)
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        IS_SYNCING.set(false);
    }
}

fn sync_all() -> Result<(), Failure> {
    for oid in registry::all()? {
        let mut members = Members::of(oid)?;
        if members.have_changed() {
            // Another transaction may have counted, or be counting, other tables of the ledger.
            registry::lock(oid)?;
            members = Members::of(oid)?;
        }
        check_kinds(&members.current)?;
        check_parents(oid, &members.current)?;
        if members.have_changed() {
            sync(&registry::get(oid)?, &members)?;
        }
        let ledger = registry::get(oid)?;
        storage::follow_owner(&ledger)?;
        wake_triggers(&ledger)?;
        mark_if_not_captured(&ledger)?;
    }
    Ok(())
}

/// The tables of a ledger: those whose rows are counted, and those that it has.
struct Members {
    recorded: Vec<pg_sys::Oid>,
    current: Vec<pg_sys::Oid>,
}

impl Members {
    fn of(ledger: pg_sys::Oid) -> Result<Self, Failure> {
        Ok(Self {
            recorded: recorded(ledger)?,
            current: current(ledger)?,
        })
    }

    fn have_changed(&self) -> bool {
        let Self { recorded, current } = self;
        current.iter().any(|member| !recorded.contains(member))
            || recorded.iter().any(|member| !current.contains(member))
    }
}

fn sync(ledger: &Ledger, members: &Members) -> Result<(), Failure> {
    let Members { recorded, current } = members;
    // Both the tables that came and those that went are members while their rows are captured.
    let mut all = recorded.clone();
    all.extend(current.iter().filter(|member| !recorded.contains(member)));
    registry::set_members(ledger.oid, &all)?;
    let mut has_rows = false;
    let gone: Vec<pg_sys::Oid> = recorded
        .iter()
        .copied()
        // SAFETY: a catalog look-up by value.
        .filter(|member| {
            !current.contains(member) && unsafe { pg_sys::get_rel_relkind(*member) } != 0
        })
        .collect();
    lock_leaving(ledger, current, &gone);
    for member in current.iter().filter(|member| !recorded.contains(member)) {
        create_triggers(*member)?;
        has_rows |= capture_rows(ledger, *member, false)?;
    }
    for member in &gone {
        has_rows |= capture_rows(ledger, *member, true)?;
    }
    registry::set_members(ledger.oid, current)?;
    if has_rows {
        // Older snapshots see the partitions as they are now, but not that their rows were counted.
        registry::start_generation(ledger.oid)?;
    }
    for member in &gone {
        drop_triggers(*member)?;
    }
    Ok(())
}

/// Nothing is written to tables that go, beside them or through those that stay, from here on.
fn lock_leaving(ledger: &Ledger, staying: &[pg_sys::Oid], leaving: &[pg_sys::Oid]) {
    for member in leaving {
        // SAFETY: a lock by number; the transaction holds it until it ends.
        unsafe {
            pg_sys::LockRelationOid(*member, pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE);
        }
    }
    // DETACH PARTITION keeps writers from the parent. NO INHERIT does not: one that waits for the child
    // by now is going to write to it, and fire the parent's triggers.
    if leaving.is_empty() || moved_rows::can_be_in(ledger.oid) {
        return;
    }
    let _eager = EagerDeadlockCheck::begin();
    for member in staying {
        // SAFETY: as above.
        unsafe {
            pg_sys::LockRelationOid(*member, pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE);
        }
    }
}

/// While it lives, a wait of this session that is a deadlock ends at once, and not that of a writer.
struct EagerDeadlockCheck(i32);

impl EagerDeadlockCheck {
    fn begin() -> Self {
        // SAFETY: a setting of this backend, in milliseconds, which the drop puts back.
        Self(unsafe { (&raw mut pg_sys::DeadlockTimeout).replace(1) })
    }
}

impl Drop for EagerDeadlockCheck {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { (&raw mut pg_sys::DeadlockTimeout).write(self.0) };
    }
}

/// Rows count once, in the table that holds them; the mapping's functions run as the owner.
fn capture_rows(ledger: &Ledger, member: pg_sys::Oid, retract: bool) -> Result<bool, Failure> {
    // SAFETY: a catalog look-up by value.
    let is_partitioned = unsafe { pg_sys::get_rel_relkind(member) } as u8 == b'p';
    if is_partitioned {
        return Ok(false);
    }
    security::run_as(ledger.owner, || {
        capture::capture_whole_table(member, retract)
    })
}

/// Captures whatever the ledger has, into a storage that is empty.
pub fn capture_all(ledger: &Ledger) -> Result<(), Failure> {
    for member in recorded(ledger.oid)? {
        capture_rows(ledger, member, false)?;
    }
    Ok(())
}

/// ENABLE TRIGGER ALL lets the triggers sleep in sessions that apply changes as a replica.
fn wake_triggers(ledger: &Ledger) -> Result<(), Failure> {
    run_all(
        include_str!("../../sql/ledger/sleeping_triggers.sql"),
        ledger.oid,
    )
}

/// A ledger whose changes escape its triggers is not exact any more: it stops answering.
fn mark_if_not_captured(ledger: &Ledger) -> Result<(), Failure> {
    if ledger.state != State::Ready {
        return Ok(());
    }
    let disabled = oids(
        include_str!("../../sql/ledger/disabled_triggers.sql"),
        ledger.oid,
    )?;
    let subscribed = subscribed(&current(ledger.oid)?)?;
    let reason = match (disabled.first(), subscribed) {
        (Some(member), _) => {
            format!(
                "capture triggers of {} were disabled",
                registry::relation_name(*member)
            )
        }
        (None, Some(member)) => {
            format!(
                "a subscription writes to {}",
                registry::relation_name(member)
            )
        }
        (None, None) => return Ok(()),
    };
    registry::set_state(ledger.oid, State::Stale)?;
    warn_stale(ledger, &reason);
    Ok(())
}

/// A table that logical replication writes to, whose workers fire no statement triggers.
fn subscribed(members: &[pg_sys::Oid]) -> Result<Option<pg_sys::Oid>, Failure> {
    for member in members {
        let found = oids(
            "SELECT srrelid FROM pg_catalog.pg_subscription_rel WHERE srrelid = $1",
            *member,
        )?;
        if !found.is_empty() {
            return Ok(Some(*member));
        }
    }
    Ok(None)
}

pub fn refuse_subscribed(members: &[pg_sys::Oid]) -> Result<(), Failure> {
    let Some(member) = subscribed(members)? else {
        return Ok(());
    };
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!(
            "a subscription writes to {}",
            registry::relation_name(member)
        ),
    )
    .detail("Changes that logical replication applies fire no statement triggers.")
    .hint("Attach the ledger on the publisher."))
}

pub fn warn_stale(ledger: &Ledger, reason: &str) {
    ereport!(
        PgLogLevel::WARNING,
        PgSqlErrorCode::ERRCODE_WARNING,
        format!("ledger {} is stale: {reason}", ledger.name),
        format!(
            "Its snapshots do not answer until inventory_perf.rebuild_ledger({}) has run.",
            crate::sql::quote_literal(&ledger.name)
        )
    );
}

/// Whether a recorded member does not have all its triggers.
pub fn lacks_triggers(ledger: pg_sys::Oid) -> Result<bool, Failure> {
    let lacking = Spi::connect_mut(|client| {
        client
            .update(
                include_str!("../../sql/ledger/lacks_triggers.sql"),
                None,
                &[ledger.into(), (TRIGGERS.len() as i64).into()],
            )?
            .first()
            .get_one::<bool>()
    })?;
    Ok(lacking.unwrap_or(false))
}
