//! The tables and relations of one ledger: created, given to its owner, truncated, dropped.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::Failure;
use crate::ledger::mapping::Mapping;
use crate::ledger::objects::{DAYS, Kind, MONTHS, OBJECTS, OPENINGS, Object, Objects, PENDING};
use crate::ledger::registry::{self, Ledger, relation_name};
use crate::relcache;
use crate::security;

pub struct Tables {
    pub pending: pg_sys::Oid,
    pub days: pg_sys::Oid,
    pub openings: pg_sys::Oid,
    pub months: pg_sys::Oid,
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
    let mut views = Vec::new();
    let mut functions = Vec::new();
    for object in OBJECTS.iter().filter(|object| !object.is_made_at_once) {
        let signature = objects.signature(object);
        let right = match object.kind {
            Kind::Function => {
                functions.push(function(&signature)?);
                format!("EXECUTE ON FUNCTION {signature}")
            }
            Kind::View | Kind::Table => {
                views.push(crate::ledger::attach::relation(&signature)?);
                format!("SELECT ON TABLE {signature}")
            }
        };
        Spi::run(&format!("GRANT {right} TO PUBLIC"))?;
        give(object.kind, &signature, ledger.owner)?;
    }
    registry::set_objects(ledger.oid, &views, &functions)
}

/// The OID of a function that was just created.
fn function(signature: &str) -> Result<pg_sys::Oid, Failure> {
    let found = Spi::connect(|client| {
        client
            .select(
                "SELECT $1::text::regprocedure::oid",
                Some(1),
                &[signature.into()],
            )?
            .first()
            .get_one::<pg_sys::Oid>()
    })?;
    Ok(found.unwrap_or(pg_sys::InvalidOid))
}

/// The storage belongs to the ledger's owner, whoever attached it, and to nobody else.
pub fn give_to_owner(ledger: &Ledger) -> Result<(), Failure> {
    for object in OBJECTS.iter().filter(|object| object.is_made_at_once) {
        let name = relation_name(ledger.object(object));
        Spi::run(&format!("REVOKE ALL ON TABLE {name} FROM PUBLIC"))?;
        give(object.kind, &name, ledger.owner)?;
    }
    Ok(())
}

/// Whatever the ledger's owner is now owns what was made for the one before.
pub fn follow_owner(ledger: &Ledger) -> Result<(), Failure> {
    let Some(former) = security::owner_of(ledger.pending) else {
        return Ok(());
    };
    if former == ledger.owner {
        return Ok(());
    }
    for object in &OBJECTS {
        if let Some(name) = existing(ledger, object, former) {
            give(object.kind, &name, ledger.owner)?;
        }
    }
    Ok(())
}

/// How SQL names an object of the ledger, if it is there, of the kind that it was created as, and
/// of this owner. Otherwise it is somebody else's matter.
fn existing(ledger: &Ledger, object: &Object, owner: pg_sys::Oid) -> Option<String> {
    let oid = ledger.object(object);
    if oid == pg_sys::InvalidOid {
        return None;
    }
    if object.kind == Kind::Function {
        return registry::function_signature(oid, owner);
    }
    let entry = relcache::Entry::of(oid)?;
    let kind = match object.kind {
        Kind::Table => pg_sys::RELKIND_RELATION,
        _ => pg_sys::RELKIND_VIEW,
    };
    (entry.kind() == kind && entry.owner() == owner).then(|| relation_name(oid))
}

fn give(kind: Kind, name: &str, owner: pg_sys::Oid) -> Result<(), Failure> {
    if security::current_user() == owner {
        return Ok(());
    }
    let kind = kind.name();
    let owner = security::quoted_name(owner)?;
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
/// with its kind and what was done to it. What was given to a role that the caller does not act for
/// is kept.
pub fn drop_relations(
    ledger: &Ledger,
    drop_data: bool,
) -> Result<Vec<(String, String, String)>, Failure> {
    let mut done = Vec::new();
    // Functions read views, and views read tables and one another.
    for kind in [Kind::Function, Kind::View, Kind::Table] {
        let mut dropped = Vec::new();
        for object in OBJECTS.iter().filter(|object| object.kind == kind) {
            let relation_owner = security::owner_of(ledger.object(object))
                .filter(|_| object.is_made_at_once)
                .unwrap_or(ledger.owner);
            let Some(name) = existing(ledger, object, relation_owner) else {
                continue;
            };
            let is_dropped =
                (kind != Kind::Table || drop_data) && security::acts_for(relation_owner);
            if is_dropped {
                dropped.push(name.clone());
            }
            let action = if is_dropped { "dropped" } else { "kept" };
            done.push((name, kind.name().to_owned(), action.to_owned()));
        }
        if !dropped.is_empty() {
            Spi::run(&format!(
                "DROP {} IF EXISTS {}",
                kind.name(),
                dropped.join(", ")
            ))?;
        }
    }
    Ok(done)
}
