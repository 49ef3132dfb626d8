//! Cached queries: computed once, and given again for as long as that is exact.

mod dependencies;
mod execution;
mod functions;
mod key;
mod nodes;
mod parameters;
mod registered;
mod request;
mod rights;
mod rows;
mod statement;
mod statements;

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::{Failure, OrRaise};
use crate::executor::raw_function;
use dependencies::Dependencies;
use request::Request;
use rows::Rows;

raw_function!(
    /// `cached_query(query, params, ttl, tags)`
    pg_finfo_inventory_perf_cached_query,
    inventory_perf_cached_query,
    cached_query
);

unsafe fn cached_query(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the arguments are declared with these types, and the function as SETOF jsonb.
    let (request, mut rows) = unsafe { (Request::of_call(call, 0)?, Rows::of_call(call)?) };
    let prepared = statements::prepare(&request.query)?;
    let statement = &prepared.statement;
    let parameters = parameters::convert(&request.params, statement.parameter_types())?;
    let plan = statement.generic_plan();
    let dependencies = prepared.dependencies(&plan)?;
    rights::check(&plan, &dependencies)?;
    drop(plan);
    if is_hindered(&request, &dependencies) {
        tell_obstacle(&dependencies);
    }
    let _key = key::key(
        statement.text(),
        &parameters.identity,
        &request.tags,
        &dependencies,
    );
    execution::run(statement, parameters.list, |json| rows.add(json))
}

fn is_hindered(request: &Request, dependencies: &Dependencies) -> bool {
    dependencies
        .obstacle
        .as_ref()
        .is_some_and(|obstacle| request.tags.is_empty() || !obstacle.tags_help)
}

/// Once for each plan: whoever wrote the query can do something about it.
fn tell_obstacle(dependencies: &Dependencies) {
    if let Some(obstacle) = &dependencies.obstacle
        && !dependencies.told.replace(true)
        && let Some(hint) = &obstacle.hint
    {
        pg_sys::panic::ErrorReport::new(
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!("query is computed each time: {}", obstacle.what),
            "",
        )
        .set_hint(hint.clone())
        .report(PgLogLevel::NOTICE);
    }
}

/// What warming a query came to.
struct Outcome {
    rows: u64,
    bytes: u64,
    is_stored: bool,
}

fn warm(request: &Request) -> Result<Outcome, Failure> {
    let prepared = statements::prepare(&request.query)?;
    let statement = &prepared.statement;
    let parameters = parameters::convert(&request.params, statement.parameter_types())?;
    let mut outcome = Outcome {
        rows: 0,
        bytes: 0,
        is_stored: false,
    };
    execution::run(statement, parameters.list, |json| {
        outcome.rows += 1;
        outcome.bytes += json.count_bytes() as u64;
    })?;
    Ok(outcome)
}
