//! Which part of the rows an index could be over: constant conditions that many executions share.

use std::collections::BTreeSet;

use super::super::analysis::shape::{Condition, Key, TableUse, Test, Value};
use super::super::facts::{ColumnFacts, TableFacts};
use super::super::index::{IndexKey, KeyExpression};
use super::joined;

/// An index over more than this share of the rows saves too little.
const WORTH: f64 = 0.7;

/// One with no other purpose than to list its rows pays when they are few: PostgreSQL takes them to
/// stand together on disk when they are listed in the order of a column that does.
const WORTH_LISTING: f64 = 0.1;

/// Distinct values up to which a constant is a state of the row rather than its identity.
const STATES: f64 = 30.0;

const BOOLEAN: u32 = 16;

/// A part of the rows.
pub struct Part {
    pub predicate: String,
    pub selectivity: f64,
    /// Keys that are the same in all of its rows.
    pub fixed: Vec<KeyExpression>,
    /// A key for when nothing else is asked of the rows.
    pub fallback: Option<IndexKey>,
}

/// All that holds together, then each by itself.
pub fn parts(
    conditions: &[&Condition],
    used: &TableUse,
    table: &TableFacts,
    values: &BTreeSet<(u32, KeyExpression)>,
) -> Vec<Part> {
    let is_value = |condition: &Condition| {
        condition.key.as_ref().is_some_and(|key| {
            matches!(condition.test, Test::Equal | Test::AnyOf)
                && values.contains(&(used.relation, key.expression.clone()))
        })
    };
    let mut worth: Vec<&Condition> = Vec::new();
    for condition in conditions
        .iter()
        .filter(|c| is_state(c, table) && !is_value(c))
    {
        if !worth
            .iter()
            .any(|other| other.predicate == condition.predicate)
        {
            worth.push(condition);
        }
    }
    let mut parts = Vec::new();
    if worth.len() > 1 {
        parts.extend(part(&worth, used, table));
    }
    for condition in &worth {
        parts.extend(part(&[*condition], used, table));
    }
    parts
}

fn part(conditions: &[&Condition], used: &TableUse, table: &TableFacts) -> Option<Part> {
    let selectivity: f64 = conditions.iter().map(|c| c.selectivity).product();
    if selectivity > WORTH {
        return None;
    }
    let mut clauses: Vec<String> = conditions
        .iter()
        .filter_map(|condition| condition.predicate.clone())
        .collect();
    let predicate = joined(&mut clauses)?;
    let fixed: Vec<KeyExpression> = conditions
        .iter()
        .filter(|condition| matches!(condition.test, Test::Equal | Test::IsNull))
        .filter_map(|condition| Some(condition.key.as_ref()?.expression.clone()))
        .collect();
    let varies = |name: &str| {
        !fixed
            .iter()
            .any(|key| matches!(key, KeyExpression::Column(fixed) if fixed == name))
    };
    let named = |column: &&ColumnFacts| varies(&column.name) && names(&predicate, &column.name);
    let read = |column: &&ColumnFacts| varies(&column.name) && used.columns.contains(&column.name);
    let columns = || table.columns.iter();
    // How two columns of a row compare is not in the statistics: the planner takes a third.
    let guessed = conditions.iter().any(|condition| condition.key.is_none());
    let fallback = (guessed || selectivity <= WORTH_LISTING)
        .then(|| {
            columns()
                .find(named)
                .or_else(|| columns().find(read))
                .map(|column| IndexKey::column(&column.name))
                .or_else(|| {
                    conditions
                        .iter()
                        .find_map(|condition| condition.key.as_ref().map(Key::in_index))
                })
        })
        .flatten();
    Some(Part {
        predicate,
        selectivity,
        fixed,
        fallback,
    })
}

/// Whether the condition is about the state of a row, not about one value among many.
fn is_state(condition: &Condition, table: &TableFacts) -> bool {
    let Some(predicate) = &condition.predicate else {
        return false;
    };
    let Some(key) = &condition.key else {
        // Two columns of the same row: quantity <= reorder_level.
        return condition.test == Test::Other && !predicate.contains('\'');
    };
    if condition.value != Value::Constant {
        return false;
    }
    match condition.test {
        Test::IsNull | Test::IsNotNull => true,
        Test::Equal if key.type_oid == BOOLEAN => true,
        Test::Equal | Test::AnyOf | Test::NotEqual => match key.columns.as_slice() {
            [column] => table
                .column(column)
                .and_then(|column| column.distinct)
                .is_some_and(|distinct| distinct <= STATES),
            _ => false,
        },
        Test::Below | Test::Above => compares_with_zero(predicate),
        _ => false,
    }
}

/// As PostgreSQL deparses it.
fn compares_with_zero(predicate: &str) -> bool {
    predicate.ends_with(" 0)") || predicate.contains(" '0'::")
}

/// Whether the predicate names the column.
fn names(predicate: &str, column: &str) -> bool {
    predicate
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| word == column)
}
