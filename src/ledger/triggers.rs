//! The capture triggers of the tables of a ledger.
//!
//! They are told by the function that they call, never by their names: whoever owns the table may
//! rename them, replace them, or create others.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CStr;

use super::objects::{MOVED_ROWS_TRIGGER, TRIGGERS};
use super::registry::relation_name;
use crate::error::Failure;
use crate::{moved_rows, relcache};

/// The triggers of a member: name, event, transition tables and function.
pub fn of(
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

/// Gives a table its triggers, in place of those of this kind that it has.
pub fn create(member: pg_sys::Oid) -> Result<(), Failure> {
    drop_all(member)?;
    let table = relation_name(member);
    for (name, event, tables, function) in of(member) {
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
pub fn drop_all(member: pg_sys::Oid) -> Result<(), Failure> {
    run_all(
        include_str!("../../sql/ledger/drop_triggers.sql"),
        &[member],
    )
}

/// ENABLE TRIGGER ALL lets the triggers sleep in sessions that apply changes as a replica.
pub fn wake(members: &[pg_sys::Oid]) -> Result<(), Failure> {
    run_all(
        include_str!("../../sql/ledger/sleeping_triggers.sql"),
        members,
    )
}

/// As pg_trigger.tgtype has them, with the old and the new rows that they see.
const CAPTURING: [(u32, bool, bool); 5] = [
    (pg_sys::TRIGGER_TYPE_INSERT, false, true),
    (pg_sys::TRIGGER_TYPE_UPDATE, true, true),
    (pg_sys::TRIGGER_TYPE_DELETE, true, false),
    (
        pg_sys::TRIGGER_TYPE_BEFORE | pg_sys::TRIGGER_TYPE_TRUNCATE,
        false,
        false,
    ),
    (pg_sys::TRIGGER_TYPE_TRUNCATE, false, false),
];
const EXPECTING_MOVED_ROWS: u32 = pg_sys::TRIGGER_TYPE_BEFORE | pg_sys::TRIGGER_TYPE_UPDATE;

/// A member that does not have exactly the triggers that attaching creates, each enabled always.
pub fn lacking(members: &[pg_sys::Oid]) -> Option<pg_sys::Oid> {
    let capture = own_function(c"capture_moves");
    let expect = own_function(c"expect_moved_rows");
    members.iter().copied().find(|member| {
        // One that is gone changes no more.
        relcache::Entry::of(*member).is_some_and(|entry| {
            let triggers = entry.triggers();
            let capturing = triggers
                .iter()
                .filter(|trigger| trigger.function == capture);
            let is_there = |function, fires: u32, old_rows, new_rows| {
                triggers.iter().any(|trigger| {
                    *trigger
                        == relcache::Trigger {
                            function,
                            fires: fires as i16,
                            enabled: pg_sys::TRIGGER_FIRES_ALWAYS,
                            has_old_rows: old_rows,
                            has_new_rows: new_rows,
                            is_restricted: false,
                        }
                })
            };
            capturing.count() != CAPTURING.len()
                || !CAPTURING
                    .iter()
                    .all(|(fires, old, new)| is_there(capture, *fires, *old, *new))
                || (moved_rows::can_be_in(*member)
                    && !is_there(expect, EXPECTING_MOVED_ROWS, false, false))
        })
    })
}

/// A function of the extension's own schema, in which nobody else can create one.
fn own_function(name: &CStr) -> pg_sys::Oid {
    // SAFETY: catalog look-ups by name; the vector of no arguments is allocated by PostgreSQL.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"inventory_perf".as_ptr(), true);
        pg_sys::GetSysCacheOid(
            pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as i32,
            pg_sys::Anum_pg_proc_oid as i16,
            pg_sys::Datum::from(name.as_ptr()),
            pg_sys::Datum::from(pg_sys::buildoidvector(std::ptr::null(), 0)),
            pg_sys::Datum::from(schema),
            pg_sys::Datum::from(0),
        )
    }
}

/// Runs the commands that a query about some tables returns.
fn run_all(query: &str, tables: &[pg_sys::Oid]) -> Result<(), Failure> {
    let commands = Spi::connect_mut(|client| {
        let mut commands = Vec::new();
        for row in client.update(query, None, &[tables.to_vec().into()])? {
            commands.extend(row.get::<String>(1)?);
        }
        Ok::<_, pgrx::spi::Error>(commands)
    })?;
    for command in commands {
        Spi::run(&command)?;
    }
    Ok(())
}
