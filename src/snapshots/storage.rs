//! The tables and relations of one ledger: created, given to its owner, truncated, dropped.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::Failure;
use crate::ledger::mapping::Mapping;
use crate::ledger::objects::{DAYS, MAPPED_MOVES, MONTHS, OBJECTS, OPENINGS, Objects, PENDING};
use crate::ledger::registry::{Ledger, State, relation_name};
use crate::security;

pub struct Tables {
    pub pending: pg_sys::Oid,
    pub days: pg_sys::Oid,
    pub openings: pg_sys::Oid,
    pub months: pg_sys::Oid,
}

/// Whether an object is made by attaching itself; the others once the storage is filled.
pub fn is_made_at_once(object: &str) -> bool {
    [PENDING, DAYS, OPENINGS, MONTHS, MAPPED_MOVES].contains(&object)
}

/// The relation that the registry knows an object by.
fn stored_as(ledger: &Ledger, object: &str) -> Option<pg_sys::Oid> {
    match object {
        PENDING => Some(ledger.pending),
        DAYS => Some(ledger.days),
        OPENINGS => Some(ledger.openings),
        MONTHS => Some(ledger.months),
        MAPPED_MOVES => Some(ledger.mapped_moves),
        _ => None,
    }
}

pub fn create(objects: &Objects, mapping: &Mapping) -> Result<Tables, Failure> {
    let mut template = crate::template::Template {
        key_operators: mapping.keys.iter().map(|key| key.equals.clone()).collect(),
        has_value: mapping.value.is_some(),
        ..Default::default()
    };
    let definitions: Vec<String> = mapping
        .keys
        .iter()
        .enumerate()
        .map(|(index, key)| format!("k{} {} NOT NULL", index + 1, key.sql_type))
        .collect();
    template
        .set("key_definitions", definitions.join(", "))
        .set("pending", objects.name(PENDING))
        .set("days", objects.name(DAYS))
        .set("openings", objects.name(OPENINGS))
        .set("months", objects.name(MONTHS));
    Spi::run(&template.fill(include_str!("../../sql/ledger/storage.sql")))?;
    let oid = |object| crate::ledger::attach::relation(&objects.name(object));
    Ok(Tables {
        pending: oid(PENDING)?,
        days: oid(DAYS)?,
        openings: oid(OPENINGS)?,
        months: oid(MONTHS)?,
    })
}

/// Keys and indexes, once the rows are there.
pub fn create_indexes(ledger: &Ledger) -> Result<(), Failure> {
    Ok(Spi::run(
        &ledger
            .template()
            .fill(include_str!("../../sql/ledger/indexes.sql")),
    )?)
}

/// The views and functions that answer, readable by whoever may read the ledger.
pub fn create_relations(ledger: &Ledger) -> Result<(), Failure> {
    let template = ledger.template();
    Spi::run(&template.fill(include_str!("../../sql/ledger/views.sql")))?;
    Spi::run(&template.fill(include_str!("../../sql/ledger/functions.sql")))?;
    let objects = Objects::new(&ledger.schema, &ledger.prefix);
    for object in OBJECTS
        .iter()
        .filter(|object| !is_made_at_once(object.name))
    {
        let name = objects.signature(object);
        let (kind, right) = match object.kind {
            "function" => ("FUNCTION", "EXECUTE"),
            _ => ("TABLE", "SELECT"),
        };
        Spi::run(&format!("GRANT {right} ON {kind} {name} TO PUBLIC"))?;
        give(ledger, object.kind, &name)?;
    }
    Ok(())
}

/// The storage belongs to the ledger's owner, whoever attached it, and to nobody else.
pub fn give_to_owner(ledger: &Ledger) -> Result<(), Failure> {
    let objects = Objects::new(&ledger.schema, &ledger.prefix);
    for object in OBJECTS.iter().filter(|object| is_made_at_once(object.name)) {
        let name = objects.name(object.name);
        Spi::run(&format!("REVOKE ALL ON TABLE {name} FROM PUBLIC"))?;
        give(ledger, object.kind, &name)?;
    }
    Ok(())
}

/// Whatever the ledger's owner is now owns what was made for the one before.
pub fn follow_owner(ledger: &Ledger) -> Result<(), Failure> {
    if security::owner_of(ledger.pending) == Some(ledger.owner) {
        return Ok(());
    }
    let objects = Objects::new(&ledger.schema, &ledger.prefix);
    let has_relations = ledger.state != State::AwaitingBackfill;
    for object in OBJECTS
        .iter()
        .filter(|object| has_relations || is_made_at_once(object.name))
    {
        give(ledger, object.kind, &objects.signature(object))?;
    }
    Ok(())
}

fn give(ledger: &Ledger, kind: &str, name: &str) -> Result<(), Failure> {
    if security::current_user() == ledger.owner {
        return Ok(());
    }
    let owner = Spi::connect(|client| {
        client
            .select(
                "SELECT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid($1)::text)",
                Some(1),
                &[ledger.owner.into()],
            )?
            .first()
            .get_one::<String>()
    })?
    .unwrap_or_default();
    Ok(Spi::run(&format!("ALTER {kind} {name} OWNER TO {owner}"))?)
}

/// Empties the storage for good: no snapshot, older ones included, sees what was there.
pub fn truncate(ledger: &Ledger, with_pending: bool) -> Result<(), Failure> {
    let mut tables = vec![ledger.days, ledger.openings, ledger.months];
    if with_pending {
        tables.push(ledger.pending);
    }
    lock_alone(&tables);
    let names: Vec<String> = tables.into_iter().map(relation_name).collect();
    let command = format!("TRUNCATE {}", names.join(", "));
    Ok(security::run_as(ledger.owner, || Spi::run(&command))?)
}

/// How often locks are given back before they are waited for one after the other.
const MOST_ATTEMPTS: usize = 100;

/// Keeps readers out of all the tables. Each query locks them in an order of its own, so none is waited
/// for while another is held: that could be a deadlock.
fn lock_alone(tables: &[pg_sys::Oid]) {
    let mode = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
    let Some(mut busy) = tables.first().copied() else {
        return;
    };
    for _ in 0..MOST_ATTEMPTS {
        // SAFETY: locks by number, each given back once or held until the transaction ends.
        unsafe {
            pg_sys::LockRelationOid(busy, mode);
            let others = || tables.iter().copied().filter(|table| *table != busy);
            let held = others()
                .take_while(|table| pg_sys::ConditionalLockRelationOid(*table, mode))
                .collect::<Vec<_>>();
            let Some(next) = others().nth(held.len()) else {
                return;
            };
            for table in held.into_iter().chain([busy]) {
                pg_sys::UnlockRelationOid(table, mode);
            }
            busy = next;
        }
    }
}

/// Drops what answers, and the mapping; with `drop_data` the tables as well. Returns each object
/// with its kind and what was done to it.
pub fn drop_relations(
    ledger: &Ledger,
    drop_data: bool,
) -> Result<Vec<(String, String, String)>, Failure> {
    let objects = Objects::new(&ledger.schema, &ledger.prefix);
    let has_relations = ledger.state != State::AwaitingBackfill;
    let mut done = Vec::new();
    // Functions read views, and views read tables and one another.
    for kind in ["function", "view", "table"] {
        let names: Vec<String> = OBJECTS
            .iter()
            .filter(|object| object.kind == kind)
            .filter(|object| has_relations || is_made_at_once(object.name))
            .map(|object| match stored_as(ledger, object.name) {
                // Renamed or moved, it is still the ledger's.
                Some(relation) => relation_name(relation),
                None => objects.signature(object),
            })
            .collect();
        if names.is_empty() {
            continue;
        }
        let action = if kind == "table" && !drop_data {
            "kept"
        } else {
            Spi::run(&format!("DROP {kind} IF EXISTS {}", names.join(", ")))?;
            "dropped"
        };
        done.extend(
            names
                .into_iter()
                .map(|name| (name, kind.to_owned(), action.to_owned())),
        );
    }
    Ok(done)
}
