//! The view over the ledger that is its mapping: keys, day, quantity and value of each row.
//!
//! As a view it follows renamed columns, keeps PostgreSQL from dropping or retyping a column that
//! is mapped, and survives dump and restore; capture, backfill and audit all read it.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::Arguments;
use super::names;
use crate::error::Failure;
use crate::executor::first_value;
use crate::ledger::capture::MAX_KEYS;
use crate::ledger::detection::{Detected, Legs};
use crate::ledger::expressions;
use crate::ledger::keys::KeyType;
use crate::ledger::mapping::{Key, Mapping, Shape, location_key_name};
use crate::ledger::objects::{MAPPED_MOVES, Objects};
use crate::security;
use crate::sql::{quote_identifier, quote_literal};

/// Digits after the point that a binary floating-point quantity is rounded to, so that sums do
/// not depend on their order.
const FLOAT_DIGITS: u8 = 9;

/// Names that the public relations use for something else than a key.
const RESERVED_NAMES: [&str; 19] = [
    "snapshot_date",
    "opening_quantity",
    "in_quantity",
    "out_quantity",
    "total_movements",
    "closing_quantity",
    "move_count",
    "opening_value",
    "value_change",
    "closing_value",
    "quantity_on_hand",
    "stock_value",
    "last_moved_on",
    "quantity",
    "value",
    "as_of",
    "from_date",
    "to_date",
    "key",
];

struct KeyColumn {
    role: &'static str,
    column: String,
    name: String,
}

/// Creates the view and returns the mapping that it stands for.
pub fn create(
    ledger: &str,
    objects: &Objects,
    detected: &Detected,
    arguments: &Arguments,
) -> Result<Mapping, Failure> {
    let keys = key_columns(detected, arguments.by_location);
    check_names(&keys)?;
    let (from, to) = match &detected.legs {
        Legs::Two {
            from_location,
            to_location,
        } => (Some(from_location), Some(to_location)),
        Legs::One { .. } => (None, None),
    };
    let second_leg = to.filter(|_| arguments.by_location);

    let mut bare: Vec<(String, String)> = keys
        .iter()
        .map(|key| (key.role.to_owned(), quote_identifier(&key.column)))
        .collect();
    if let Some(to) = second_leg {
        bare.push(("to_location".into(), quote_identifier(to)));
    }
    let measures = bare.len();
    bare.push(("moved_at".into(), detected.moved_at.to_sql()));
    bare.push(("quantity".into(), detected.quantity.to_sql()));
    if let Some(value) = &arguments.value {
        bare.push(("value".into(), value.clone()));
    }
    if let Some(filter) = &detected.filter {
        bare.push(("filter".into(), filter.clone()));
    }
    let view = objects.name(MAPPED_MOVES);
    let probe = Probe {
        view: &view,
        ledger,
        search_path: &arguments.search_path,
    };
    let mut types = Vec::new();
    for (argument, expression) in &bare {
        types.push(probe.type_of(argument, expression)?);
    }
    let key_types = probe.key_types(&keys)?;
    if second_leg.is_some() {
        check_both_sides(&keys, &types)?;
    }
    if detected.filter.is_some() && types.last().map(|(filter, _)| *filter) != Some(pg_sys::BOOLOID)
    {
        return Err(wrong_type("filter", types[types.len() - 1].0, "boolean"));
    }
    let netted = from.zip(to).filter(|_| !arguments.by_location);
    let sign = netted.map(|(from, to)| {
        format!(
            "CASE WHEN {from} IS NOT NULL AND {to} IS NOT NULL THEN 0 \
             WHEN {to} IS NOT NULL THEN 1 WHEN {from} IS NOT NULL THEN -1 END",
            from = quote_identifier(from),
            to = quote_identifier(to)
        )
    });
    let measure = |argument: &str, expression: &str, type_oid| {
        measure_sql(argument, expression, type_oid, sign.as_deref())
    };

    let mut outputs: Vec<(String, String)> = keys
        .iter()
        .enumerate()
        .map(|(index, key)| (quote_identifier(&key.column), format!("k{}", index + 1)))
        .collect();
    if let Some(to) = second_leg {
        outputs.push((quote_identifier(to), "to_location".into()));
    }
    outputs.push((
        day_sql(&bare[measures].1, types[measures].0, &arguments.time_zone)?,
        "day".into(),
    ));
    outputs.push((
        measure("quantity", &bare[measures + 1].1, types[measures + 1].0)?,
        "quantity".into(),
    ));
    if arguments.value.is_some() {
        outputs.push((
            measure("value", &bare[measures + 2].1, types[measures + 2].0)?,
            "value".into(),
        ));
    }
    probe.create_view(&outputs, detected.filter.as_deref())?;
    refuse_temporary(names::relation(&view)?)?;
    Spi::run(&format!(
        "COMMENT ON VIEW {view} IS 'internal to inventory_perf: the mapping of the ledger'"
    ))?;

    Ok(Mapping {
        preset: detected.preset.map(|preset| preset.name().to_owned()),
        keys: keys
            .into_iter()
            .zip(key_types)
            .map(|(key, (sql_type, equals))| Key {
                role: key.role.into(),
                column: key.column,
                name: key.name,
                sql_type,
                equals,
                shape: Shape::default(),
            })
            .collect(),
        to_location: second_leg.cloned(),
        by_location: arguments.by_location,
        quantity: detected.quantity.to_sql(),
        value: arguments.value.clone(),
        moved_at: detected.moved_at.to_sql(),
        time_zone: arguments.time_zone.clone(),
        filter: detected.filter.clone(),
    })
}

/// Refuses a mapping that calls what goes with its session: the view would go with it.
fn refuse_temporary(view: pg_sys::Oid) -> Result<(), Failure> {
    let found: Option<String> = first_value(
        include_str!("../../../sql/ledger/temporary_parts.sql"),
        &[view.into()],
    )?;
    match found {
        None => Ok(()),
        Some(object) => Err(Failure::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("the mapping calls {object}, which is temporary"),
        )
        .hint("Create it in a schema that stays.")),
    }
}

/// Tenant first, as everything derived is looked up, and one day distributed, by it.
fn key_columns(detected: &Detected, by_location: bool) -> Vec<KeyColumn> {
    let plain = |role, column: &String| KeyColumn {
        role,
        column: column.clone(),
        name: column.clone(),
    };
    let mut keys = Vec::new();
    keys.extend(
        detected
            .tenant
            .as_ref()
            .map(|tenant| plain("tenant", tenant)),
    );
    keys.push(plain("product", &detected.product));
    if by_location {
        match &detected.legs {
            Legs::One { location } => {
                keys.extend(
                    location
                        .as_ref()
                        .map(|location| plain("location", location)),
                );
            }
            Legs::Two { from_location, .. } => keys.push(KeyColumn {
                role: "location",
                column: from_location.clone(),
                name: location_key_name(from_location),
            }),
        }
    }
    keys.extend(
        detected
            .dimensions
            .iter()
            .map(|dimension| plain("dimension", dimension)),
    );
    keys
}

fn check_names(keys: &[KeyColumn]) -> Result<(), Failure> {
    if keys.len() > MAX_KEYS {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_TOO_MANY_COLUMNS,
            format!("a ledger cannot have more than {MAX_KEYS} key columns"),
        )
        .hint("Name fewer dimensions."));
    }
    for (index, key) in keys.iter().enumerate() {
        let is_twice = keys[..index].iter().any(|other| other.name == key.name);
        if is_twice || RESERVED_NAMES.contains(&key.name.as_str()) {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_DUPLICATE_COLUMN,
                format!(
                    "key column {} has the name of another column of the result",
                    quote_identifier(&key.name)
                ),
            )
            .hint("Rename the ledger's column, or attach without it."));
        }
    }
    Ok(())
}

/// Creates the view, first with one bare expression at a time to learn what it is.
struct Probe<'a> {
    view: &'a str,
    ledger: &'a str,
    search_path: &'a str,
}

impl Probe<'_> {
    fn create_view(
        &self,
        outputs: &[(String, String)],
        filter: Option<&str>,
    ) -> Result<(), Failure> {
        // A line break ends a comment that an expression may end with.
        let columns: Vec<String> = outputs
            .iter()
            .map(|(expression, name)| format!("({expression}\n) AS {name}"))
            .collect();
        let filter = filter.map_or(String::new(), |filter| format!(" WHERE ({filter}\n)"));
        let command = format!(
            "CREATE VIEW {} AS SELECT {} FROM {}{filter}",
            self.view,
            columns.join(", "),
            self.ledger
        );
        Ok(security::with_path(self.search_path, || {
            Spi::run(&command)
        })?)
    }

    fn drop_view(&self) -> Result<(), Failure> {
        Ok(Spi::run(&format!("DROP VIEW {}", self.view))?)
    }

    /// The type of an expression and its collation, if it can be worked out from one row.
    fn type_of(
        &self,
        argument: &str,
        expression: &str,
    ) -> Result<(pg_sys::Oid, pg_sys::Oid), Failure> {
        self.create_view(&[(expression.to_owned(), "c".to_owned())], None)?;
        let view = names::relation(self.view)?;
        expressions::check_view(view, argument)?;
        let types = expressions::column_types(view);
        self.drop_view()?;
        Ok(types
            .first()
            .copied()
            .unwrap_or((pg_sys::InvalidOid, pg_sys::InvalidOid)))
    }

    /// The key columns' types as SQL writes them, and their equality operators.
    fn key_types(&self, keys: &[KeyColumn]) -> Result<Vec<(String, String)>, Failure> {
        let outputs: Vec<(String, String)> = keys
            .iter()
            .enumerate()
            .map(|(index, key)| (quote_identifier(&key.column), format!("k{}", index + 1)))
            .collect();
        self.create_view(&outputs, None)?;
        let view = names::relation(self.view)?;
        for ((type_oid, collation), key) in expressions::column_types(view).into_iter().zip(keys) {
            KeyType::new(type_oid, collation)
                .map_err(|failure| failure.about(format!("key column {}", key.column)))?;
        }
        let types = key_sql_types(view, keys.len())?;
        self.drop_view()?;
        Ok(types)
    }
}

/// The first columns' types as SQL writes them, and their equality operators.
fn key_sql_types(view: pg_sys::Oid, count: usize) -> Result<Vec<(String, String)>, Failure> {
    let types = Spi::connect(|client| {
        let mut types = Vec::new();
        let rows = client.select(
            include_str!("../../../sql/ledger/key_types.sql"),
            None,
            &[view.into(), (count as i32).into()],
        )?;
        for row in rows {
            let type_oid = row.get::<pg_sys::Oid>(3)?.unwrap_or(pg_sys::InvalidOid);
            types.push((
                row.get::<String>(1)?.unwrap_or_default(),
                row.get::<String>(2)?.unwrap_or_default(),
                type_oid,
            ));
        }
        Ok::<_, pgrx::spi::Error>(types)
    })?;
    types
        .into_iter()
        .map(|(sql_type, equals, type_oid)| {
            if equals.is_empty() {
                return Err(wrong_type("key", type_oid, "one with an equality operator"));
            }
            Ok((sql_type, equals))
        })
        .collect()
}

fn check_both_sides(
    keys: &[KeyColumn],
    types: &[(pg_sys::Oid, pg_sys::Oid)],
) -> Result<(), Failure> {
    let from = keys
        .iter()
        .position(|key| key.role == "location")
        .unwrap_or(0);
    let (from, to) = (types[from], types[keys.len()]);
    if from == to {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
        "from_location and to_location must be of one type",
    )
    .detail(format!(
        "They are of types {} and {}.",
        expressions::type_name(from.0),
        expressions::type_name(to.0)
    ))
    .hint("Change the type of one of the columns."))
}

fn day_sql(expression: &str, type_oid: pg_sys::Oid, time_zone: &str) -> Result<String, Failure> {
    let zone = zone_sql(time_zone)?;
    // SAFETY: a catalog look-up by value.
    match unsafe { pg_sys::getBaseType(type_oid) } {
        pg_sys::DATEOID => Ok(format!("({expression}\n)::pg_catalog.date")),
        pg_sys::TIMESTAMPOID => Ok(format!("({expression}\n)::pg_catalog.date")),
        pg_sys::TIMESTAMPTZOID => Ok(format!(
            "(({expression}\n) AT TIME ZONE {zone})::pg_catalog.date"
        )),
        _ => Err(wrong_type(
            "moved_at",
            type_oid,
            "date, timestamp or timestamptz",
        )),
    }
}

/// A zone that PostgreSQL knows; UTC as an interval, which it converts many times faster.
fn zone_sql(time_zone: &str) -> Result<String, Failure> {
    Spi::connect(|client| {
        client
            .select(
                "SELECT pg_catalog.timezone($1, '2000-01-01 00:00:00+00'::timestamptz)",
                Some(1),
                &[time_zone.into()],
            )
            .map(|_| ())
    })?;
    if time_zone.eq_ignore_ascii_case("utc") {
        return Ok("INTERVAL '00:00'".into());
    }
    Ok(quote_literal(time_zone))
}

fn measure_sql(
    argument: &str,
    expression: &str,
    type_oid: pg_sys::Oid,
    sign: Option<&str>,
) -> Result<String, Failure> {
    // SAFETY: a catalog look-up by value.
    let base = unsafe { pg_sys::getBaseType(type_oid) };
    let measure = match base {
        pg_sys::INT2OID => format!("({expression}\n)::pg_catalog.int2"),
        pg_sys::INT4OID => format!("({expression}\n)::pg_catalog.int4"),
        pg_sys::INT8OID => format!("({expression}\n)::pg_catalog.int8"),
        pg_sys::NUMERICOID => format!("({expression}\n)::pg_catalog.numeric"),
        pg_sys::FLOAT4OID | pg_sys::FLOAT8OID => {
            ereport!(
                PgLogLevel::WARNING,
                PgSqlErrorCode::ERRCODE_WARNING,
                format!(
                    "{argument} is of type {}, which is not exact: each value is rounded to \
                     {FLOAT_DIGITS} digits after the point before it is summed",
                    expressions::type_name(type_oid)
                )
            );
            format!("pg_catalog.round(({expression}\n)::pg_catalog.numeric, {FLOAT_DIGITS})")
        }
        _ => return Err(wrong_type(argument, type_oid, "a number")),
    };
    Ok(match sign {
        // The smallest integer has no negative in its own type.
        Some(sign) => format!("({sign}) * ({measure})::pg_catalog.numeric"),
        None => measure,
    })
}

fn wrong_type(argument: &str, type_oid: pg_sys::Oid, wanted: &str) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
        format!("{argument} is of type {}", expressions::type_name(type_oid)),
    )
    .detail(format!("It must be {wanted}."))
    .hint("Pass another column, or an expression with a cast.")
}
