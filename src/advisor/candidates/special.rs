//! Candidates of other access methods: GIN for trigrams, full text, jsonb and arrays, GiST for
//! ranges, BRIN for what is stored in order.

use super::super::analysis::shape::{Condition, Key, TableUse, Test, Value};
use super::super::facts::TableFacts;
use super::super::index::{IndexDefinition, IndexKey, KeyExpression, Method};
use super::{Found, Options, Reason, words};

/// By rule, only for tables that are worth an index, and conditions that leave few rows.
const ROWS: f64 = 1_000.0;
const SELECTIVE: f64 = 0.1;

/// BRIN pays from about this size, when the order on disk follows the column this well.
const BRIN_PAGES: f64 = 1_000.0;
const CORRELATED: f64 = 0.9;

pub fn add(conditions: &[&Condition], table: &TableFacts, options: &Options, found: &mut Found) {
    if table.rows < ROWS {
        return;
    }
    let mut trigrams: Vec<&Condition> = Vec::new();
    for condition in conditions.iter().copied() {
        let Some(key) = &condition.key else {
            continue;
        };
        if condition.selectivity <= SELECTIVE {
            match &condition.test {
                Test::Trigram if !trigrams.iter().any(|other| other.key == condition.key) => {
                    trigrams.push(condition);
                }
                Test::Special { method, opclass } => {
                    let opclass = opclass
                        .clone()
                        .filter(|_| all_by_paths(key, conditions, opclass.as_deref()));
                    add_special(key, condition, *method, opclass, table, found);
                }
                _ => {}
            }
        }
        add_brin(key, condition, table, found);
    }
    for condition in &trigrams {
        add_trigrams(&[condition], table, found);
    }
    if trigrams.len() > 1 {
        trigrams.truncate(options.max_columns);
        add_trigrams(&trigrams, table, found);
    }
}

/// Words looked for in several columns at once: one index for all of them.
pub fn add_whole_use(used: &TableUse, table: &TableFacts, options: &Options, found: &mut Found) {
    if table.rows < ROWS {
        return;
    }
    for arms in &used.alternatives {
        let mut trigrams: Vec<&Condition> = Vec::new();
        for condition in arms.iter().flatten() {
            let new = !trigrams.iter().any(|other| other.key == condition.key);
            if condition.test == Test::Trigram && condition.key.is_some() && new {
                trigrams.push(condition);
            }
        }
        let selective = trigrams.iter().all(|c| c.selectivity <= SELECTIVE);
        if arms.len() > 1
            && trigrams.len() == arms.len()
            && trigrams.len() <= options.max_columns
            && selective
        {
            add_trigrams(&trigrams, table, found);
        }
    }
}

fn add_trigrams(conditions: &[&Condition], table: &TableFacts, found: &mut Found) {
    let keys: Vec<&Key> = conditions.iter().filter_map(|c| c.key.as_ref()).collect();
    let class = match &table.trigrams {
        Some(schema) => format!("{schema}.gin_trgm_ops"),
        None => "gin_trgm_ops".to_owned(),
    };
    let names: Vec<&str> = keys.iter().map(|key| words(key)).collect();
    let mut text = format!("words anywhere in {}: trigrams", names.join(", "));
    if table.trigrams.is_none() {
        text.push_str("; install pg_trgm before: CREATE EXTENSION pg_trgm");
    }
    let definition = IndexDefinition {
        method: Method::Gin,
        ..IndexDefinition::btree(
            table.relation.clone(),
            keys.iter().map(|key| with_class(key, &class)).collect(),
        )
    };
    let reason = Reason {
        text,
        needs: table.trigrams.is_none().then(|| "pg_trgm".to_owned()),
        selectivity: conditions.iter().map(|c| c.selectivity).product(),
    };
    found.add(definition, false, reason);
}

/// Trigrams do not depend on a collation.
fn with_class(key: &Key, class: &str) -> IndexKey {
    IndexKey {
        opclass: Some(class.to_owned()),
        collation: None,
        ..key.in_index()
    }
}

/// Whether the narrower operator class answers every condition on the key.
fn all_by_paths(key: &Key, conditions: &[&Condition], class: Option<&str>) -> bool {
    conditions
        .iter()
        .filter(|condition| condition.key.as_ref() == Some(key))
        .all(|condition| match &condition.test {
            Test::Special { opclass, .. } => opclass.as_deref() == class,
            _ => true,
        })
}

fn add_special(
    key: &Key,
    condition: &Condition,
    method: Method,
    opclass: Option<String>,
    table: &TableFacts,
    found: &mut Found,
) {
    let definition = IndexDefinition {
        method,
        ..IndexDefinition::btree(
            table.relation.clone(),
            vec![IndexKey {
                opclass,
                collation: None,
                ..key.in_index()
            }],
        )
    };
    let reason = Reason {
        text: format!("search inside {}", words(key)),
        needs: None,
        selectivity: condition.selectivity,
    };
    found.add(definition, false, reason);
}

fn add_brin(key: &Key, condition: &Condition, table: &TableFacts, found: &mut Found) {
    let ranged = matches!(condition.test, Test::Below | Test::Above)
        || condition.test == Test::Equal && condition.selectivity <= SELECTIVE;
    let known_at_the_start = !matches!(condition.value, Value::Join(_));
    let KeyExpression::Column(name) = &key.expression else {
        return;
    };
    let in_order = table
        .column(name)
        .and_then(|column| column.correlation)
        .is_some_and(|correlation| correlation.abs() >= CORRELATED);
    if !ranged
        || !known_at_the_start
        || !in_order
        || table.pages < BRIN_PAGES
        || key.collation.is_some()
    {
        return;
    }
    let definition = IndexDefinition {
        method: Method::Brin,
        ..IndexDefinition::btree(table.relation.clone(), vec![key.in_index()])
    };
    let reason = Reason {
        text: format!("range of {name}, which rows are stored in the order of"),
        needs: None,
        selectivity: condition.selectivity,
    };
    found.add(definition, true, reason);
}
