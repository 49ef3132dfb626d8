//! What indexes make writing more expensive, in the planner's cost units.

use std::collections::BTreeSet;

use super::index::{IndexDefinition, KeyExpression, Method};

/// The planner's cpu_operator_cost and cpu_index_tuple_cost, as they are by default.
const OPERATOR: f64 = 0.0025;
const INDEX_TUPLE: f64 = 0.005;
/// Descending a page of a B-tree, in operators.
const PAGE_OPERATORS: f64 = 50.0;
/// Reading a page at random, when it is not in memory, and how often it is not.
const RANDOM_PAGE: f64 = 4.0;
const MISSES: f64 = 0.2;
/// Logging an entry.
const LOGGING: f64 = 0.1;
/// An entry that dies costs this share of one that is made, when vacuum takes it away.
const VACUUM: f64 = 0.25;
/// Entries that an inverted index makes of one value.
const INVERTED_ENTRIES: f64 = 12.0;

/// Rows of a table that an UPDATE statement of the workload changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    pub columns: Vec<String>,
    pub rows: f64,
}

/// What is written to a table in the period of the workload, in rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableWrites {
    /// Rows that it has.
    pub rows: f64,
    pub inserted: f64,
    pub deleted: f64,
    /// Updates whose columns are known.
    pub updates: Vec<Update>,
    /// Other updates.
    pub updated: f64,
    /// Of all updates, the share that is heap-only today.
    pub heap_only: f64,
    /// Indexes that it has.
    pub indexes: f64,
    /// Columns, predicates among them, of those indexes.
    pub indexed: BTreeSet<String>,
}

/// Making one entry of an index over `rows` rows, of the table's rows the share that it has.
pub fn entry_cost(method: Method, rows: f64) -> f64 {
    let levels = (rows.max(2.0).log2() / 8.0).ceil();
    let descent = (rows.max(2.0).log2() + PAGE_OPERATORS * levels) * OPERATOR;
    let btree = descent + INDEX_TUPLE + RANDOM_PAGE * MISSES + LOGGING;
    match method {
        Method::Btree => btree,
        Method::Hash => INDEX_TUPLE + RANDOM_PAGE * MISSES + LOGGING,
        Method::Gist => 2.0 * btree,
        Method::Gin => INVERTED_ENTRIES * 0.25 * btree,
        // A summary changes rarely.
        Method::Brin => 0.05 * btree,
    }
}

/// An index as far as writing it matters.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub method: Method,
    /// Share of the table's rows that it has.
    pub share: f64,
    /// Columns that a heap-only update must leave alone.
    pub columns: BTreeSet<String>,
}

impl Written {
    pub fn new(
        definition: &IndexDefinition,
        share: f64,
        table_columns: impl Iterator<Item = String>,
    ) -> Self {
        Self {
            method: definition.method,
            share,
            columns: columns_of(definition, table_columns),
        }
    }
}

/// Every column that the index depends on, those in its expressions and its predicate too.
pub fn columns_of(
    definition: &IndexDefinition,
    table_columns: impl Iterator<Item = String>,
) -> BTreeSet<String> {
    let mut columns: BTreeSet<String> = definition.columns().map(str::to_owned).collect();
    let expressions: Vec<&String> = definition
        .keys
        .iter()
        .filter_map(|key| match &key.expression {
            KeyExpression::Expression(sql) => Some(sql),
            KeyExpression::Column(_) => None,
        })
        .chain(&definition.predicate)
        .collect();
    if !expressions.is_empty() {
        columns.extend(
            table_columns.filter(|column| expressions.iter().any(|sql| mentions(sql, column))),
        );
    }
    columns
}

/// Whether the word stands in deparsed SQL. A literal may say it too, which does no harm.
fn mentions(sql: &str, column: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    sql.match_indices(column).any(|(place, _)| {
        !sql[..place].chars().next_back().is_some_and(is_word)
            && !sql[place + column.len()..]
                .chars()
                .next()
                .is_some_and(is_word)
    })
}

/// What these indexes of one table cost its writers.
pub fn cost(table: &TableWrites, indexes: &[&Written]) -> f64 {
    if indexes.is_empty() {
        return 0.0;
    }
    let entry = |index: &Written| index.share * entry_cost(index.method, table.rows * index.share);
    let entries: f64 = indexes.iter().map(|index| entry(index)).sum();
    let before = table.indexes * entry_cost(Method::Btree, table.rows);
    let mut cost = entries * (table.inserted + VACUUM * table.deleted);
    // A block-range index alone does stand in the way of heap-only updates, too.
    let blocks = |column: &String| indexes.iter().any(|index| index.columns.contains(column));
    for update in &table.updates {
        let was_indexed = update
            .columns
            .iter()
            .any(|column| table.indexed.contains(column));
        let heap_only = if was_indexed { 0.0 } else { table.heap_only };
        let lost = if update.columns.iter().any(blocks) {
            heap_only
        } else {
            0.0
        };
        // An update that is not heap-only makes an entry in every index, and lets one die.
        let made = (1.0 - heap_only) * entries + lost * (entries + before);
        cost += update.rows * made * (1.0 + VACUUM);
    }
    cost + table.updated * (1.0 - table.heap_only) * entries * (1.0 + VACUUM)
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::advisor::index::{IndexKey, Relation};

    fn written(columns: &[&str]) -> Written {
        Written {
            method: Method::Btree,
            share: 1.0,
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        }
    }

    fn table() -> TableWrites {
        TableWrites {
            rows: 1e6,
            indexes: 1.0,
            indexed: ["id".to_owned()].into(),
            heap_only: 1.0,
            ..TableWrites::default()
        }
    }

    #[test]
    fn a_table_that_is_not_written_costs_nothing() {
        assert_eq!(cost(&table(), &[&written(&["a"])]), 0.0);
    }

    #[test]
    fn each_insert_pays_for_each_index() {
        let mut table = table();
        table.inserted = 1000.0;
        let one = cost(&table, &[&written(&["a"])]);
        assert!((1000.0..3000.0).contains(&one), "{one}");
        assert_eq!(
            cost(&table, &[&written(&["a"]), &written(&["b"])]),
            2.0 * one
        );
        let partial = Written {
            share: 0.01,
            ..written(&["a"])
        };
        assert!(cost(&table, &[&partial]) < 0.02 * one);
    }

    #[test]
    fn a_heap_only_update_is_lost_when_its_column_is_indexed() {
        let mut table = table();
        table.updates = vec![Update {
            columns: vec!["quantity".into()],
            rows: 1000.0,
        }];
        assert_eq!(cost(&table, &[&written(&["a"])]), 0.0);
        let lost = cost(&table, &[&written(&["quantity"])]);
        // the entry itself, and one of the index that was there
        assert!(lost > 2.0 * 1000.0 * entry_cost(Method::Btree, 1e6));
        // lost already: only the new entries
        table.indexed.insert("quantity".into());
        assert!(cost(&table, &[&written(&["quantity"])]) < lost);
    }

    #[test]
    fn methods_differ() {
        let cost = |method| entry_cost(method, 1e6);
        assert!(cost(Method::Brin) < cost(Method::Hash));
        assert!(cost(Method::Btree) < cost(Method::Gin));
    }

    #[test]
    fn columns_inside_expressions_and_predicates_count() {
        let mut index = IndexDefinition::btree(
            Relation {
                oid: 1,
                schema: "s".into(),
                name: "t".into(),
            },
            vec![IndexKey::expression("lower(name)")],
        );
        index.include = vec!["id".into()];
        index.predicate = Some("(deleted_at IS NULL)".into());
        let table = ["id", "name", "names", "deleted", "deleted_at"];
        assert_eq!(
            columns_of(&index, table.iter().map(|c| (*c).to_owned())),
            ["deleted_at", "id", "name"].map(str::to_owned).into()
        );
    }
}
