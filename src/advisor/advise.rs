//! `advise_indexes()`: from a workload to indexes, with their reasons.

mod rows;

use pgrx::datum::Interval;
use pgrx::prelude::*;
use pgrx::{JsonB, pg_sys};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::rows::{Row, costed_row, final_plans, ruled_row, steps};
use super::by_rule;
use super::candidates::{self, Candidate, Options};
use super::facts::{self, TableFacts};
use super::period;
use super::progress::Progress;
use super::recipe::Names;
use super::search::{self, Costs, Evaluator, Id, Limits, Phase};
use super::statement::Source;
use super::whatif::HypoPg;
use super::workload::{self, Workload};
use super::world::World;
use crate::error::{Failure, OrRaise, required};
use crate::whole_errors::whole;

type Search<'a> = Evaluator<World<'a, HypoPg>>;

/// What a caller asks for, checked.
struct Request {
    workload: Option<Vec<Option<String>>>,
    budget: Option<u64>,
    relations: Option<Vec<pg_sys::Oid>>,
    max_columns: usize,
    time_limit: Duration,
}

// pgrx reads the columns off the signature, so that no alias can stand for them.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn advise_indexes(
    workload: Option<Vec<Option<String>>>,
    storage_budget: Option<i64>,
    relations: Option<Vec<Option<pg_sys::Oid>>>,
    max_columns: Option<i32>,
    time_limit: Option<Interval>,
) -> TableIterator<
    'static,
    (
        name!(rank, i32),
        name!(create_ddl, String),
        name!(rollback_ddl, String),
        name!(relation, pg_sys::Oid),
        name!(access_method, &'static str),
        name!(size_bytes, Option<i64>),
        name!(cost_before, Option<f64>),
        name!(cost_after, Option<f64>),
        name!(saving_percent, Option<f64>),
        name!(write_cost, Option<f64>),
        name!(validity, &'static str),
        name!(costed, bool),
        name!(reason, String),
        name!(queries, Option<JsonB>),
    ),
> {
    whole(|| {
        let rows = check(workload, storage_budget, relations, max_columns, time_limit)
            .and_then(advise)
            .or_raise();
        TableIterator::new((1..).zip(rows).map(|(rank, row)| {
            (
                rank,
                row.create_ddl,
                row.rollback_ddl,
                row.relation,
                row.access_method,
                row.size_bytes,
                row.cost_before,
                row.cost_after,
                row.saving_percent,
                row.write_cost,
                row.validity,
                row.costed,
                row.reason,
                row.queries,
            )
        }))
    })
}

fn invalid(message: String, hint: &str) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message).hint(hint)
}

fn check(
    workload: Option<Vec<Option<String>>>,
    storage_budget: Option<i64>,
    relations: Option<Vec<Option<pg_sys::Oid>>>,
    max_columns: Option<i32>,
    time_limit: Option<Interval>,
) -> Result<Request, Failure> {
    let budget = storage_budget
        .map(|bytes| {
            u64::try_from(bytes).map_err(|_| {
                invalid(
                    format!("storage_budget is negative: {bytes}"),
                    "Pass bytes, 0 or more, or NULL for no limit.",
                )
            })
        })
        .transpose()?;
    let max_columns = required(max_columns, "max_columns")?;
    if !(1..=32).contains(&max_columns) {
        return Err(invalid(
            format!("max_columns is {max_columns}"),
            "An index has 1 to 32 key columns.",
        ));
    }
    let time_limit = required(time_limit, "time_limit")?;
    let microseconds = time_limit.as_micros();
    if microseconds <= 0 {
        return Err(invalid(
            "time_limit is not positive".into(),
            "Pass the time that the search may take, such as '60 s'.",
        ));
    }
    Ok(Request {
        workload,
        budget,
        relations: relations.map(|oids| oids.into_iter().flatten().collect()),
        max_columns: max_columns as usize,
        time_limit: Duration::from_micros(u64::try_from(microseconds).unwrap_or(u64::MAX)),
    })
}

fn advise(request: Request) -> Result<Vec<Row>, Failure> {
    let mut progress = Progress::new(Some(request.time_limit));
    HypoPg::with(|whatif| {
        let Workload {
            statements,
            mut tables,
            ..
        } = workload::gather(
            request.workload,
            request.relations.as_deref(),
            &mut progress,
        )?;
        facts::learn_from_joins(&mut tables, statements.iter().map(|s| &s.shape));
        let recorded = statements
            .iter()
            .any(|statement| statement.source == Source::Statistics);
        let only: Option<BTreeSet<u32>> = request
            .relations
            .map(|oids| oids.into_iter().map(pg_sys::Oid::to_u32).collect());
        let mut world = World::new(
            whatif,
            statements,
            &tables,
            only.clone(),
            request.max_columns,
            progress,
        );
        world.enter(Phase::Candidates);
        world.count_writes(&period::counted(tables.keys().copied(), recorded)?);
        // Bytes count under a budget; without one, keys say what is searched by.
        world.covering_keys = request.budget.is_some();
        let options = Options {
            max_columns: request.max_columns,
            partial: true,
            covering_keys: world.covering_keys,
            values: candidates::values(world.statements.iter().map(|s| &s.shape)),
        };
        let candidates = all_candidates(&mut world, &tables, only.as_ref(), &options);
        let limits = Limits {
            budget: request.budget,
            ..Limits::default()
        };
        let mut search = Evaluator::new(world);
        let chosen = search::choose(&mut search, &candidates.costed, &limits);
        let mut left = request
            .budget
            .map(|budget| budget.saturating_sub(search.bytes(&chosen.order)));
        let config = ascending(&chosen.order);
        let plans = final_plans(&mut search, &config)?;
        tracing(&search);
        let mut names = Names::default();
        let mut rows = Vec::new();
        for id in &chosen.order {
            let row = costed_row(&search, *id, &config, &plans, &candidates.reasons);
            rows.extend(steps(
                search.costs.definition(*id),
                &tables,
                row,
                &mut names,
            )?);
        }
        for ruled in by_rule::choose(&mut search, &config, &candidates.ruled, &mut left) {
            let row = ruled_row(&search, &ruled);
            rows.extend(steps(
                &ruled.candidate.definition,
                &tables,
                row,
                &mut names,
            )?);
        }
        Ok(rows)
    })?
}

/// Tells, for those who look, how much of the search memory answered, and where time went.
fn tracing(search: &Search) {
    let counts = search.counts;
    ereport!(
        PgLogLevel::DEBUG1,
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        format!(
            "what-if costs: {} asked, {} planned, {:.1} % from the cache",
            counts.asked,
            counts.asked - counts.answered,
            counts.hit_percent()
        )
    );
    ereport!(
        PgLogLevel::DEBUG1,
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        format!("time of the search: {}", search.costs.phases())
    );
}

#[derive(Default)]
struct Candidates {
    costed: Vec<Id>,
    reasons: BTreeMap<Id, String>,
    /// With the statements that want them.
    ruled: Vec<(Candidate, Vec<usize>)>,
}

fn all_candidates(
    world: &mut World<HypoPg>,
    tables: &BTreeMap<u32, TableFacts>,
    only: Option<&BTreeSet<u32>>,
    options: &Options,
) -> Candidates {
    let mut all = Candidates::default();
    for statement in 0..world.statements.len() {
        let found = candidates::candidates(&world.statements[statement].shape, tables, options);
        for candidate in found {
            let relation = candidate.definition.relation.oid;
            if only.is_some_and(|only| !only.contains(&relation)) {
                continue;
            }
            if candidate.costable {
                let reason = candidate.reason.text.clone();
                let role = world.statements[statement].role;
                if let Some(id) = world.consider(candidate.definition, role) {
                    if !all.costed.contains(&id) {
                        all.costed.push(id);
                    }
                    all.reasons.entry(id).or_insert(reason);
                }
            } else if let Some((_, wanted)) = all
                .ruled
                .iter_mut()
                .find(|(other, _)| other.definition == candidate.definition)
            {
                wanted.push(statement);
            } else {
                all.ruled.push((candidate, vec![statement]));
            }
        }
        if world.expired() {
            break;
        }
    }
    all
}

pub fn ascending(ids: &[Id]) -> Vec<Id> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}
