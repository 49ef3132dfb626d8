//! The tables that a ledger is made of: itself, and its partitions or inheritance children.
//!
//! Each has the capture triggers, as a statement fires the triggers of the table that it names.
//! `following` keeps the list right.
//!
//! Who is a member is read as it is now, whatever the isolation level: commands that change it do
//! not ask for a transaction's snapshot either.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::capture;
use super::registry::{self, Ledger};
use crate::error::Failure;
use crate::executor;
use crate::executor::first_value;
use crate::security;

/// The registered ledger that a table belongs to.
pub fn ledger_of(member: pg_sys::Oid) -> Result<Option<Ledger>, Failure> {
    match registered_with(member)? {
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
    let found = oids_now(&format!(
        "SELECT ledger::oid FROM inventory_perf.ledger WHERE {}::oid = ANY (members::oid[])",
        member.to_u32()
    ))?;
    Ok(!found.is_empty())
}

/// The OIDs that a query returns in the latest snapshot, run with the rights of the extension's owner.
pub fn oids_now(query: &str) -> Result<Vec<pg_sys::Oid>, Failure> {
    let owner = security::extension_owner()?;
    let mut found = Vec::new();
    // SAFETY: an error pops the snapshot as well.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot()) };
    security::run_as(owner, || {
        // SAFETY: the slot holds a row of the query, whose first column is an OID.
        executor::for_each_row(query, |slot| unsafe {
            pg_sys::slot_getallattrs(slot);
            if !*(*slot).tts_isnull {
                found.push(pg_sys::Oid::from((*(*slot).tts_values).value() as u32));
            }
        })
    })?;
    // SAFETY: pops what was pushed above.
    unsafe { pg_sys::PopActiveSnapshot() };
    Ok(found)
}

/// The ledger that counts the rows of a table, as the transaction's snapshot has it.
fn registered_with(member: pg_sys::Oid) -> Result<Option<pg_sys::Oid>, Failure> {
    let owner = security::extension_owner()?;
    security::run_as(owner, || {
        first_value(
            "SELECT ledger::oid FROM inventory_perf.ledger WHERE $1 = ANY (members::oid[])",
            &[member.into()],
        )
    })
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

/// The tables of a ledger as they are now. A partition that is being detached is none any more.
pub fn current(ledger: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>, Failure> {
    oids_now(&include_str!("../../sql/ledger/members.sql").replace("$1", &literal(ledger)))
}

/// The tables whose rows are counted.
pub fn recorded(ledger: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>, Failure> {
    oids_now(&format!(
        "SELECT m FROM inventory_perf.ledger l, pg_catalog.unnest(l.members::oid[]) m \
         WHERE l.ledger = {}",
        literal(ledger)
    ))
}

/// OIDs as SQL writes an array of them.
pub fn array_literal(oids: &[pg_sys::Oid]) -> String {
    let numbers: Vec<String> = oids.iter().map(|oid| oid.to_u32().to_string()).collect();
    format!("'{{{}}}'::pg_catalog.oid[]", numbers.join(","))
}

fn literal(oid: pg_sys::Oid) -> String {
    format!("{}::pg_catalog.oid", oid.to_u32())
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

/// Rows count once, in the table that holds them; the mapping's functions run as the owner.
pub fn capture_rows(ledger: &Ledger, member: pg_sys::Oid, retract: bool) -> Result<bool, Failure> {
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

/// A table that logical replication writes to, whose workers fire no statement triggers.
pub fn subscribed(members: &[pg_sys::Oid]) -> Result<Option<pg_sys::Oid>, Failure> {
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
