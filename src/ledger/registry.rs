//! The attached ledgers, as the extension's own tables record them.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CStr;

use super::integrity::Identity;
use super::key_types;
use super::mapping::Mapping;
use super::mapping_view::Registered;
use super::objects::{self, Kind, OBJECTS, Object, Objects};
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
    /// The views and functions that attaching created, in the order of their kind in `OBJECTS`; none
    /// before the storage is filled. InvalidOid for one that was dropped.
    pub views: Vec<pg_sys::Oid>,
    pub functions: Vec<pg_sys::Oid>,
    pub registered: Registered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    AwaitingBackfill,
    /// Out of a dump, of which the triggers come last.
    Restoring,
    Ready,
    Stale,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingBackfill => "awaiting backfill",
            Self::Restoring => "restoring",
            Self::Ready => "ready",
            Self::Stale => "stale",
        }
    }

    pub fn parse(name: &str) -> Self {
        match name {
            "ready" => Self::Ready,
            "awaiting backfill" => Self::AwaitingBackfill,
            "restoring" => Self::Restoring,
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

/// A function as SQL names it, qualified, without its arguments; none if it is gone.
fn function_name(function: pg_sys::Oid) -> Option<String> {
    // SAFETY: catalog look-ups that return NULL for what does not exist.
    unsafe {
        let name = pg_sys::get_func_name(function);
        let schema = pg_sys::get_namespace_name(pg_sys::get_func_namespace(function));
        (!name.is_null() && !schema.is_null()).then(|| {
            crate::sql::qualified(
                &CStr::from_ptr(schema).to_string_lossy(),
                &CStr::from_ptr(name).to_string_lossy(),
            )
        })
    }
}

/// A function of this owner as DROP and ALTER name it, with its arguments.
pub fn function_signature(function: pg_sys::Oid, owner: pg_sys::Oid) -> Option<String> {
    let name = function_name(function)?;
    // SAFETY: catalog look-ups by value; the row is read before it is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::PROCOID as i32,
            pg_sys::Datum::from(function),
        );
        if tuple.is_null() {
            return None;
        }
        let row = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>();
        let is_owned = row.proowner == owner;
        let arguments: Vec<String> = (0..row.proargtypes.dim1 as usize)
            .map(|argument| *row.proargtypes.values.as_ptr().add(argument))
            .map(|type_oid| {
                CStr::from_ptr(pg_sys::format_type_be(type_oid))
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        pg_sys::ReleaseSysCache(tuple);
        is_owned.then(|| format!("{name}({})", arguments.join(", ")))
    }
}

impl Ledger {
    pub fn identity(&self) -> Identity {
        Identity {
            ledger: self.oid,
            layout: self.mapping.layout(),
            pending: self.pending,
            days: self.days,
            openings: self.openings,
            months: self.months,
            mapped_moves: self.mapped_moves,
            registered: self.registered.clone(),
        }
    }

    /// The relation or function that is an object of the ledger, by whatever name and in whatever
    /// schema it is by now; InvalidOid if it is not there.
    pub fn object(&self, object: &Object) -> pg_sys::Oid {
        let position = || {
            OBJECTS
                .iter()
                .filter(|other| other.kind == object.kind && !other.is_made_at_once)
                .position(|other| other.name == object.name)
        };
        let one_of = |objects: &[pg_sys::Oid]| {
            position()
                .and_then(|position| objects.get(position).copied())
                .unwrap_or(pg_sys::InvalidOid)
        };
        match (object.name, object.kind) {
            (objects::PENDING, _) => self.pending,
            (objects::DAYS, _) => self.days,
            (objects::OPENINGS, _) => self.openings,
            (objects::MONTHS, _) => self.months,
            (objects::MAPPED_MOVES, _) => self.mapped_moves,
            (_, Kind::Function) => one_of(&self.functions),
            (_, Kind::View | Kind::Table) => one_of(&self.views),
        }
    }

    /// Whether an object is there, by whatever name.
    pub fn has_object(&self, name: &str) -> bool {
        OBJECTS
            .iter()
            .any(|object| object.name == name && self.object(object) != pg_sys::InvalidOid)
    }

    /// The name of an object as SQL writes it; of one that is not created yet, the name that it gets.
    pub fn object_name(&self, name: &str) -> String {
        let object = OBJECTS.iter().find(|object| object.name == name);
        let found = object.and_then(|object| {
            let oid = self.object(object);
            match object.kind {
                _ if oid == pg_sys::InvalidOid => None,
                Kind::Function => function_name(oid),
                Kind::View | Kind::Table => Some(relation_name(oid)),
            }
        });
        found.unwrap_or_else(|| Objects::new(&self.schema, &self.prefix).name(name))
    }

    /// The names and keys that the SQL templates are filled with.
    pub fn template(&self) -> Template {
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
            .set(
                "opening_entries",
                self.object_name(objects::OPENING_ENTRIES),
            )
            .set("day_entries", self.object_name(objects::DAY_ENTRIES))
            .set(
                "pending_entries",
                self.object_name(objects::PENDING_ENTRIES),
            )
            .set("snapshots", self.object_name(objects::SNAPSHOTS))
            .set("levels", self.object_name(objects::LEVELS))
            .set("stock_on", self.object_name(objects::STOCK_ON))
            .set("stock_period", self.object_name(objects::STOCK_PERIOD))
            .set("stock_history", self.object_name(objects::STOCK_HISTORY))
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
