//! The attached ledgers, as the extension's own tables record them.

mod found;
mod names;

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CStr;

use super::key_types;
use super::mapping::Mapping;
use super::mapping_view::Registered;
use crate::error::Failure;
use crate::security;
pub use found::{Ledger, State};
pub use names::{function_signature, relation_name};

/// What registering a ledger records.
pub struct Registration<'a> {
    pub ledger: pg_sys::Oid,
    pub prefix: &'a str,
    pub mapping: &'a Mapping,
    pub pending: pg_sys::Oid,
    pub days: pg_sys::Oid,
    pub openings: pg_sys::Oid,
    pub months: pg_sys::Oid,
    pub mapped_moves: pg_sys::Oid,
    pub members: &'a [pg_sys::Oid],
    pub schema: &'a str,
    pub registered: &'a Registered,
}

/// The registered ledger, if it is one.
pub fn find(ledger: pg_sys::Oid) -> Result<Option<Ledger>, Failure> {
    let owner = security::extension_owner()?;
    security::run_as(owner, || {
        Spi::connect(|client| {
            let mut rows = client.select(
                include_str!("../../sql/ledger/find.sql"),
                Some(1),
                &[ledger.into()],
            )?;
            let Some(row) = rows.next() else {
                return Ok(None);
            };
            let text = |column: &str| -> Result<String, Failure> {
                Ok(row.get_by_name::<String, _>(column)?.unwrap_or_default())
            };
            let oid = |column: &str| -> Result<pg_sys::Oid, Failure> {
                Ok(row
                    .get_by_name::<pg_sys::Oid, _>(column)?
                    .unwrap_or(pg_sys::InvalidOid))
            };
            let mut mapping: Mapping =
                serde_json::from_str(&text("mapping")?).map_err(|error| {
                    Failure::new(
                        PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                        format!("mapping of ledger {} cannot be read", relation_name(ledger)),
                    )
                    .detail(error.to_string())
                    .hint("Detach the ledger and attach it again.")
                })?;
            key_types::refresh(&mut mapping.keys, oid("pending")?);
            Ok(Some(Ledger {
                oid: ledger,
                name: text("name")?,
                owner: oid("owner")?,
                state: State::parse(&text("state")?),
                mapping,
                schema: text("schema")?,
                prefix: text("prefix")?,
                pending: oid("pending")?,
                days: oid("days")?,
                openings: oid("openings")?,
                months: oid("months")?,
                mapped_moves: oid("mapped_moves")?,
                views: row.get_by_name("views")?.unwrap_or_default(),
                functions: row.get_by_name("functions")?.unwrap_or_default(),
                registered: Registered {
                    expressions: row.get_by_name("expressions")?.unwrap_or_default(),
                    fingerprint: text("fingerprint")?,
                },
            }))
        })
    })
}

/// The registered ledger, or an error that says how to attach one.
pub fn get(ledger: pg_sys::Oid) -> Result<Ledger, Failure> {
    find(ledger)?.ok_or_else(|| {
        let name = relation_name(ledger);
        Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("{name} is not an attached ledger"),
        )
        .hint(format!(
            "Attach it with SELECT * FROM inventory_perf.attach_ledger({}).",
            crate::sql::quote_literal(&name)
        ))
    })
}

/// The registered ledger, for a caller who must have its owner's rights.
pub fn get_owned(ledger: pg_sys::Oid) -> Result<Ledger, Failure> {
    let ledger = get(ledger)?;
    if !security::acts_for(ledger.owner) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("must be owner of ledger {}", ledger.name),
        )
        .hint("Ask the owner of the table, or a superuser, to do it."));
    }
    Ok(ledger)
}

/// Every registered ledger that still exists, by name.
pub fn all() -> Result<Vec<pg_sys::Oid>, Failure> {
    let owner = security::extension_owner()?;
    security::run_as(owner, || {
        Spi::connect(|client| {
            let mut ledgers = Vec::new();
            let rows = client.select(
                "SELECT l.ledger::oid FROM inventory_perf.ledger l \
                 JOIN pg_catalog.pg_class c ON c.oid = l.ledger ORDER BY l.ledger::text",
                None,
                &[],
            )?;
            for row in rows {
                ledgers.extend(row.get::<pg_sys::Oid>(1)?);
            }
            Ok(ledgers)
        })
    })
}

pub fn register(registration: &Registration) -> Result<(), Failure> {
    let mapping = serde_json::to_value(registration.mapping)
        .map_err(|error| Failure::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, error.to_string()))?;
    change(
        registration.ledger,
        include_str!("../../sql/ledger/register.sql"),
        &[
            registration.ledger.into(),
            State::AwaitingBackfill.name().into(),
            registration.prefix.into(),
            pgrx::JsonB(mapping).into(),
            registration.pending.into(),
            registration.days.into(),
            registration.openings.into(),
            registration.months.into(),
            registration.mapped_moves.into(),
            registration.members.to_vec().into(),
            crate::sql::quote_identifier(registration.schema).into(),
            registration.registered.expressions.clone().into(),
            registration.registered.fingerprint.as_str().into(),
        ],
    )
}

/// Waits for other transactions that change what is recorded of the ledger, and keeps more of them
/// out until this one ends.
pub fn lock(ledger: pg_sys::Oid) -> Result<(), Failure> {
    change_quietly(
        "SELECT FROM inventory_perf.ledger WHERE ledger = $1::oid FOR UPDATE",
        &[ledger.into()],
    )
}

/// Whether the transaction reads with the snapshot that it began with.
pub fn has_fixed_snapshot() -> bool {
    // SAFETY: reads a backend variable.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// The registered ledger as it is now, to be changed; error 40001 for a transaction whose snapshot is
/// older than that.
pub fn find_newest(ledger: pg_sys::Oid) -> Result<Ledger, Failure> {
    if has_fixed_snapshot() {
        require_newest(ledger)?;
    }
    find(ledger)?.ok_or_else(|| attached_later(ledger))
}

/// Of a ledger that a fixed snapshot is too old to see.
pub fn attached_later(ledger: pg_sys::Oid) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        format!(
            "ledger {} was attached after this transaction's snapshot",
            relation_name(ledger)
        ),
    )
    .hint("Retry the transaction.")
}

/// Error 40001 for a transaction whose snapshot is older than what is recorded of the ledger.
pub fn require_newest(ledger: pg_sys::Oid) -> Result<(), Failure> {
    change_quietly(
        "SELECT FROM inventory_perf.ledger WHERE ledger = $1::oid FOR SHARE",
        &[ledger.into()],
    )
}

pub fn set_members(ledger: pg_sys::Oid, members: &[pg_sys::Oid]) -> Result<(), Failure> {
    change(
        ledger,
        "UPDATE inventory_perf.ledger SET members = $2::oid[]::regclass[] WHERE ledger = $1::oid",
        &[ledger.into(), members.to_vec().into()],
    )
}

/// Records what answers, once it is created.
pub fn set_objects(
    ledger: pg_sys::Oid,
    views: &[pg_sys::Oid],
    functions: &[pg_sys::Oid],
) -> Result<(), Failure> {
    change(
        ledger,
        "UPDATE inventory_perf.ledger \
         SET views = $2::oid[]::regclass[], functions = $3::oid[]::regprocedure[] \
         WHERE ledger = $1::oid",
        &[
            ledger.into(),
            views.to_vec().into(),
            functions.to_vec().into(),
        ],
    )
}

/// Views and functions that are gone are nobody's any more, whatever gets their numbers.
pub fn forget_objects(relations: &[pg_sys::Oid], functions: &[pg_sys::Oid]) -> Result<(), Failure> {
    change_quietly(
        include_str!("../../sql/ledger/forget_objects.sql"),
        &[relations.to_vec().into(), functions.to_vec().into()],
    )
}

/// Records how the mapping reads by now, where a name in it is another one.
pub fn set_registered(ledger: pg_sys::Oid, registered: &Registered) -> Result<(), Failure> {
    change_quietly(
        "UPDATE inventory_perf.ledger SET expressions = $2, fingerprint = $3 \
         WHERE ledger = $1::oid",
        &[
            ledger.into(),
            registered.expressions.clone().into(),
            registered.fingerprint.as_str().into(),
        ],
    )
}

/// Starts a new generation even when the state stays the same: that is what tells readers with an
/// older snapshot that the storage was replaced after it.
pub fn set_state(ledger: pg_sys::Oid, state: State) -> Result<(), Failure> {
    change(
        ledger,
        "UPDATE inventory_perf.ledger SET state = $2, generation = generation + 1 \
         WHERE ledger = $1::oid",
        &[ledger.into(), state.name().into()],
    )
}

/// The number that changes whenever the storage was filled or became stale.
pub fn generation(ledger: pg_sys::Oid) -> Result<i64, Failure> {
    let owner = security::extension_owner()?;
    let generation = security::run_as(owner, || {
        Spi::connect_mut(|client| {
            client
                .update(
                    "SELECT generation FROM inventory_perf.ledger WHERE ledger = $1::oid",
                    Some(1),
                    &[ledger.into()],
                )?
                .first()
                .get_one::<i64>()
        })
    })?;
    Ok(generation.unwrap_or(0))
}

/// What older snapshots read of the ledger and of its storage does not go together any more, so
/// that they get no answer.
pub fn start_generation(ledger: pg_sys::Oid) -> Result<(), Failure> {
    change(
        ledger,
        "UPDATE inventory_perf.ledger SET generation = generation + 1 WHERE ledger = $1::oid",
        &[ledger.into()],
    )
}

pub fn unregister(ledger: pg_sys::Oid) -> Result<(), Failure> {
    change(
        ledger,
        "WITH activity AS (DELETE FROM inventory_perf.ledger_activity WHERE ledger = $1::oid), \
              thresholds AS (DELETE FROM inventory_perf.low_stock_thresholds \
                             WHERE ledger = $1::oid), \
              low AS (DELETE FROM inventory_perf.low_stock WHERE ledger = $1::oid), \
              errors AS (DELETE FROM inventory_perf.ledger_error WHERE ledger = $1::oid) \
         DELETE FROM inventory_perf.ledger WHERE ledger = $1::oid",
        &[ledger.into()],
    )
}

/// Refuses `command` where nothing can be written.
pub fn require_writable(command: &CStr) {
    // SAFETY: both raise an error or return.
    unsafe {
        pg_sys::PreventCommandDuringRecovery(command.as_ptr());
        pg_sys::PreventCommandIfReadOnly(command.as_ptr());
    }
}

/// Waits until no other fold, repair or rebuild of the ledger is running, and keeps others out
/// until the transaction ends. Statements after it see what the one before has done.
pub fn lock_for_maintenance(ledger: pg_sys::Oid, command: &CStr) -> Result<(), Failure> {
    require_writable(command);
    change_quietly(
        "UPDATE inventory_perf.ledger_activity SET last_started = pg_catalog.clock_timestamp() \
         WHERE ledger = $1::oid",
        &[ledger.into()],
    )
}

pub fn record_fold(ledger: pg_sys::Oid, deltas: i64) -> Result<(), Failure> {
    change_quietly(
        "UPDATE inventory_perf.ledger_activity \
         SET last_fold = pg_catalog.clock_timestamp(), deltas_folded = deltas_folded + $2 \
         WHERE ledger = $1::oid",
        &[ledger.into(), deltas.into()],
    )
}

/// Changes the registry as its owner, and makes every backend look again.
fn change(
    ledger: pg_sys::Oid,
    query: &str,
    arguments: &[pgrx::datum::DatumWithOid],
) -> Result<(), Failure> {
    change_quietly(query, arguments)?;
    // SAFETY: a relation that is gone is no error here: nothing can have it cached.
    unsafe {
        if pg_sys::get_rel_relkind(ledger) != 0 {
            pg_sys::CacheInvalidateRelcacheByRelid(ledger);
        }
    }
    Ok(())
}

pub fn change_quietly(query: &str, arguments: &[pgrx::datum::DatumWithOid]) -> Result<(), Failure> {
    let owner = security::extension_owner()?;
    security::run_as(owner, || {
        Spi::connect_mut(|client| client.update(query, None, arguments).map(|_| ()))
    })?;
    Ok(())
}
