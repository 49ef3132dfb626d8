//! The attached ledgers, as the extension's own tables record them.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CStr;

use super::key_types;
use super::mapping::Mapping;
use crate::error::Failure;
use crate::security;
use crate::template::Template;

/// A ledger as it is registered.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub oid: pg_sys::Oid,
    /// The ledger as SQL names it.
    pub name: String,
    pub owner: pg_sys::Oid,
    pub state: State,
    pub mapping: Mapping,
    pub schema: String,
    pub prefix: String,
    pub pending: pg_sys::Oid,
    pub days: pg_sys::Oid,
    pub openings: pg_sys::Oid,
    pub months: pg_sys::Oid,
    pub mapped_moves: pg_sys::Oid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    AwaitingBackfill,
    Ready,
    Stale,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingBackfill => "awaiting backfill",
            Self::Ready => "ready",
            Self::Stale => "stale",
        }
    }

    pub fn parse(name: &str) -> Self {
        match name {
            "ready" => Self::Ready,
            "awaiting backfill" => Self::AwaitingBackfill,
            _ => Self::Stale,
        }
    }
}

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

/// A relation as SQL names it, qualified.
pub fn relation_name(relation: pg_sys::Oid) -> String {
    // SAFETY: catalog look-ups that return NULL for what does not exist.
    unsafe {
        let name = pg_sys::get_rel_name(relation);
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        if name.is_null() || schema.is_null() {
            return relation.to_u32().to_string();
        }
        crate::sql::qualified(
            &CStr::from_ptr(schema).to_string_lossy(),
            &CStr::from_ptr(name).to_string_lossy(),
        )
    }
}

impl Ledger {
    /// The names and keys that the SQL templates are filled with.
    pub fn template(&self) -> Template {
        let objects = super::objects::Objects::new(&self.schema, &self.prefix);
        let keys = &self.mapping.keys;
        let quoted = |name: &str| crate::sql::quote_identifier(name);
        let mut template = Template {
            key_operators: keys.iter().map(|key| key.equals.clone()).collect(),
            has_value: self.mapping.value.is_some(),
            ..Template::default()
        };
        let list = |one: &dyn Fn(usize, &super::mapping::Key) -> String| {
            let parts: Vec<String> = keys
                .iter()
                .enumerate()
                .map(|(index, key)| one(index + 1, key))
                .collect();
            parts.join(", ")
        };
        template
            .set(
                "ledger",
                format!("{}::regclass", crate::sql::quote_literal(&self.name)),
            )
            .set("pending", relation_name(self.pending))
            .set("days", relation_name(self.days))
            .set("openings", relation_name(self.openings))
            .set("months", relation_name(self.months))
            .set("in_period", include_str!("../../sql/ledger/in_period.sql"))
            .set("opening_entries", objects.opening_entries())
            .set("day_entries", objects.day_entries())
            .set("pending_entries", objects.pending_entries())
            .set("snapshots", objects.snapshots())
            .set("levels", objects.levels())
            .set("stock_on", objects.stock_on())
            .set("stock_period", objects.stock_period())
            .set("stock_history", objects.stock_history())
            .set(
                "legs",
                self.mapping.legs_query(&relation_name(self.mapped_moves)),
            )
            .set("tenant_condition", "")
            .set(
                "key_definitions",
                list(&|n, key| format!("k{n} {} NOT NULL", key.sql_type)),
            )
            .set(
                "public_key_definitions",
                list(&|_, key| {
                    let type_name = key
                        .sql_type
                        .split(" COLLATE ")
                        .next()
                        .unwrap_or(&key.sql_type);
                    format!("{} {type_name}", quoted(&key.name))
                }),
            )
            .set(
                "public_keys",
                list(&|n, key| format!("s.k{n} AS {}", quoted(&key.name))),
            )
            .set(
                "named_keys",
                list(&|n, key| format!("s.{} AS k{n}", quoted(&key.name))),
            )
            .set(
                "key_object",
                format!(
                    "pg_catalog.jsonb_build_object({})",
                    list(&|n, key| format!("{}, d.k{n}", crate::sql::quote_literal(&key.name)))
                ),
            );
        template
    }
}
