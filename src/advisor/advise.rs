//! `advise_indexes()`: from a workload to indexes, with their reasons.

use pgrx::datum::Interval;
use pgrx::prelude::*;
use pgrx::{JsonB, pg_sys};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::by_rule::{self, Ruled};
use super::candidates::{self, Candidate, Options};
use super::facts::TableFacts;
use super::index::{IndexDefinition, Method};
use super::period;
use super::progress::Progress;
use super::recipe::{self, Names};
use super::search::{self, Costs, Evaluator, Id, Limits};
use super::statement::Source;
use super::whatif::{HypoPg, PlanCost};
use super::workload::{self, Workload};
use super::world::World;
use crate::error::{Failure, OrRaise, required};

/// Characters of a statement in the details of advice.
const SHOWN: usize = 1_000;

type Search<'a> = Evaluator<World<'a, HypoPg>>;

/// A row of the result.
#[derive(Default)]
struct Row {
    create_ddl: String,
    rollback_ddl: String,
    relation: pg_sys::Oid,
    access_method: &'static str,
    size_bytes: Option<i64>,
    cost_before: Option<f64>,
    cost_after: Option<f64>,
    saving_percent: Option<f64>,
    write_cost: Option<f64>,
    validity: &'static str,
    costed: bool,
    reason: String,
    queries: Option<JsonB>,
}

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
    let progress = Progress::new(Some(request.time_limit));
    HypoPg::with(|whatif| {
        let Workload {
            statements, tables, ..
        } = workload::gather(request.workload, request.relations.as_deref())?;
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
        world.count_writes(&period::counted(tables.keys().copied(), recorded)?);
        let candidates = all_candidates(&mut world, &tables, only.as_ref(), request.max_columns);
        let limits = Limits {
            budget: request.budget,
            ..Limits::default()
        };
        let mut search = Evaluator::new(world);
        let chosen = search::choose(&mut search, &candidates.costed, &limits);
        let mut left = request
            .budget
            .map(|budget| budget.saturating_sub(search.bytes(&chosen.order)));
        tracing(&search);
        let mut names = Names::default();
        let mut rows = Vec::new();
        for id in &chosen.order {
            let row = costed_row(&mut search, *id, &chosen.order, &candidates.reasons)?;
            rows.extend(steps(
                search.costs.definition(*id),
                &tables,
                row,
                &mut names,
            )?);
        }
        let config = ascending(&chosen.order);
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

/// Tells, for those who look, how much of the search memory answered.
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
    max_columns: usize,
) -> Candidates {
    let options = Options {
        max_columns,
        partial: true,
    };
    let mut all = Candidates::default();
    for statement in 0..world.statements.len() {
        let found = candidates::candidates(&world.statements[statement].shape, tables, &options);
        for candidate in found {
            let relation = candidate.definition.relation.oid;
            if only.is_some_and(|only| !only.contains(&relation)) {
                continue;
            }
            if candidate.costable {
                let reason = candidate.reason.text.clone();
                if let Some(id) = world.consider(candidate.definition) {
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

fn costed_row(
    search: &mut Search,
    id: Id,
    chosen: &[Id],
    reasons: &BTreeMap<Id, String>,
) -> Result<Row, Failure> {
    let config = ascending(chosen);
    let rest: Vec<Id> = config
        .iter()
        .copied()
        .filter(|other| *other != id)
        .collect();
    let mut queries = Vec::new();
    let mut numbers = Vec::new();
    let (mut before, mut after) = (0.0, 0.0);
    let mut validity = Validity::default();
    for statement in search.costs.concerned(id).to_vec() {
        let today = search.costs.today[statement].clone();
        let with = search.costs.detail(statement, &config)?;
        let used = with
            .used
            .iter()
            .any(|oid| search.costs.id_of(*oid, &[id]).is_some());
        let loses = with.cost > today.cost * 1.001;
        if !used && !loses {
            continue;
        }
        let weight = search.costs.weight(statement);
        before += weight * today.cost;
        after += weight * with.cost;
        if used {
            validity.add(&today, &with);
            numbers.push(search.costs.statements[statement].number);
        }
        queries.push(serde_json::json!({
            "statement": search.costs.statements[statement].number,
            "query": shown(&search.costs.statements[statement].text),
            "cost_before": rounded(today.cost),
            "cost_after": rounded(with.cost),
            "weight": rounded(weight),
        }));
    }
    let definition = search.costs.definition(id);
    let size = search.costs.size(id);
    let reason = reasons.get(&id).cloned().unwrap_or_else(|| {
        let keys = definition.keys.len();
        match numbers.len() {
            1 => format!("the best {keys} keys that were found"),
            _ => "keys of several statements at once".into(),
        }
    });
    let mut words = vec![reason, used_by(&numbers)];
    words.extend(redundant(search.costs.tables, definition));
    if size.rough {
        words.push(format!(
            "the size of a {} index is a rough estimate",
            definition.method.name()
        ));
    }
    Ok(Row {
        relation: definition.relation.oid.into(),
        access_method: definition.method.name(),
        size_bytes: Some(size.bytes() as i64),
        cost_before: Some(before),
        cost_after: Some(after),
        saving_percent: Some(percent(before, after)),
        write_cost: Some(search.costs.write_cost(&config) - search.costs.write_cost(&rest)),
        validity: validity.name(),
        costed: true,
        reason: words.join("; "),
        queries: Some(JsonB(serde_json::Value::Array(queries))),
        ..Row::default()
    })
}

fn ruled_row(search: &Search, ruled: &Ruled) -> Row {
    let definition = &ruled.candidate.definition;
    let mut queries = Vec::new();
    let mut numbers = Vec::new();
    let mut parameters = false;
    for (statement, cost) in &ruled.statements {
        let of = &search.costs.statements[*statement];
        parameters |= of.is_parameterised();
        numbers.push(of.number);
        queries.push(serde_json::json!({
            "statement": of.number,
            "query": shown(&of.text),
            "cost_before": rounded(*cost),
            "cost_after": null,
            "weight": rounded(search.costs.weight(*statement)),
        }));
    }
    let mut words = vec![ruled.candidate.reason.text.clone()];
    if let Some(extension) = &ruled.candidate.reason.needs {
        words.push(format!("run CREATE EXTENSION {extension} first"));
    }
    words.push(format!(
        "advised by rule: hypopg cannot cost {} indexes; the size is a rough estimate",
        definition.method.name()
    ));
    words.push(used_by(&numbers));
    Row {
        relation: definition.relation.oid.into(),
        access_method: definition.method.name(),
        size_bytes: Some(ruled.bytes as i64),
        write_cost: Some(ruled.write_cost),
        validity: if parameters {
            "typical values"
        } else {
            "constants"
        },
        costed: false,
        reason: words.join("; "),
        queries: Some(JsonB(serde_json::Value::Array(queries))),
        ..Row::default()
    }
}

/// The row of an index, or one for each statement that building it takes; the first one carries
/// the figures.
fn steps(
    definition: &IndexDefinition,
    tables: &BTreeMap<u32, TableFacts>,
    mut row: Row,
    names: &mut Names,
) -> Result<Vec<Row>, Failure> {
    let Some(table) = tables.get(&definition.relation.oid) else {
        return Ok(Vec::new());
    };
    let mut rows = Vec::new();
    for step in recipe::steps(definition, table.kind, names)? {
        let part = Row {
            access_method: row.access_method,
            validity: row.validity,
            costed: row.costed,
            reason: "a step of building the index of the partitioned table".into(),
            ..Row::default()
        };
        let whole = std::mem::replace(&mut row, part);
        rows.push(Row {
            create_ddl: step.create_ddl,
            rollback_ddl: step.rollback_ddl,
            relation: step.relation.into(),
            ..whole
        });
    }
    Ok(rows)
}

/// For which ways of planning the advice holds.
#[derive(Default)]
struct Validity {
    generic: bool,
    typical: bool,
    constants: bool,
}

impl Validity {
    fn add(&mut self, today: &PlanCost, with: &PlanCost) {
        let gains = |today: Option<f64>, with: Option<f64>| match (today, with) {
            (Some(today), Some(with)) => with < today * 0.99,
            _ => false,
        };
        if today.generic.is_none() {
            self.constants = true;
        } else {
            self.generic |= gains(today.generic, with.generic);
            self.typical |= gains(today.values, with.values);
        }
    }

    fn name(&self) -> &'static str {
        match (self.generic, self.typical) {
            (true, true) => "both",
            (true, false) => "generic",
            (false, true) => "typical values",
            (false, false) if self.constants => "constants",
            (false, false) => "both",
        }
    }
}

fn percent(before: f64, after: f64) -> f64 {
    if before > 0.0 {
        100.0 * (1.0 - after / before)
    } else {
        0.0
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn shown(text: &str) -> String {
    let trimmed = text.trim();
    match trimmed.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &trimmed[..end]),
        None => trimmed.to_owned(),
    }
}

fn used_by(numbers: &[usize]) -> String {
    const NAMED: usize = 8;
    let list = numbers
        .iter()
        .take(NAMED)
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    match numbers.len() {
        1 => format!("for statement {list}"),
        count if count > NAMED => format!("for {count} statements, among them {list}"),
        _ => format!("for statements {list}"),
    }
}

/// Existing indexes that the new one makes superfluous.
fn redundant(tables: &BTreeMap<u32, TableFacts>, definition: &IndexDefinition) -> Option<String> {
    let table = tables.get(&definition.relation.oid)?;
    let names: Vec<&str> = table
        .indexes
        .iter()
        .filter(|index| {
            index.valid
                && !index.unique
                && !index.constraint
                && definition.method == Method::Btree
                && index.definition.is_prefix_of(definition)
        })
        .map(|index| index.name.as_str())
        .collect();
    (!names.is_empty()).then(|| format!("makes {} redundant", names.join(", ")))
}
