//! Which statements an index could matter to. Free of PostgreSQL's types.

use std::collections::BTreeSet;

use super::analysis::shape::{QueryShape, TableUse};
use super::index::{IndexDefinition, Method};

/// Whether a plan of the statement could use the index: by its first key, for the rows that it
/// has, or as a smaller copy of the table. `columns` are all that the index depends on.
pub fn concerns(
    shape: &QueryShape,
    definition: &IndexDefinition,
    columns: &BTreeSet<String>,
) -> bool {
    let once = shape.uses.len() == 1;
    shape
        .uses
        .iter()
        .filter(|used| used.relation == definition.relation.oid)
        .any(|used| match rows(used, definition) {
            Rows::Never => false,
            Rows::Asked => true,
            Rows::Perhaps => searches(used, once, definition, columns) || copies(used, definition),
        })
}

/// The rows that an index has, as a statement sees them.
enum Rows {
    /// It asks for these very rows.
    Asked,
    Perhaps,
    /// Not all that it asks for.
    Never,
}

fn rows(used: &TableUse, definition: &IndexDefinition) -> Rows {
    let Some(predicate) = &definition.predicate else {
        return Rows::Perhaps;
    };
    let asked: Vec<&str> = used
        .every_condition()
        .filter_map(|condition| condition.predicate.as_deref())
        .collect();
    let has = |clause: &str| asked.contains(&clause);
    let all = || {
        predicate
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
            .is_some_and(|inner| inner.split(" AND ").all(has))
    };
    if has(predicate) || all() {
        Rows::Asked
    } else if implied_by_others(predicate) {
        Rows::Perhaps
    } else {
        Rows::Never
    }
}

/// Whether other conditions than its own clauses may imply the predicate: a value implies that
/// there is one, a range a wider one. A state that is tested for equality only its own test does.
fn implied_by_others(predicate: &str) -> bool {
    [" IS NOT ", " ANY ", " ALL ", "<", ">", " OR ", "~"]
        .iter()
        .any(|sign| predicate.contains(sign))
}

fn searches(
    used: &TableUse,
    once: bool,
    definition: &IndexDefinition,
    columns: &BTreeSet<String>,
) -> bool {
    let Some(first) = definition.keys.first() else {
        return false;
    };
    let tested = used
        .every_condition()
        .filter_map(|condition| condition.key.as_ref())
        .chain(used.order.iter().map(|sort| &sort.key))
        .chain(&used.groups)
        .any(|key| key.expression == first.expression);
    // Between several tables, other columns than these may join, sort and group.
    let read = || match first.column_name() {
        Some(column) => used.columns.contains(column),
        None => columns.iter().any(|column| used.columns.contains(column)),
    };
    tested || (!once && read())
}

fn copies(used: &TableUse, definition: &IndexDefinition) -> bool {
    !used.whole_row
        && definition.method == Method::Btree
        && used
            .columns
            .iter()
            .all(|column| definition.columns().any(|carried| carried == column))
}

#[cfg(test)]
mod unit {
    use super::super::analysis::shape::{Condition, Key, Test, Value};
    use super::super::index::{IndexKey, KeyExpression, Relation};
    use super::*;

    fn shape(tested: &str, predicates: &[&str], uses: usize) -> QueryShape {
        let key = Key {
            expression: KeyExpression::Column(tested.into()),
            type_oid: 25,
            collation: None,
            columns: vec![tested.into()],
        };
        let condition = |predicate: Option<&str>| Condition {
            key: predicate.is_none().then(|| key.clone()),
            test: Test::Equal,
            value: Value::Constant,
            selectivity: 0.1,
            predicate: predicate.map(str::to_owned),
        };
        let used = TableUse {
            relation: 1,
            conditions: std::iter::once(condition(None))
                .chain(predicates.iter().map(|p| condition(Some(p))))
                .collect(),
            columns: ["id", "zone", "shelf"].map(str::to_owned).into(),
            ..TableUse::default()
        };
        QueryShape {
            uses: vec![used; uses],
            ..QueryShape::default()
        }
    }

    fn index(keys: &[&str], predicate: Option<&str>) -> IndexDefinition {
        let relation = Relation {
            oid: 1,
            schema: "public".into(),
            name: "items".into(),
        };
        IndexDefinition {
            predicate: predicate.map(str::to_owned),
            ..IndexDefinition::btree(
                relation,
                keys.iter().map(|k| IndexKey::column(*k)).collect(),
            )
        }
    }

    fn concerned(shape: &QueryShape, index: &IndexDefinition) -> bool {
        concerns(shape, index, &index.columns().map(str::to_owned).collect())
    }

    #[test]
    fn by_what_is_tested_or_as_a_copy() {
        let one = shape("zone", &[], 1);
        assert!(concerned(&one, &index(&["zone", "id"], None)));
        assert!(!concerned(&one, &index(&["id", "zone"], None)));
        assert!(concerned(&one, &index(&["id", "shelf", "zone"], None)));
        assert!(concerned(
            &shape("zone", &[], 2),
            &index(&["id", "zone"], None)
        ));
    }

    #[test]
    fn by_the_rows_that_it_has() {
        let one = shape("zone", &["(a = 1)", "(b IS NULL)"], 1);
        for asked in ["(a = 1)", "((a = 1) AND (b IS NULL))"] {
            assert!(concerned(&one, &index(&["id"], Some(asked))), "{asked}");
        }
        assert!(!concerned(&one, &index(&["zone"], Some("(a = 2)"))));
        assert!(!concerned(
            &one,
            &index(&["zone"], Some("((a = 1) AND (c = 2))"))
        ));
        assert!(concerned(&one, &index(&["zone"], Some("(a > 0)"))));
        assert!(!concerned(&one, &index(&["id"], Some("(a > 0)"))));
    }
}
