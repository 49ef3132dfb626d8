//! What dropping a table, a view or a trigger means for ledgers.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::registry::{self, Ledger, State};
use super::{members, registry::relation_name};
use crate::error::{Failure, OrRaise};
use crate::security;
use crate::whole_errors::whole;

/// Called by the event trigger after relations were dropped, with their OIDs, and with the tables
/// ('schema.table') that lost a capture trigger.
#[pg_extern(sql = false)]
fn after_drop(relations: Option<Vec<pg_sys::Oid>>, triggers: Option<Vec<Option<String>>>) {
    whole(|| {
        let relations = relations.unwrap_or_default();
        let triggers: Vec<String> = triggers.unwrap_or_default().into_iter().flatten().collect();
        security::with_safe_path(|| after(&relations, &triggers)).or_raise();
    })
}

fn after(relations: &[pg_sys::Oid], triggers: &[String]) -> Result<(), Failure> {
    for row in registered()? {
        if relations.contains(&row.ledger) {
            forget(&row)?;
            continue;
        }
        if row.parts.iter().any(|part| relations.contains(part)) {
            return Err(part_dropped(&row));
        }
        if row.members.iter().any(|member| relations.contains(member)) {
            return Err(member_dropped(&row));
        }
        if !triggers.is_empty() {
            mark_if_triggers_went(&row)?;
        }
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

/// The registry as it is, ledgers that are gone included.
fn registered() -> Result<Vec<Row>, Failure> {
    let rows = Spi::connect_mut(|client| {
        let mut rows = Vec::new();
        let result = client.update(
            "SELECT l.ledger::oid, \
                    ARRAY[l.pending::oid, l.days, l.openings, l.months, l.mapped_moves], \
                    l.members::oid[] \
             FROM inventory_perf.ledger l",
            None,
            &[],
        )?;
        for row in result {
            let ledger = row.get::<pg_sys::Oid>(1)?.unwrap_or(pg_sys::InvalidOid);
            rows.push(Row {
                ledger,
                name: relation_name(ledger),
                parts: row.get::<Vec<pg_sys::Oid>>(2)?.unwrap_or_default(),
                members: row.get::<Vec<pg_sys::Oid>>(3)?.unwrap_or_default(),
            });
        }
        Ok::<_, pgrx::spi::Error>(rows)
    })?;
    Ok(rows)
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

fn mark_if_triggers_went(row: &Row) -> Result<(), Failure> {
    let Some(ledger): Option<Ledger> = registry::find(row.ledger)? else {
        return Ok(());
    };
    if ledger.state != State::Ready || !members::lacks_triggers(ledger.oid)? {
        return Ok(());
    }
    registry::set_state(ledger.oid, State::Stale)?;
    members::warn_stale(&ledger, "a capture trigger was dropped or replaced");
    Ok(())
}
