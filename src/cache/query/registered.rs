//! Queries that are registered by name, to be computed before anybody asks.

use pgrx::AnyElement;
use pgrx::datum::Interval;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::time::Instant;

use super::request::Request;
use super::{parameters, statements, warm};
use crate::cache::text;
use crate::error::{Failure, OrRaise, required};
use crate::executor::raw_function;
use crate::ledger::registry::change_quietly;
use crate::security;
use crate::snapshots::untyped::argument;
use crate::whole_errors::whole;

raw_function!(
    /// `register_cached_query(name, query, params, ttl, tags)`
    pg_finfo_inventory_perf_register_cached_query,
    inventory_perf_register_cached_query,
    register
);

unsafe fn register(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the arguments are declared with these types.
    let (name, ttl, request) = unsafe {
        (
            text::argument(argument(call, 0, "name")?, "name")?,
            argument::<Interval>(call, 3, "ttl")?,
            Request::of_call(call, 1)?,
        )
    };
    if name.is_empty() {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "name is empty",
        )
        .hint("Pass a name for cache_warm()."));
    }
    let prepared = statements::prepare(&request.query)?;
    parameters::convert(&request.params, prepared.statement.parameter_types())?;
    may_change(&name)?;
    change_quietly(
        "INSERT INTO inventory_perf.cached_queries (name, query, params, ttl, tags, owner) \
         VALUES ($1, $2, $3::jsonb, $4, $5, $6) \
         ON CONFLICT (name) DO UPDATE SET (query, params, ttl, tags, owner) = \
             (excluded.query, excluded.params, excluded.ttl, excluded.tags, excluded.owner)",
        &[
            name.as_str().into(),
            request.query.as_str().into(),
            request.params.as_str().into(),
            ttl.into(),
            request.tags.into(),
            role_name().into(),
        ],
    )
}

#[pg_extern(sql = false)]
fn unregister_cached_query(name: Option<AnyElement>) -> bool {
    whole(|| unregister(name).or_raise())
}

fn unregister(name: Option<AnyElement>) -> Result<bool, Failure> {
    let name = required(name, "name")?;
    // SAFETY: the function is declared with a text.
    let name = unsafe { text::argument(name.datum(), "name")? };
    if !may_change(&name)? {
        return Ok(false);
    }
    change_quietly(
        "DELETE FROM inventory_perf.cached_queries WHERE name = $1",
        &[name.as_str().into()],
    )?;
    Ok(true)
}

/// Whether the name is registered; an error if it is another role's.
fn may_change(name: &str) -> Result<bool, Failure> {
    let mut found = false;
    for registered in read(Some(name))? {
        found = true;
        if !registered.is_callers() {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("cached query \"{name}\" was registered by another role"),
            )
            .hint("Use another name, or ask that role or a superuser."));
        }
    }
    Ok(found)
}

struct Registered {
    name: String,
    query: String,
    params: String,
    ttl: Interval,
    tags: Vec<Option<String>>,
    owner: String,
}

impl Registered {
    fn is_callers(&self) -> bool {
        // SAFETY: reads backend state.
        self.owner == role_name() || unsafe { pg_sys::superuser() }
    }
}

fn role_name() -> String {
    // SAFETY: the current role exists; the name is a C string.
    unsafe {
        let name = pg_sys::GetUserNameFromId(security::current_user(), false);
        std::ffi::CStr::from_ptr(name)
            .to_string_lossy()
            .into_owned()
    }
}

fn read(name: Option<&str>) -> Result<Vec<Registered>, Failure> {
    let owner = security::extension_owner()?;
    security::run_as(owner, || {
        Spi::connect(|client| {
            let mut registered = Vec::new();
            for row in client.select(
                "SELECT name, query, params::text, ttl, tags, owner \
                 FROM inventory_perf.cached_queries \
                 WHERE $1 IS NULL OR name = $1 ORDER BY name",
                None,
                &[name.into()],
            )? {
                let text = |column| {
                    Ok::<_, pgrx::spi::Error>(row.get::<String>(column)?.unwrap_or_default())
                };
                registered.push(Registered {
                    name: text(1)?,
                    query: text(2)?,
                    params: text(3)?,
                    ttl: row
                        .get::<Interval>(4)?
                        .unwrap_or_else(|| Interval::from_days(1)),
                    tags: row.get::<Vec<Option<String>>>(5)?.unwrap_or_default(),
                    owner: text(6)?,
                });
            }
            Ok(registered)
        })
    })
}

/// Name, rows, bytes, stored, duration.
type Warmed = (String, i64, i64, bool, Interval);

#[pg_extern(sql = false)]
fn cache_warm(
    name: Option<AnyElement>,
) -> TableIterator<
    'static,
    (
        name!(name, String),
        name!(rows, i64),
        name!(bytes, i64),
        name!(stored, bool),
        name!(duration, Interval),
    ),
> {
    whole(|| {
        let warm = || {
            // SAFETY: the function is declared with a text.
            let name = name.map(|name| unsafe { text::argument(name.datum(), "name") });
            warm_all(name.transpose()?.as_deref())
        };
        TableIterator::new(warm().or_raise())
    })
}

fn warm_all(name: Option<&str>) -> Result<Vec<Warmed>, Failure> {
    if let Some(name) = name
        && !may_change(name)?
    {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("no cached query is registered as \"{name}\""),
        )
        .hint("Register it with inventory_perf.register_cached_query()."));
    }
    let mut warmed = Vec::new();
    for registered in read(name)? {
        // Without a name, the caller's own: a superuser's results would serve nobody else.
        if name.is_none() && registered.owner != role_name() {
            continue;
        }
        let begin = Instant::now();
        let request = Request::new(
            registered.query,
            registered.params,
            registered.ttl,
            registered.tags,
        )?;
        let outcome = warm(&request)
            .map_err(|failure| failure.about(format!("cached query \"{}\"", registered.name)))?;
        let duration = Interval::from_micros(begin.elapsed().as_micros() as i64);
        warmed.push((
            registered.name,
            outcome.rows as i64,
            outcome.bytes as i64,
            outcome.is_stored,
            duration,
        ));
    }
    Ok(warmed)
}
