//! What event triggers do when tables of a ledger, or what it consists of, are created or altered.
//!
//! A command concerns the ledgers whose relations it names, and no others: it neither waits for those
//! nor fails with them.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;

use super::mapping_view::MappingView;
use super::members::{self, array_literal};
use super::registry::{self, Ledger, State, relation_name};
use super::{detaching, triggers};
use crate::error::{Failure, OrRaise};
use crate::snapshots::storage;
use crate::whole_errors::whole;
use crate::{moved_rows, relcache};

/// Called by the event trigger after commands, with the relations that they concern.
#[pg_extern(sql = false)]
fn follow_commands(relations: Option<Vec<Option<pg_sys::Oid>>>) {
    whole(|| {
        let relations: Vec<pg_sys::Oid> = relations.into_iter().flatten().flatten().collect();
        // The triggers that this creates are DDL as well, and end here again.
        if let Some(_following) = Following::begin() {
            follow_all(&relations).or_raise();
        }
    })
}

thread_local! {
    static IS_FOLLOWING: Cell<bool> = const { Cell::new(false) };
}

struct Following;

impl Following {
    fn begin() -> Option<Self> {
        (!IS_FOLLOWING.replace(true)).then(|| Self)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        IS_FOLLOWING.set(false);
    }
}

/// The ledgers that some relations belong to.
pub fn touched(relations: &[pg_sys::Oid]) -> Result<Vec<pg_sys::Oid>, Failure> {
    if relations.is_empty() {
        return Ok(Vec::new());
    }
    let relations = array_literal(relations);
    members::oids_now(&include_str!("../../sql/ledger/touched.sql").replace("$1", &relations))
}

fn follow_all(relations: &[pg_sys::Oid]) -> Result<(), Failure> {
    for ledger in touched(relations)? {
        follow(ledger)?;
    }
    Ok(())
}

/// Makes what is recorded of a ledger what it is now: counts the rows of tables that came, takes out
/// those of tables that went, and gives everything to the ledger's owner. A ledger whose changes
/// escape, or whose parts are not what they were, becomes stale.
pub fn follow(oid: pg_sys::Oid) -> Result<(), Failure> {
    let mut members = Members::of(oid)?;
    if members.have_changed() {
        // Another transaction may have counted, or be counting, other tables of the ledger.
        registry::lock(oid)?;
        members = Members::of(oid)?;
    }
    members::check_kinds(&members.current)?;
    members::check_parents(oid, &members.current)?;
    let ledger = registry::find_newest(oid)?;
    let is_detaching = detaching::is_by_this_session(&ledger)?;
    // After the state was read: what made it so is seen then.
    let identity = ledger.identity();
    relcache::renew(identity.relations());
    relcache::renew(members.current.iter().copied());
    storage::follow_owner(&ledger)?;
    let mapping = identity.check();
    if members.have_changed() {
        count(&ledger, &members, mapping.is_ok())?;
    }
    triggers::wake(&members.current)?;
    let reason = match mapping {
        Ok(mapping) => {
            record_names(&ledger, &mapping)?;
            escapes(&members.current)?
        }
        Err(damage) => Some(damage),
    };
    match reason {
        Some(reason) => mark_stale(&ledger, &reason),
        // It was stale for the sake of the command that has ended.
        None if is_detaching => registry::set_state(oid, State::Ready),
        None => end_restore(&ledger),
    }
}

/// Why changes of some tables are not captured, if they are not.
pub fn escapes(members: &[pg_sys::Oid]) -> Result<Option<String>, Failure> {
    if let Some(member) = triggers::lacking(members) {
        let member = relation_name(member);
        return Ok(Some(format!(
            "capture triggers of {member} were disabled, dropped or replaced, or there are others"
        )));
    }
    Ok(members::subscribed(members)?
        .map(|member| format!("a subscription writes to {}", relation_name(member))))
}

/// A ledger that is not exact any more stops answering.
pub fn mark_stale(ledger: &Ledger, reason: &str) -> Result<(), Failure> {
    if ledger.state != State::Ready {
        return Ok(());
    }
    registry::set_state(ledger.oid, State::Stale)?;
    ereport!(
        PgLogLevel::WARNING,
        PgSqlErrorCode::ERRCODE_WARNING,
        format!("ledger {} is stale: {reason}", ledger.name),
        format!(
            "Its snapshots do not answer until inventory_perf.rebuild_ledger({}) has run.",
            crate::sql::quote_literal(&ledger.name)
        )
    );
    Ok(())
}

/// A restored ledger that has all its triggers is one like others.
pub fn end_restore(ledger: &Ledger) -> Result<(), Failure> {
    if ledger.state != State::Restoring {
        return Ok(());
    }
    registry::set_state(ledger.oid, State::Ready)
}

/// Columns and functions of the mapping may have other names by now.
fn record_names(ledger: &Ledger, mapping: &MappingView) -> Result<(), Failure> {
    let now = mapping.registered();
    if now == ledger.registered {
        return Ok(());
    }
    registry::set_registered(ledger.oid, &now)
}

/// A table that is rewritten shows nothing to older snapshots, so that these get no answer. Called by
/// the event trigger before ALTER TABLE rewrites one.
#[pg_extern(sql = false)]
fn note_rewrite(relation: Option<pg_sys::Oid>) {
    whole(|| note(relation).or_raise())
}

fn note(relation: Option<pg_sys::Oid>) -> Result<(), Failure> {
    let relation = crate::error::required(relation, "relation")?;
    let query = format!(
        "SELECT ledger::oid FROM inventory_perf.ledger WHERE {}::oid = \
             ANY (members::oid[] || ARRAY[pending::oid, days, openings, months])",
        relation.to_u32()
    );
    for ledger in members::oids_now(&query)? {
        registry::start_generation(ledger)?;
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
            recorded: members::recorded(ledger)?,
            current: members::current(ledger)?,
        })
    }

    fn have_changed(&self) -> bool {
        let Self { recorded, current } = self;
        current.iter().any(|member| !recorded.contains(member))
            || recorded.iter().any(|member| !current.contains(member))
    }
}

/// Counts what came and takes out what went, unless the mapping is damaged: then the ledger answers
/// nothing until it is attached anew.
fn count(ledger: &Ledger, members: &Members, is_mapped: bool) -> Result<(), Failure> {
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
        triggers::create(*member)?;
        has_rows |= is_mapped && members::capture_rows(ledger, *member, false)?;
    }
    for member in &gone {
        has_rows |= is_mapped && members::capture_rows(ledger, *member, true)?;
    }
    registry::set_members(ledger.oid, current)?;
    if has_rows {
        // Older snapshots see the partitions as they are now, but not that their rows were counted.
        registry::start_generation(ledger.oid)?;
    }
    for member in &gone {
        triggers::drop_all(*member)?;
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
