//! `detach_ledger()`: what attaching created is removed; the ledger itself stays as it is.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::members;
use super::registry::{self, Ledger, relation_name};
use super::triggers;
use crate::error::{Failure, OrRaise, required};
use crate::security;
use crate::snapshots::storage;
use crate::whole_errors::whole;

#[pg_extern(sql = false)]
fn detach_ledger(
    ledger: Option<pg_sys::Oid>,
    drop_data: Option<bool>,
) -> TableIterator<
    'static,
    (
        name!(object, String),
        name!(kind, String),
        name!(action, String),
    ),
> {
    whole(|| {
        let detached = (|| {
            let ledger = registry::get_owned(required(ledger, "ledger")?)?;
            let drop_data = required(drop_data, "drop_data")?;
            security::with_safe_path(|| detach(&ledger, drop_data))
        })();
        TableIterator::new(detached.or_raise())
    })
}

fn detach(ledger: &Ledger, drop_data: bool) -> Result<Vec<(String, String, String)>, Failure> {
    registry::lock_for_maintenance(ledger.oid, c"detach_ledger()")?;
    let tables = members::current(ledger.oid)?;
    // From here on nothing that is dropped belongs to a ledger, so the drop guard lets it go.
    registry::unregister(ledger.oid)?;
    let mut done = Vec::new();
    for member in tables {
        triggers::drop_all(member)?;
        for (name, ..) in triggers::of(member) {
            let trigger = format!(
                "{} on {}",
                crate::sql::quote_identifier(name),
                relation_name(member)
            );
            done.push((trigger, "trigger".to_owned(), "dropped".to_owned()));
        }
    }
    done.extend(storage::drop_relations(ledger, drop_data)?);
    Ok(done)
}
