//! The triggers of one table.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::Failure;
use crate::executor::first_value;
use crate::ledger::registry::relation_name;
use crate::moved_rows;
use crate::sql::{quote_identifier, quote_literal};

/// Which triggers: of the table that was named, or of a part of it.
#[derive(Clone, Copy, PartialEq)]
pub enum Of {
    Table,
    Part,
}

impl Of {
    fn name(self, event: &str) -> String {
        match self {
            Self::Table => format!("inventory_perf_invalidate_{event}"),
            Self::Part => format!("inventory_perf_invalidate_part_{event}"),
        }
    }
}

/// What the triggers are given.
#[derive(Default)]
pub struct Arguments {
    pub templates: Vec<String>,
    pub when: Vec<String>,
}

const EVENTS: [(&str, &str, &str); 4] = [
    (
        "insert",
        "AFTER INSERT",
        "REFERENCING NEW TABLE AS new_rows",
    ),
    (
        "update",
        "AFTER UPDATE",
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    ),
    (
        "delete",
        "AFTER DELETE",
        "REFERENCING OLD TABLE AS old_rows",
    ),
    ("truncate", "AFTER TRUNCATE", ""),
];

/// In the name of the trigger that prepares for rows that MERGE moves.
const MOVED: &str = "moved";

pub fn create(table: pg_sys::Oid, of: Of, arguments: &Arguments) -> Result<(), Failure> {
    let is_partitioned = moved_rows::can_be_in(table);
    let table = relation_name(table);
    let mut enabled = Vec::new();
    for (event, when, tables) in EVENTS {
        let trigger = quote_identifier(&of.name(event));
        // Only an UPDATE knows what a column was before.
        let counting = if event == "update" {
            arguments.when.as_slice()
        } else {
            &[]
        };
        let literals: Vec<String> = arguments
            .templates
            .iter()
            .chain(counting)
            .map(|argument| quote_literal(argument))
            .collect();
        Spi::run(&format!(
            "CREATE OR REPLACE TRIGGER {trigger} {when} ON {table} {tables} FOR EACH STATEMENT \
             EXECUTE FUNCTION inventory_perf.invalidate_cache({})",
            literals.join(", ")
        ))?;
        enabled.push(format!("ENABLE ALWAYS TRIGGER {trigger}"));
    }
    if is_partitioned {
        let trigger = quote_identifier(&of.name(MOVED));
        Spi::run(&format!(
            "CREATE OR REPLACE TRIGGER {trigger} {} ON {table} FOR EACH STATEMENT \
             EXECUTE FUNCTION {}",
            moved_rows::TRIGGER_EVENT,
            moved_rows::TRIGGER_FUNCTION
        ))?;
        enabled.push(format!("ENABLE ALWAYS TRIGGER {trigger}"));
    }
    // Sessions that apply changes as a replica count, too.
    Spi::run(&format!("ALTER TABLE {table} {}", enabled.join(", ")))?;
    Ok(())
}

/// Returns how many there were.
pub fn drop(table: pg_sys::Oid, of: Of) -> Result<usize, Failure> {
    let mut dropped = 0;
    let moved = moved_rows::TRIGGER_FUNCTION;
    let found = there(table, names(of), "inventory_perf.invalidate_cache()")?;
    for name in found
        .into_iter()
        .chain(there(table, vec![of.name(MOVED)], moved)?)
    {
        Spi::run(&format!(
            "DROP TRIGGER {} ON {}",
            quote_identifier(&name),
            relation_name(table)
        ))?;
        dropped += 1;
    }
    Ok(dropped)
}

fn names(of: Of) -> Vec<String> {
    EVENTS.iter().map(|(event, ..)| of.name(event)).collect()
}

fn there(table: pg_sys::Oid, names: Vec<String>, function: &str) -> Result<Vec<String>, Failure> {
    let there = Spi::connect(|client| {
        let mut there = Vec::new();
        let rows = client.select(
            "SELECT tgname::text FROM pg_catalog.pg_trigger \
             WHERE tgrelid = $1 AND tgname = ANY ($2::text[]) \
               AND tgfoid = $3::pg_catalog.regprocedure \
             ORDER BY 1",
            None,
            &[table.into(), names.into(), function.into()],
        )?;
        for row in rows {
            there.extend(row.get::<String>(1)?);
        }
        Ok::<_, pgrx::spi::Error>(there)
    })?;
    Ok(there)
}

/// The arguments that a table's own triggers have. That for UPDATE, the last by name, has them all.
pub fn arguments(table: pg_sys::Oid) -> Result<Arguments, Failure> {
    let stored = first_value::<Vec<u8>>(
        "SELECT tgargs FROM pg_catalog.pg_trigger \
         WHERE tgrelid = $1 AND tgname = ANY ($2::text[]) \
           AND tgfoid = 'inventory_perf.invalidate_cache()'::pg_catalog.regprocedure \
         ORDER BY tgname DESC",
        &[table.into(), names(Of::Table).into()],
    )?;
    let mut arguments = Arguments::default();
    // Each ends with a null character.
    for argument in stored
        .unwrap_or_default()
        .split_inclusive(|byte| *byte == 0)
    {
        let argument = String::from_utf8_lossy(&argument[..argument.len() - 1]).into_owned();
        if argument.starts_with(crate::cache::template::WHEN_PREFIX) {
            arguments.when.push(argument);
        } else {
            arguments.templates.push(argument);
        }
    }
    Ok(arguments)
}
