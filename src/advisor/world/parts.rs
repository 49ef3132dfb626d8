//! What indexes are made of.

use std::collections::BTreeSet;

use crate::advisor::analysis::shape::{Condition, Key, TableUse, Test};
use crate::advisor::index::{IndexDefinition, IndexKey, KeyExpression};

/// The keys that could make a B-tree wider for this use of a table.
pub fn keys_of(table_use: &TableUse) -> Vec<IndexKey> {
    let tested = table_use
        .every_condition()
        .filter(|condition| btree_answers(condition))
        .filter_map(|condition| condition.key.as_ref())
        .map(Key::in_index);
    let ordered = table_use.order.iter().map(|sort| IndexKey {
        descending: sort.descending,
        nulls_first: Some(sort.nulls_first),
        ..sort.key.in_index()
    });
    tested
        .chain(ordered)
        .chain(table_use.groups.iter().map(Key::in_index))
        .collect()
}

fn btree_answers(condition: &Condition) -> bool {
    matches!(
        condition.test,
        Test::Equal
            | Test::AnyOf
            | Test::IsNull
            | Test::Below
            | Test::Above
            | Test::Prefix {
                needs_pattern_class: false
            }
    )
}

/// Expressions and a predicate, which may call functions of whoever wrote them.
pub fn code_of(definition: &IndexDefinition) -> BTreeSet<&str> {
    let keys = definition
        .keys
        .iter()
        .filter_map(|key| match &key.expression {
            KeyExpression::Column(_) => None,
            KeyExpression::Expression(sql) => Some(sql.as_str()),
        });
    keys.chain(definition.predicate.as_deref()).collect()
}

pub fn has_code(definition: &IndexDefinition) -> bool {
    !code_of(definition).is_empty()
}
