//! A ledger as the registry has it, and what SQL calls its parts.

use pgrx::pg_sys;

use super::names::{self, relation_name};
use crate::ledger::integrity::Identity;
use crate::ledger::mapping::Mapping;
use crate::ledger::mapping_view::Registered;
use crate::ledger::objects::{self, Kind, OBJECTS, Object, Objects};
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
                Kind::Function => names::function_name(oid),
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
        let list = |one: &dyn Fn(usize, &crate::ledger::mapping::Key) -> String| {
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
            .set(
                "in_period",
                include_str!("../../../sql/ledger/in_period.sql"),
            )
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
