//! Values that are typical of a statement's parameters, from the statistics of the columns that
//! they are compared with.

use std::collections::BTreeMap;

use super::Given;
use super::observed::{Compared, Observed};
use crate::advisor::analysis::shape::{Command, Condition, QueryShape, TableUse, Test, Value};
use crate::advisor::facts::{ColumnFacts, TableFacts};
use crate::advisor::index::KeyExpression;
use crate::advisor::statement::TypicalValues;

/// Sets of values that a statement is costed with at most.
const SETS: usize = 12;

const INTERVAL: u32 = 1186;

/// Rows of a page, where the statement does not tell.
const PAGE: f64 = 20.0;

/// What a set of values is like.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The most common values, recent ranges.
    Common,
    /// Values in the middle of the histogram.
    Middle,
    /// Values that were seen in the workload, by how often.
    Observed(usize),
}

/// The sets for a statement; their weights are levelled later. Empty without parameters.
pub fn sets(
    parameters: &[u32],
    shape: &QueryShape,
    tables: &BTreeMap<u32, TableFacts>,
    observed: &Observed,
    given: &Given,
) -> Vec<TypicalValues> {
    if parameters.is_empty() {
        return Vec::new();
    }
    let sources = Sources {
        shape,
        tables,
        observed,
        query: given.query_id,
        rows_per_call: given.rows_per_call,
    };
    let mut optional: Vec<usize> = shape
        .uses
        .iter()
        .flat_map(|used| used.optional.iter().copied())
        .collect();
    optional.sort_unstable();
    optional.dedup();
    let (most, all_seen) = sources.most_seen();
    let seen: Vec<Kind> = (0..most).map(Kind::Observed).collect();
    let kinds = if seen.is_empty() {
        vec![Kind::Common, Kind::Middle]
    } else {
        seen
    };
    let mut sets = Vec::new();
    for kind in kinds.iter().copied() {
        let values: Vec<Option<String>> = parameters
            .iter()
            .enumerate()
            .map(|(place, type_oid)| sources.value(place + 1, *type_oid, kind))
            .collect();
        if optional.is_empty() {
            sets.push(values);
            continue;
        }
        // A search form: each time one of its fields is filled in.
        for filled in &optional {
            let mut one = values.clone();
            for empty in optional.iter().filter(|number| *number != filled) {
                if let Some(value) = one.get_mut(empty - 1) {
                    *value = None;
                }
            }
            sets.push(one);
        }
    }
    // What a statement writes may be anything; what it looks for is to be known.
    let only_reads = shape.command == Command::Select;
    let mut different: Vec<TypicalValues> = Vec::new();
    for values in sets {
        let unknown = values
            .iter()
            .enumerate()
            .any(|(place, value)| value.is_none() && !optional.contains(&(place + 1)));
        if only_reads && unknown {
            continue;
        }
        let known = different.iter().any(|set| set.values == values);
        if !known && different.len() < SETS {
            different.push(TypicalValues {
                values,
                weight: 1.0,
                observed: all_seen,
            });
        }
    }
    different
}

/// Makes the weights of all sets together 1.
pub fn level(sets: &mut [TypicalValues]) {
    let total: f64 = sets.iter().map(|set| set.weight).sum();
    for set in sets {
        set.weight /= total;
    }
}

/// Where values come from.
struct Sources<'a> {
    shape: &'a QueryShape,
    tables: &'a BTreeMap<u32, TableFacts>,
    observed: &'a Observed,
    query: Option<i64>,
    rows_per_call: Option<f64>,
}

impl Sources<'_> {
    fn value(&self, number: usize, type_oid: u32, kind: Kind) -> Option<String> {
        for used in &self.shape.uses {
            if used.limit_parameter == Some(number) {
                let rows = self.rows_per_call.filter(|rows| *rows >= 1.0);
                return Some(format!("{:.0}", rows.unwrap_or(PAGE)));
            }
            if used.offset_parameter == Some(number) {
                return Some("0".to_owned());
            }
            for condition in used.every_condition() {
                let (place, is_array) = match &condition.value {
                    Value::Parameter(own) if *own == number => (0, condition.test == Test::AnyOf),
                    Value::Parameters(list) => match list.iter().position(|own| *own == number) {
                        Some(place) => (place, false),
                        None => continue,
                    },
                    _ => continue,
                };
                let mut kind = kind;
                if let Kind::Observed(rank) = kind {
                    if let Some(values) = self.values_seen(condition, used) {
                        return one_seen(values, rank, place, is_array);
                    }
                    kind = Kind::Common;
                }
                if let Some(value) = compared_value(condition, place, used, self.tables, kind) {
                    return Some(if is_array { array(&[value]) } else { value });
                }
            }
        }
        (type_oid == INTERVAL).then(|| "30 days".to_owned())
    }

    /// How many sets the values that were seen make, and whether every column was seen.
    fn most_seen(&self) -> (usize, bool) {
        let mut most = 0;
        let mut all = true;
        for used in &self.shape.uses {
            for condition in used.every_condition() {
                if matches!(condition.value, Value::Parameter(_) | Value::Parameters(_)) {
                    match self.values_seen(condition, used) {
                        Some(values) => most = most.max(values.len()),
                        None => all = false,
                    }
                }
            }
        }
        (most, all && most > 0)
    }

    fn values_seen(&self, condition: &Condition, used: &TableUse) -> Option<&[Compared]> {
        let key = condition.key.as_ref()?;
        let KeyExpression::Column(name) = &key.expression else {
            return None;
        };
        self.observed
            .values(used.relation, name, &condition.test, self.query)
    }
}

/// Of the values that were seen, the one of this rank; in a list, for its element at `place`.
fn one_seen(values: &[Compared], rank: usize, place: usize, is_array: bool) -> Option<String> {
    let compared = values.get(rank).or(values.first())?;
    if is_array {
        return Some(array(compared));
    }
    // Single values are also seen where others gave a list.
    let other = values.get(rank + place).and_then(|other| other.first());
    compared.get(place).or(other).or(compared.first()).cloned()
}

/// The value for a condition; in a list, for its element at `place`.
fn compared_value(
    condition: &Condition,
    place: usize,
    used: &TableUse,
    tables: &BTreeMap<u32, TableFacts>,
    kind: Kind,
) -> Option<String> {
    let key = condition.key.as_ref()?;
    let [column] = key.columns.as_slice() else {
        return None;
    };
    let column = tables.get(&used.relation)?.column(column)?;
    // An expression of another type has other values.
    let is_expression = matches!(key.expression, KeyExpression::Expression(_));
    if is_expression && kind_of_type(key.type_oid) != kind_of_type(column.type_oid) {
        return None;
    }
    let opposite = |test: Test| {
        used.every_condition().any(|other| {
            other.test == test && other.key.as_ref() == Some(key) && other != condition
        })
    };
    match condition.test {
        Test::Equal | Test::AnyOf | Test::NotEqual => one_of(column, place, kind),
        Test::Above => {
            let share = match kind {
                Kind::Common => 0.9,
                _ => 0.45,
            };
            at(column, share)
        }
        Test::Below => {
            let between = opposite(Test::Above);
            let share = match (kind, between) {
                (Kind::Common, true) => 0.95,
                (Kind::Common, false) => 0.1,
                (_, true) => 0.55,
                (_, false) => 0.5,
            };
            at(column, share)
        }
        Test::Prefix { .. } => {
            let start: String = word(column, kind)?.chars().take(4).collect();
            Some(format!("{start}%"))
        }
        Test::Trigram => Some(format!("%{}%", word(column, kind)?)),
        _ => None,
    }
}

/// One number for the types of text, whose values are written alike.
fn kind_of_type(type_oid: u32) -> u32 {
    const TEXTS: [u32; 3] = [25, 1042, 1043];
    if TEXTS.contains(&type_oid) {
        25
    } else {
        type_oid
    }
}

fn one_of(column: &ColumnFacts, place: usize, kind: Kind) -> Option<String> {
    let common = |place: usize| column.common.get(place).map(|(value, _)| value.clone());
    match kind {
        Kind::Common => common(place)
            .or_else(|| common(0))
            .or_else(|| at(column, 0.5 + 0.1 * place as f64)),
        _ if column.bounds.is_empty() => {
            common(column.common.len() / 2 + place).or_else(|| common(0))
        }
        _ => at(column, 0.6 + 0.1 * place as f64),
    }
}

/// The value below which a share of the others is.
fn at(column: &ColumnFacts, share: f64) -> Option<String> {
    let Some(last) = column.bounds.len().checked_sub(1) else {
        return column.common.first().map(|(value, _)| value.clone());
    };
    column
        .bounds
        .get((share.min(1.0) * last as f64).round() as usize)
        .cloned()
}

/// A word of a typical text, long enough for trigrams, without wildcards.
fn word(column: &ColumnFacts, kind: Kind) -> Option<String> {
    let text = one_of(column, 0, kind)?;
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() >= 3)
        .max_by_key(|word| word.chars().count())
        .map(|word| word.chars().take(12).collect())
}

fn array(values: &[String]) -> String {
    let elements: Vec<String> = values
        .iter()
        .map(|value| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    format!("{{{}}}", elements.join(","))
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::advisor::analysis::shape::Key;

    fn column() -> ColumnFacts {
        ColumnFacts {
            name: "name".into(),
            type_oid: 25,
            width: 8.0,
            null_fraction: 0.0,
            distinct: Some(100.0),
            correlation: None,
            common: vec![("steel bolt".into(), 0.2), ("nut".into(), 0.1)],
            bounds: (0..=10).map(|n| format!("part {n:02}")).collect(),
        }
    }

    fn condition(test: Test) -> Condition {
        Condition {
            key: Some(Key {
                expression: KeyExpression::Column("name".into()),
                type_oid: 25,
                collation: None,
                columns: vec!["name".into()],
            }),
            test,
            value: Value::Parameter(1),
            selectivity: 0.1,
            predicate: None,
        }
    }

    #[test]
    fn a_between_has_its_ends_in_order_and_a_pattern_a_word() {
        let used = TableUse {
            relation: 1,
            conditions: vec![condition(Test::Above), condition(Test::Below)],
            ..TableUse::default()
        };
        let tables = BTreeMap::from([(1, TableFacts::of_columns(vec![column()]))]);
        let typical =
            |test: Test, kind| compared_value(&condition(test), 0, &used, &tables, kind).unwrap();
        assert_eq!(typical(Test::Above, Kind::Common), "part 09");
        assert_eq!(typical(Test::Below, Kind::Common), "part 10");
        assert_eq!(typical(Test::Equal, Kind::Common), "steel bolt");
        assert_eq!(typical(Test::Equal, Kind::Middle), "part 06");
        assert_eq!(typical(Test::Trigram, Kind::Common), "%steel%");
    }

    #[test]
    fn a_search_form_is_filled_in_one_field_at_a_time() {
        let mut used = TableUse {
            relation: 1,
            conditions: vec![condition(Test::Equal)],
            optional: vec![1, 2],
            ..TableUse::default()
        };
        used.alternatives = vec![vec![vec![Condition {
            value: Value::Parameter(2),
            ..condition(Test::Equal)
        }]]];
        let shape = QueryShape {
            uses: vec![used],
            ..QueryShape::default()
        };
        let tables = BTreeMap::from([(1, TableFacts::of_columns(vec![column()]))]);
        let sets = sets(
            &[25, 25],
            &shape,
            &tables,
            &Observed::default(),
            &Given::default(),
        );
        assert_eq!(sets.len(), 4);
        assert!(
            sets.iter()
                .all(|set| set.values.iter().flatten().count() == 1)
        );
    }

    #[test]
    fn what_was_seen_comes_first_and_statistics_fill_in() {
        let listed = Condition {
            test: Test::AnyOf,
            value: Value::Parameters(vec![2, 3]),
            ..condition(Test::AnyOf)
        };
        let array = Condition {
            test: Test::AnyOf,
            value: Value::Parameter(4),
            ..condition(Test::AnyOf)
        };
        let shape = QueryShape {
            uses: vec![TableUse {
                relation: 1,
                conditions: vec![condition(Test::Above), listed, array],
                ..TableUse::default()
            }],
            ..QueryShape::default()
        };
        let tables = BTreeMap::from([(1, TableFacts::of_columns(vec![column()]))]);
        let mut observed = Observed::default();
        observed.add(1, "name", "=", None, r#"'{a,"b, c"}'::text[]"#);
        let found = sets(&[25; 4], &shape, &tables, &observed, &Given::default());
        assert_eq!(found.len(), 1);
        let values: Vec<&str> = found[0]
            .values
            .iter()
            .flatten()
            .map(String::as_str)
            .collect();
        assert_eq!(values, ["part 09", "a", "b, c", r#"{"a","b, c"}"#]);
        assert!(!found[0].observed, "one of them is from the statistics");
        observed.add(1, "name", ">", None, "'x'::text");
        let found = sets(&[25; 4], &shape, &tables, &observed, &Given::default());
        assert_eq!(found[0].values[0].as_deref(), Some("x"));
        assert!(found[0].observed);
    }
}
