//! `invalidate_on_change()`: the triggers of a table and all its parts, from templates.
//!
//! The triggers are all that is stored, so that a dump carries them like any others. Those of the
//! table itself and those of its partitions and children have different names: an event trigger
//! gives new parts theirs, and takes them from parts that went.

pub mod altered;
mod command;
mod parts;
mod table;
mod triggers;
mod types;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::template::{Argument, Part, Target, Template, WHEN_PREFIX};
use super::text;
use crate::error::{Failure, OrRaise, required};
use crate::ledger::registry::{relation_name, require_writable};
use crate::security;
use crate::sql::quote_literal;
use crate::whole_errors::whole;
use triggers::Arguments;

type Texts = Option<Vec<Option<String>>>;

#[pg_extern(sql = false)]
fn invalidate_on_change(
    relation: Option<pg_sys::Oid>,
    keys: Texts,
    tags: Texts,
    channels: Texts,
    when_changed: Texts,
) {
    whole(|| {
        let created = (|| {
            let relation = required(relation, "relation")?;
            let mut templates = Vec::new();
            for (target, list, argument) in [
                (Target::Key, keys, "keys"),
                (Target::Tag, tags, "tags"),
                (Target::Channel, channels, "channels"),
            ] {
                for text in required(list, argument)? {
                    templates.push((target, required(text, argument)?, argument));
                }
            }
            let when_changed = required(when_changed, "when_changed")?
                .into_iter()
                .map(|column| required(column, "when_changed"))
                .collect::<Result<Vec<_>, _>>()?;
            require_writable(c"invalidate_on_change()");
            security::with_safe_path(|| create(relation, &templates, &when_changed))
        })();
        created.or_raise();
    })
}

fn create(
    relation: pg_sys::Oid,
    templates: &[(Target, String, &str)],
    when_changed: &[String],
) -> Result<(), Failure> {
    table::check(relation)?;
    let arguments = arguments(relation, templates, when_changed)?;
    // Writers wait from here on until the transaction ends, readers do not.
    Spi::run(&format!(
        "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
        relation_name(relation)
    ))?;
    let parts = table::parts(relation)?;
    // Creating triggers is DDL, at whose end the event trigger looks for what is missing.
    let _syncing = parts::Syncing::begin();
    triggers::create(relation, triggers::Of::Table, &arguments)?;
    for part in parts {
        triggers::create(part, triggers::Of::Part, &arguments)?;
    }
    parts::sync(&command::Relations::from([relation.to_u32()]))
}

/// The arguments of the triggers, once they are known to be right.
fn arguments(
    relation: pg_sys::Oid,
    templates: &[(Target, String, &str)],
    when_changed: &[String],
) -> Result<Arguments, Failure> {
    let columns = table::columns(relation)?;
    let known = |column: &str, argument: &str| {
        if columns.iter().any(|name| name == column) {
            return Ok(());
        }
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!(
                "column \"{column}\" in \"{argument}\" does not exist in {}",
                relation_name(relation)
            ),
        )
        .hint(format!("Its columns are: {}.", columns.join(", "))))
    };
    let mut arguments = Arguments::default();
    for (target, text, argument) in templates {
        for part in parse(*target, text, argument)?.parts {
            if let Part::Column(column) = part {
                known(&String::from_utf8_lossy(&column), argument)?;
            }
        }
        arguments
            .templates
            .push(format!("{}{text}", target.prefix()));
    }
    for column in when_changed {
        known(column, "when_changed")?;
        arguments.when.push(format!("{WHEN_PREFIX}{column}"));
    }
    Ok(arguments)
}

/// The template, which must mean the same as an argument of the trigger.
fn parse(target: Target, template: &str, argument: &str) -> Result<Template, Failure> {
    let wrong = |mistake: &str| {
        Failure::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!(
                "{} in \"{argument}\" is not a template: {mistake}",
                quote_literal(template)
            ),
        )
        .hint("Write columns in braces, as in 'stock:{product_id}', and {{ or }} for a brace.")
    };
    if !text::is_shared(template.as_bytes()) {
        return Err(text::foreign(&format!("a template in \"{argument}\"")));
    }
    let prefixes = [Target::Tag.prefix(), Target::Channel.prefix(), WHEN_PREFIX];
    if let Some(prefix) = prefixes
        .into_iter()
        .find(|prefix| template.starts_with(prefix))
    {
        return Err(wrong(&format!("it begins with \"{prefix}\""))
            .detail("Only arguments of the trigger itself begin like this.")
            .hint("Pass tags as \"tags\", channels as \"channels\" and columns as \"when_changed\", without the prefix."));
    }
    match Argument::parse(format!("{}{template}", target.prefix()).as_bytes()) {
        Ok(Argument::Template(template)) => Ok(template),
        Ok(Argument::When(_)) => Err(wrong("it names a column")),
        Err(mistake) => Err(wrong(mistake)),
    }
}

#[pg_extern(sql = false)]
fn stop_invalidating(relation: Option<pg_sys::Oid>) {
    whole(|| {
        let stopped = (|| {
            let relation = required(relation, "relation")?;
            require_writable(c"stop_invalidating()");
            security::with_safe_path(|| stop(relation))
        })();
        stopped.or_raise();
    })
}

fn stop(relation: pg_sys::Oid) -> Result<(), Failure> {
    table::check_owned(relation)?;
    let _syncing = parts::Syncing::begin();
    if triggers::drop(relation, triggers::Of::Table)? == 0 {
        ereport!(
            PgLogLevel::NOTICE,
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!(
                "{} has no triggers of invalidate_on_change()",
                relation_name(relation)
            )
        );
        return Ok(());
    }
    for part in table::parts(relation)? {
        triggers::drop(part, triggers::Of::Part)?;
    }
    Ok(())
}
