//! Which indexes could help a statement. The planner decides later whether they do.

mod btree;
mod rows;
mod special;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::analysis::shape::{Condition, Key, QueryShape, TableUse, Test};
use super::facts::TableFacts;
use super::index::{IndexDefinition, KeyExpression};

/// What a caller allows.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keys of one index at most.
    pub max_columns: usize,
    /// Indexes over a part of the rows.
    pub partial: bool,
    /// Columns that an index only carries may be keys, too: equal keys are merged, so that it can be
    /// much smaller.
    pub covering_keys: bool,
    /// Keys of tables, by their OID, that the workload compares with many constants.
    pub values: BTreeSet<(u32, KeyExpression)>,
}

/// A key that the workload compares with more constants tells values apart, not states.
const STATES_ASKED: usize = 3;

/// The keys that statements compare with so many different constants that an index over the rows
/// of one of them would serve the next statement of the kind no more.
pub fn values<'a>(shapes: impl Iterator<Item = &'a QueryShape>) -> BTreeSet<(u32, KeyExpression)> {
    let mut asked: BTreeMap<(u32, &KeyExpression), BTreeSet<&str>> = BTreeMap::new();
    for used in shapes.flat_map(|shape| &shape.uses) {
        for condition in used.every_condition() {
            if let (Some(key), Some(predicate)) = (&condition.key, &condition.predicate)
                && matches!(condition.test, Test::Equal | Test::AnyOf)
            {
                asked
                    .entry((used.relation, &key.expression))
                    .or_default()
                    .insert(predicate);
            }
        }
    }
    asked
        .into_iter()
        .filter(|(_, predicates)| predicates.len() > STATES_ASKED)
        .map(|((relation, key), _)| (relation, key.clone()))
        .collect()
}

#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub definition: IndexDefinition,
    /// What-if planning knows this access method. Otherwise it is advised by rule.
    pub costable: bool,
    pub reason: Reason,
}

/// Why an index could help, in the words of advice.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    pub text: String,
    /// An extension to install before.
    pub needs: Option<String>,
    /// Share of the table's rows that the conditions it answers leave; for advice by rule.
    pub selectivity: f64,
}

/// Candidates of one use of a table at most; the first ones are the most promising.
const OF_ONE_USE: usize = 80;

/// The indexes that could help the statement and that its tables do not have yet, each once.
pub fn candidates(
    shape: &QueryShape,
    tables: &BTreeMap<u32, TableFacts>,
    options: &Options,
) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    for used in &shape.uses {
        let Some(table) = tables.get(&used.relation) else {
            continue;
        };
        let mut found = Found::default();
        for conditions in situations(used) {
            btree::add(&conditions, used, table, options, &mut found);
            special::add(&conditions, table, options, &mut found);
        }
        special::add_whole_use(used, table, options, &mut found);
        found.candidates.truncate(OF_ONE_USE);
        for candidate in found.candidates {
            let known = all
                .iter()
                .any(|other| other.definition == candidate.definition);
            if !known && !table.has(&candidate.definition) {
                all.push(candidate);
            }
        }
    }
    all
}

/// What must hold together: the conditions for every row, then those with one arm of an OR each.
fn situations(used: &TableUse) -> Vec<Vec<&Condition>> {
    let base: Vec<&Condition> = used.conditions.iter().collect();
    let arms = used
        .alternatives
        .iter()
        .flatten()
        .map(|arm| base.iter().copied().chain(arm).collect());
    std::iter::once(base.clone()).chain(arms).collect()
}

/// Candidates in the order found, each once.
#[derive(Default)]
struct Found {
    candidates: Vec<Candidate>,
}

impl Found {
    fn add(&mut self, definition: IndexDefinition, costable: bool, reason: Reason) {
        let definition = definition.normalised();
        let known = self
            .candidates
            .iter()
            .any(|other| other.definition == definition);
        if !known && !definition.keys.is_empty() {
            self.candidates.push(Candidate {
                definition,
                costable,
                reason,
            });
        }
    }
}

/// A key as advice names it.
fn words(key: &Key) -> &str {
    match &key.expression {
        KeyExpression::Column(name) => name,
        KeyExpression::Expression(sql) => sql,
    }
}

/// Clauses as one predicate, in one order whatever order they came in.
pub fn joined(clauses: &mut Vec<String>) -> Option<String> {
    clauses.sort();
    clauses.dedup();
    match clauses.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("({})", several.join(" AND "))),
    }
}
