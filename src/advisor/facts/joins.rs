//! What joins say of columns together: those that are compared with a unique key of another table
//! have no more combinations than that table has rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::advisor::analysis::shape::{QueryShape, TableUse, Test, Value};

/// Columns of a table, and how many combinations of them there are.
pub type Together = Vec<(BTreeSet<String>, f64)>;

/// Adds to what is known of each table's columns what the statements' joins tell.
pub fn infer<'a>(
    together: &mut BTreeMap<u32, Together>,
    shapes: impl Iterator<Item = &'a QueryShape>,
) {
    for used in shapes.flat_map(|shape| &shape.uses) {
        for (other, pairs) in joined(used) {
            let Some(keys) = together.get(&other) else {
                continue;
            };
            let told: Together = keys
                .iter()
                .filter_map(|(columns, rows)| Some((matching(columns, &pairs)?, *rows)))
                .collect();
            let known = together.entry(used.relation).or_default();
            for (columns, rows) in told {
                if !known.iter().any(|(known, _)| *known == columns) {
                    known.push((columns, rows));
                }
            }
        }
    }
    for known in together.values_mut() {
        known.sort_by_key(|(columns, _)| std::cmp::Reverse(columns.len()));
    }
}

/// By table, its columns and those of this one that are compared for equality.
fn joined(used: &TableUse) -> BTreeMap<u32, Vec<(&str, &str)>> {
    let mut pairs: BTreeMap<u32, Vec<(&str, &str)>> = BTreeMap::new();
    for condition in &used.conditions {
        if let (Test::Equal, Value::Join(Some((other, theirs))), Some(key)) =
            (&condition.test, &condition.value, &condition.key)
            && let Some(own) = key.in_index().column_name()
            && let Some(own) = key.columns.iter().find(|column| *column == own)
        {
            pairs.entry(*other).or_default().push((theirs, own));
        }
    }
    pairs
}

/// The columns of this table that are compared with all of these of the other, each with one.
fn matching(columns: &BTreeSet<String>, pairs: &[(&str, &str)]) -> Option<BTreeSet<String>> {
    let own: BTreeSet<String> = columns
        .iter()
        .map(|column| {
            let pair = pairs.iter().find(|(theirs, _)| theirs == column)?;
            Some(pair.1.to_owned())
        })
        .collect::<Option<_>>()?;
    (own.len() > 1 && own.len() == columns.len()).then_some(own)
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::advisor::analysis::shape::{Condition, Key};
    use crate::advisor::index::KeyExpression;

    fn join(own: &str, theirs: &str) -> Condition {
        Condition {
            key: Some(Key {
                expression: KeyExpression::Column(own.into()),
                type_oid: 23,
                collation: None,
                columns: vec![own.into()],
            }),
            test: Test::Equal,
            value: Value::Join(Some((2, theirs.into()))),
            selectivity: 0.1,
            predicate: None,
        }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_whole_unique_key_tells_and_a_part_of_it_does_not() {
        for (conditions, told) in [
            (vec![join("part", "p"), join("supplier", "s")], true),
            (vec![join("part", "p")], false),
            (vec![join("part", "p"), join("part", "s")], false),
        ] {
            let shape = QueryShape {
                uses: vec![TableUse {
                    relation: 1,
                    conditions,
                    ..TableUse::default()
                }],
                ..QueryShape::default()
            };
            let mut together =
                BTreeMap::from([(1, Vec::new()), (2, vec![(names(&["p", "s"]), 40_000.0)])]);
            infer(&mut together, std::iter::once(&shape));
            let expected = (names(&["part", "supplier"]), 40_000.0);
            assert_eq!(together[&1].contains(&expected), told);
            assert_eq!(together[&1].len(), usize::from(told));
        }
    }
}
