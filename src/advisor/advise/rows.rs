//! The rows of `advise_indexes()`: figures, reasons and statements of the indexes that were chosen.

use pgrx::{JsonB, pg_sys};
use std::collections::BTreeMap;

use super::Search;
use crate::advisor::by_rule::Ruled;
use crate::advisor::facts::TableFacts;
use crate::advisor::index::{IndexDefinition, Method};
use crate::advisor::recipe::{self, Names};
use crate::advisor::search::{Costs, Id};
use crate::advisor::whatif::PlanCost;
use crate::advisor::workload::COUNTED;
use crate::error::Failure;
use crate::sql::qualified;

/// Characters of a statement in the details of advice.
const SHOWN: usize = 1_000;

/// A row of the result.
#[derive(Default)]
pub struct Row {
    pub create_ddl: String,
    pub rollback_ddl: String,
    pub relation: pg_sys::Oid,
    pub access_method: &'static str,
    pub size_bytes: Option<i64>,
    pub cost_before: Option<f64>,
    pub cost_after: Option<f64>,
    pub saving_percent: Option<f64>,
    pub write_cost: Option<f64>,
    pub validity: &'static str,
    pub costed: bool,
    pub reason: String,
    pub queries: Option<JsonB>,
}

/// What each statement that an index could matter to costs with all of them.
pub fn final_plans(
    search: &mut Search,
    config: &[Id],
) -> Result<BTreeMap<usize, PlanCost>, Failure> {
    let mut plans = BTreeMap::new();
    for statement in search.concerned(config) {
        let relevant: Vec<Id> = config
            .iter()
            .copied()
            .filter(|id| search.costs.relevant(statement, *id))
            .collect();
        plans.insert(statement, search.costs.detail(statement, &relevant)?);
    }
    Ok(plans)
}

pub fn costed_row(
    search: &Search,
    id: Id,
    config: &[Id],
    plans: &BTreeMap<usize, PlanCost>,
    reasons: &BTreeMap<Id, String>,
) -> Row {
    let rest: Vec<Id> = config
        .iter()
        .copied()
        .filter(|other| *other != id)
        .collect();
    let mut queries = Vec::new();
    let mut numbers = Vec::new();
    let (mut before, mut after) = (0.0, 0.0);
    let mut validity = Validity::default();
    for statement in search.costs.concerned(id).iter().copied() {
        let today = &search.costs.today[statement];
        let Some(with) = plans.get(&statement) else {
            continue;
        };
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
            validity.add(today, with);
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
    words.extend(invalid(search.costs.tables, definition));
    if size.rough {
        words.push(format!(
            "the size of a {} index is a rough estimate",
            definition.method.name()
        ));
    }
    Row {
        relation: definition.relation.oid.into(),
        access_method: definition.method.name(),
        size_bytes: Some(size.bytes() as i64),
        cost_before: Some(before),
        cost_after: Some(after),
        saving_percent: Some(percent(before, after)),
        write_cost: Some(search.costs.write_cost(config) - search.costs.write_cost(&rest)),
        validity: validity.name(),
        costed: true,
        reason: words.join("; "),
        queries: Some(JsonB(serde_json::Value::Array(queries))),
        ..Row::default()
    }
}

pub fn ruled_row(search: &Search, ruled: &Ruled) -> Row {
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
pub fn steps(
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
    let (counted, numbers): (Vec<usize>, Vec<usize>) = numbers
        .iter()
        .copied()
        .partition(|number| *number == COUNTED);
    if numbers.is_empty() && !counted.is_empty() {
        return "for foreign keys, as rows that they refer to were deleted".into();
    }
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

/// Existing indexes that would do as well, had their build not failed.
fn invalid(tables: &BTreeMap<u32, TableFacts>, definition: &IndexDefinition) -> Option<String> {
    let table = tables.get(&definition.relation.oid)?;
    let names: Vec<String> = table
        .indexes
        .iter()
        .filter(|index| !index.valid && definition.is_prefix_of(&index.definition))
        .map(|index| qualified(&definition.relation.schema, &index.name))
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "{} would do, but its build failed: drop it",
            names.join(", ")
        )
    })
}
