//! `attach_ledger()`: maps a table of stock movements and creates what answers from it.

mod columns;
mod mapped_moves;
mod names;

pub use names::relation;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::detection::{self, Choices, Preset};
use super::mapping_view::{self, MappingView};
use super::objects::{MAPPED_MOVES, OBJECTS, Objects};
use super::registry::{self, Registration, State};
use super::{expressions, members, triggers};
use crate::error::{Failure, OrRaise, required};
use crate::security;
use crate::snapshots::{backfill, storage};
use crate::whole_errors::whole;

/// The arguments of `attach_ledger()`, checked for NULL.
pub struct Arguments {
    pub ledger: pg_sys::Oid,
    pub choices: Choices,
    pub by_location: bool,
    pub value: Option<String>,
    pub time_zone: String,
    pub target_schema: Option<String>,
    pub prefix: String,
    pub backfill: bool,
    /// What the names in the caller's expressions are looked up with.
    pub search_path: String,
}

#[allow(clippy::too_many_arguments)]
#[pg_extern(sql = false)]
fn attach_ledger(
    ledger: Option<pg_sys::Oid>,
    preset: Option<String>,
    tenant: Option<String>,
    product: Option<String>,
    location: Option<String>,
    from_location: Option<String>,
    to_location: Option<String>,
    by_location: Option<bool>,
    dimensions: Option<Vec<Option<String>>>,
    quantity: Option<String>,
    value: Option<String>,
    moved_at: Option<String>,
    time_zone: Option<String>,
    filter: Option<String>,
    target_schema: Option<String>,
    prefix: Option<String>,
    backfill: Option<bool>,
) -> TableIterator<
    'static,
    (
        name!(object, String),
        name!(kind, String),
        name!(purpose, String),
    ),
> {
    let attached = || {
        let by_location = required(by_location, "by_location")?;
        let dimensions = required(dimensions, "dimensions")?
            .into_iter()
            .map(|dimension| required(dimension, "dimensions"))
            .collect::<Result<_, _>>()?;
        let preset = preset.as_deref().map(Preset::parse).transpose()?;
        let arguments = Arguments {
            ledger: required(ledger, "ledger")?,
            choices: Choices {
                preset,
                tenant,
                product,
                location,
                from_location,
                to_location,
                by_location,
                dimensions,
                quantity,
                moved_at,
                filter,
            },
            by_location,
            value,
            time_zone: required(time_zone, "time_zone")?,
            target_schema,
            prefix: required(prefix, "prefix")?,
            backfill: required(backfill, "backfill")?,
            search_path: security::search_path(),
        };
        security::with_safe_path(|| attach(arguments))
    };
    TableIterator::new(whole(|| attached().or_raise()))
}

fn attach(arguments: Arguments) -> Result<Vec<(String, String, String)>, Failure> {
    registry::require_writable(c"attach_ledger()");
    let table = columns::check_table(arguments.ledger)?;
    refuse_storage(arguments.ledger, &table.name)?;
    if let Some(attached) = members::ledger_of(arguments.ledger)? {
        return Err(already_attached(&table.name, &attached.name));
    }
    let detected = detection::detect(
        &table.name,
        &columns::columns(arguments.ledger)?,
        &arguments.choices,
    )?;
    for (argument, expression) in [
        ("quantity", Some(detected.quantity.to_sql())),
        ("moved_at", Some(detected.moved_at.to_sql())),
        ("value", arguments.value.clone()),
        ("filter", detected.filter.clone()),
    ] {
        if let Some(expression) = expression {
            expressions::check_syntax(argument, &expression)?;
        }
    }

    // Writers wait from here on until the transaction ends, readers do not.
    Spi::run(&format!(
        "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
        table.name
    ))?;
    let tables = members::current(arguments.ledger)?;
    members::check_kinds(&tables)?;
    members::check_parents(arguments.ledger, &tables)?;
    members::refuse_subscribed(&tables)?;
    for member in &tables {
        if let Some(attached) = members::ledger_of(*member)? {
            return Err(already_attached(
                &registry::relation_name(*member),
                &attached.name,
            ));
        }
    }
    let schema = arguments
        .target_schema
        .clone()
        .unwrap_or(table.schema.clone());
    names::check(&schema, &arguments.prefix)?;
    let objects = Objects::new(&schema, &arguments.prefix);
    let mapping = mapped_moves::create(&table.name, &objects, &detected, &arguments)?;
    for notice in detected.notices {
        ereport!(
            PgLogLevel::NOTICE,
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            notice
        );
    }

    let tables_of_storage = storage::create(&objects, &mapping)?;
    let mapped_moves = names::relation(&objects.name(MAPPED_MOVES))?;
    let registered = MappingView::read(mapped_moves, arguments.ledger, mapping.layout())
        .map_err(|what| mapping_view::changed(&table.name, &what))?
        .registered();
    for member in &tables {
        triggers::create(*member)?;
    }
    registry::register(&Registration {
        ledger: arguments.ledger,
        prefix: &arguments.prefix,
        mapping: &mapping,
        pending: tables_of_storage.pending,
        days: tables_of_storage.days,
        openings: tables_of_storage.openings,
        months: tables_of_storage.months,
        mapped_moves,
        members: &tables,
        schema: &schema,
        registered: &registered,
    })?;
    let ledger = registry::get(arguments.ledger)?;
    storage::give_to_owner(&ledger)?;
    if arguments.backfill {
        backfill::fill(&ledger)?;
        storage::create_relations(&ledger)?;
        registry::set_state(ledger.oid, State::Ready)?;
    } else {
        ereport!(
            PgLogLevel::NOTICE,
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!(
                "commit, then run SELECT inventory_perf.backfill_ledger({}) to fill the \
                 snapshots and create the relations that answer",
                crate::sql::quote_literal(&ledger.name)
            )
        );
    }
    Ok(created(
        &objects,
        arguments.ledger,
        &table.name,
        arguments.backfill,
    ))
}

/// Storage is written past the triggers, so it cannot be a ledger itself.
fn refuse_storage(table: pg_sys::Oid, name: &str) -> Result<(), Failure> {
    for oid in registry::all()? {
        let ledger = registry::get(oid)?;
        if [ledger.pending, ledger.days, ledger.openings, ledger.months].contains(&table) {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
                format!("{name} is internal storage of ledger {}", ledger.name),
            )
            .hint("Attach a table of stock movements."));
        }
    }
    Ok(())
}

fn created(
    objects: &Objects,
    ledger: pg_sys::Oid,
    ledger_name: &str,
    with_relations: bool,
) -> Vec<(String, String, String)> {
    OBJECTS
        .iter()
        .filter(|object| with_relations || object.is_made_at_once)
        .map(|object| {
            (
                objects.name(object.name),
                object.kind.name().into(),
                object.purpose.into(),
            )
        })
        .chain(triggers::of(ledger).map(|(name, event, ..)| {
            (
                format!("{} on {ledger_name}", crate::sql::quote_identifier(name)),
                "trigger".into(),
                format!("captures changes, {event}"),
            )
        }))
        .collect()
}

fn already_attached(table: &str, ledger: &str) -> Failure {
    let detail = if table == ledger {
        "A table can be attached once.".to_owned()
    } else {
        format!("{table} is part of it.")
    };
    Failure::new(
        PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
        format!("ledger {ledger} is already attached"),
    )
    .detail(detail)
    .hint(format!(
        "To map it anew, run SELECT * FROM inventory_perf.detach_ledger({}, drop_data => true) first.",
        crate::sql::quote_literal(ledger)
    ))
}

impl From<detection::DetectionError> for Failure {
    fn from(error: detection::DetectionError) -> Self {
        let code = match error.kind {
            detection::DetectionErrorKind::UndefinedColumn => {
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN
            }
            detection::DetectionErrorKind::AmbiguousColumn => {
                PgSqlErrorCode::ERRCODE_AMBIGUOUS_COLUMN
            }
            detection::DetectionErrorKind::InvalidParameter => {
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE
            }
        };
        Failure::new(code, error.message)
            .detail(error.detail)
            .hint(error.hint)
    }
}
