//! The capture triggers of the tables of a ledger.
//!
//! They are told by the function that they call, never by their names: whoever owns the table may
//! rename them, replace them, or create others.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::objects::{MOVED_ROWS_TRIGGER, TRIGGERS};
use super::registry::relation_name;
use crate::error::Failure;
use crate::moved_rows;

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

/// A member that does not have exactly the triggers that attaching creates.
pub fn lacking(members: &[pg_sys::Oid]) -> Result<Option<pg_sys::Oid>, Failure> {
    let found = Spi::connect_mut(|client| {
        // A query that reads only would not see what this command did.
        let rows = client.update(
            include_str!("../../sql/ledger/lacks_triggers.sql"),
            Some(1),
            &[members.to_vec().into()],
        )?;
        match rows.is_empty() {
            true => Ok(None),
            false => rows.first().get_one::<pg_sys::Oid>(),
        }
    })?;
    Ok(found)
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
