//! What dropping a table, a view, a trigger or a rule means for ledgers.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::following;
use super::registry::{self, relation_name};
use crate::error::{Failure, OrRaise};
use crate::security;
use crate::whole_errors::whole;

/// Called by the event trigger after objects were dropped: with relations and functions that are gone,
/// and with relations that lost a trigger or a rule.
#[pg_extern(sql = false)]
fn after_drop(
    relations: Option<Vec<Option<pg_sys::Oid>>>,
    functions: Option<Vec<Option<pg_sys::Oid>>>,
    altered: Option<Vec<Option<pg_sys::Oid>>>,
) {
    whole(|| {
        let list = |oids: Option<Vec<Option<pg_sys::Oid>>>| -> Vec<pg_sys::Oid> {
            oids.into_iter().flatten().flatten().collect()
        };
        security::with_safe_path(|| after(&list(relations), &list(functions), &list(altered)))
            .or_raise();
    })
}

fn after(
    relations: &[pg_sys::Oid],
    functions: &[pg_sys::Oid],
    altered: &[pg_sys::Oid],
) -> Result<(), Failure> {
    let concerned = following::touched(relations)?;
    for ledger in &concerned {
        let row = registered(*ledger)?;
        if relations.contains(&row.ledger) {
            forget(&row)?;
        } else if row.parts.iter().any(|part| relations.contains(part)) {
            return Err(part_dropped(&row));
        } else if row.members.iter().any(|member| relations.contains(member)) {
            return Err(member_dropped(&row));
        }
    }
    if !concerned.is_empty() || !functions.is_empty() {
        registry::forget_objects(relations, functions)?;
    }
    for ledger in following::touched(altered)? {
        following::follow(ledger)?;
    }
    Ok(())
}

struct Row {
    ledger: pg_sys::Oid,
    name: String,
    /// Storage tables and the mapping view.
    parts: Vec<pg_sys::Oid>,
    members: Vec<pg_sys::Oid>,
}

/// What is registered of a ledger, which may be gone itself.
fn registered(ledger: pg_sys::Oid) -> Result<Row, Failure> {
    if registry::has_fixed_snapshot() {
        registry::require_newest(ledger)?;
    }
    let found = Spi::connect_mut(|client| {
        let rows = client.update(
            "SELECT ARRAY[l.pending::oid, l.days, l.openings, l.months, l.mapped_moves], \
                    l.members::oid[] \
             FROM inventory_perf.ledger l WHERE l.ledger = $1::oid",
            Some(1),
            &[ledger.into()],
        )?;
        match rows.is_empty() {
            true => Ok((None, None)),
            false => rows.first().get_two::<Vec<pg_sys::Oid>, Vec<pg_sys::Oid>>(),
        }
    })?;
    let (Some(parts), Some(members)) = found else {
        return Err(registry::attached_later(ledger));
    };
    Ok(Row {
        ledger,
        name: relation_name(ledger),
        parts,
        members,
    })
}

/// The ledger itself was dropped: what was derived from it goes as well.
fn forget(row: &Row) -> Result<(), Failure> {
    registry::unregister(row.ledger)?;
    for part in &row.parts {
        // SAFETY: a catalog look-up by value.
        let kind = unsafe { pg_sys::get_rel_relkind(*part) } as u8;
        match kind {
            b'r' => Spi::run(&format!("DROP TABLE {} CASCADE", relation_name(*part)))?,
            b'v' => Spi::run(&format!("DROP VIEW {} CASCADE", relation_name(*part)))?,
            _ => {}
        }
    }
    Ok(())
}

fn part_dropped(row: &Row) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot drop a part of attached ledger {}", row.name),
    )
    .detail(
        "Its storage or its mapping would be gone, be it by name or with a column that is mapped.",
    )
    .hint(format!(
        "Run SELECT * FROM inventory_perf.detach_ledger({}, drop_data => true) first.",
        crate::sql::quote_literal(&row.name)
    ))
}

fn member_dropped(row: &Row) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot drop a partition of attached ledger {}", row.name),
    )
    .detail("The snapshots still count its rows.")
    .hint("Run ALTER TABLE … DETACH PARTITION first, which takes its rows out, then drop it.")
}
