//! A table that is altered, or gets or loses a part, has other rows though no statement wrote any, and
//! a ledger whose snapshots are mended has other snapshots: whatever may have been made from them is
//! invalid.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::collections::BTreeSet;

use crate::cache::outbox::{self, Invalidation};
use crate::cache::template::{Argument, Target, Template};
use crate::cache::tree;
use crate::error::Failure;

/// Makes everything invalid that the triggers of these relations, or of what they are parts of, can
/// name. Relations without such triggers are left out.
pub fn invalidate(relations: impl Iterator<Item = pg_sys::Oid>) -> Result<(), Failure> {
    let mut roots = BTreeSet::new();
    for relation in relations {
        // SAFETY: a catalog look-up by value, and a message for a relation that is there.
        unsafe {
            // What watches it may have changed though its own definition did not.
            if pg_sys::get_rel_relkind(relation) != 0 {
                pg_sys::CacheInvalidateRelcacheByRelid(relation);
            }
        }
        roots.extend(tree::roots(relation)?.into_iter().map(pg_sys::Oid::to_u32));
    }
    for root in roots.into_iter().map(pg_sys::Oid::from) {
        let arguments = arguments(root)?;
        if !arguments.is_empty() {
            outbox::append(&everything(root, &arguments))?;
        }
    }
    Ok(())
}

fn everything(root: pg_sys::Oid, arguments: &[Vec<u8>]) -> Invalidation {
    let mut row = Invalidation {
        relation: Some(root),
        operation: Some("ALTER"),
        broadened: true,
        ..Invalidation::default()
    };
    row.tags.add(tree::tag(root).as_bytes());
    for argument in arguments
        .iter()
        .flat_map(|list| list.split(|byte| *byte == 0))
    {
        // The trigger itself refuses what is none.
        if let Ok(Argument::Template(template)) = Argument::parse(argument) {
            add(&mut row, &template);
        }
    }
    row
}

fn add(row: &mut Invalidation, template: &Template) {
    match (template.target, template.has_columns()) {
        (Target::Key, true) => row.patterns.add(&template.pattern()),
        (Target::Key, false) => row.keys.add(&template.starred()),
        (Target::Tag, true) => row.tag_patterns.add(&template.pattern()),
        (Target::Tag, false) => row.tags.add(&template.starred()),
        (Target::Channel, _) => row.channels.add(&template.starred()),
    };
}

/// The arguments of the triggers of a table that call invalidate_cache().
fn arguments(table: pg_sys::Oid) -> Result<Vec<Vec<u8>>, Failure> {
    let arguments = Spi::connect_mut(|client| {
        let mut arguments = Vec::new();
        // A query that reads only would not see what this command did.
        let rows = client.update(
            "SELECT DISTINCT tgargs FROM pg_catalog.pg_trigger \
             WHERE tgrelid = $1 \
               AND tgfoid = 'inventory_perf.invalidate_cache()'::pg_catalog.regprocedure \
             ORDER BY 1",
            None,
            &[table.into()],
        )?;
        for row in rows {
            arguments.extend(row.get::<Vec<u8>>(1)?);
        }
        Ok::<_, pgrx::spi::Error>(arguments)
    })?;
    Ok(arguments)
}
