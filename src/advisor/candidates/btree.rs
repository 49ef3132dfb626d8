//! B-tree candidates: equalities first, then one range or the order; with the columns that make
//! the table unnecessary; over all rows or some.

use super::super::analysis::shape::{Condition, Key, SortKey, TableUse, Test, Value};
use super::super::facts::TableFacts;
use super::super::index::{IndexDefinition, IndexKey};
use super::rows::{self, Part};
use super::{Found, Options, Reason, words};

/// A condition that leaves more of the rows is no ground for a key of its own.
const UNSELECTIVE: f64 = 0.5;

/// Columns that an index carries at most, and their bytes.
const CARRIED_COLUMNS: usize = 5;
const CARRIED_BYTES: f64 = 96.0;

/// Equalities whose orders are tried out.
const TRIED: usize = 4;

/// Keys in their order, each with how it came about.
#[derive(Clone, Default)]
struct Plan {
    keys: Vec<(IndexKey, Why)>,
    selectivity: f64,
}

/// Why a key is there.
#[derive(Clone, PartialEq)]
enum Why {
    /// In these words.
    Condition(String),
    /// By this name.
    Order(String),
    Group(String),
    /// An index must have one.
    Any,
}

impl Plan {
    fn keys(&self) -> impl Iterator<Item = &IndexKey> {
        self.keys.iter().map(|(key, _)| key)
    }

    fn why(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut last = &Why::Any;
        for (_, why) in &self.keys {
            let (start, name) = match why {
                Why::Condition(words) => ("", words),
                Why::Order(name) => ("order by ", name),
                Why::Group(name) => ("groups of ", name),
                Why::Any => continue,
            };
            let goes_on =
                !start.is_empty() && std::mem::discriminant(last) == std::mem::discriminant(why);
            match parts.last_mut() {
                Some(part) if goes_on => part.push_str(&format!(", {name}")),
                _ => parts.push(format!("{start}{name}")),
            }
            last = why;
        }
        parts.join(", then ")
    }
}

pub fn add(
    conditions: &[&Condition],
    used: &TableUse,
    table: &TableFacts,
    options: &Options,
    found: &mut Found,
) {
    let plans = plans(conditions, used, options);
    for plan in &plans {
        emit(plan, None, used, table, options, found);
    }
    if !options.partial {
        return;
    }
    for part in rows::parts(conditions, used, table, &options.values) {
        let mut rest: Vec<Plan> = plans
            .iter()
            .map(|plan| without(plan, &part))
            .filter(|plan| !plan.keys.is_empty())
            .collect();
        if rest.is_empty() {
            rest.extend(part.fallback.clone().map(|key| Plan {
                keys: vec![(key, Why::Any)],
                selectivity: 1.0,
            }));
        }
        for plan in &rest {
            emit(plan, Some(&part), used, table, options, found);
        }
    }
}

/// The order in which keys could stand, most promising first.
fn plans(conditions: &[&Condition], used: &TableUse, options: &Options) -> Vec<Plan> {
    let mut plans = Vec::new();
    for equalities in equality_orders(conditions) {
        let equalities: Vec<&Condition> =
            equalities.into_iter().take(options.max_columns).collect();
        let start = Plan {
            keys: keys_of(&equalities),
            selectivity: equalities.iter().map(|c| c.selectivity).product(),
        };
        if let Some(sorted) = sorted(&equalities, used) {
            push(&mut plans, sorted, options);
        }
        // What leaves most rows is a key for the sake of the order alone.
        if equalities.iter().any(|c| c.selectivity > UNSELECTIVE) {
            continue;
        }
        for range in ranges(conditions) {
            push(&mut plans, extended(&start, range), options);
        }
        push(&mut plans, grouped(&start, used), options);
        push(&mut plans, start, options);
    }
    plans
}

fn push(plans: &mut Vec<Plan>, mut plan: Plan, options: &Options) {
    plan.keys.truncate(options.max_columns);
    let known = plans.iter().any(|other| other.keys().eq(plan.keys()));
    if !plan.keys.is_empty() && !known {
        plans.push(plan);
    }
}

fn is_equality(condition: &Condition) -> bool {
    condition.key.is_some() && matches!(condition.test, Test::Equal | Test::AnyOf | Test::IsNull)
}

fn joins(condition: &Condition) -> bool {
    matches!(condition.value, Value::Join(_))
}

/// Equalities in the orders worth trying. The empty one is last.
fn equality_orders<'a>(conditions: &[&'a Condition]) -> Vec<Vec<&'a Condition>> {
    let mut equalities: Vec<&Condition> = Vec::new();
    for condition in conditions.iter().filter(|c| is_equality(c)) {
        if !equalities.iter().any(|other| other.key == condition.key) {
            equalities.push(condition);
        }
    }
    equalities.sort_by(|a, b| a.selectivity.total_cmp(&b.selectivity));
    let filters: Vec<&Condition> = equalities.iter().copied().filter(|c| !joins(c)).collect();
    let selective: Vec<&Condition> = filters
        .iter()
        .copied()
        .filter(|c| c.selectivity <= UNSELECTIVE)
        .collect();
    let joins: Vec<&Condition> = equalities.iter().copied().filter(|c| joins(c)).collect();

    let mut orders: Vec<Vec<&Condition>> = Vec::new();
    let mut try_order = |order: Vec<&'a Condition>| {
        let same = |other: &Vec<&Condition>| {
            other.len() == order.len() && other.iter().zip(&order).all(|(a, b)| a.key == b.key)
        };
        if !orders.iter().any(same) {
            orders.push(order);
        }
    };
    // Filters before the join, and the join before filters.
    try_order([&selective[..], &joins[..]].concat());
    try_order([&joins[..], &selective[..]].concat());
    for join in &joins {
        try_order(vec![join]);
        try_order([&selective[..], &[*join]].concat());
        try_order([&[*join][..], &selective[..]].concat());
    }
    // Each of the most selective first, as another statement may share it.
    for first in selective.iter().take(TRIED) {
        let others: Vec<&Condition> = selective
            .iter()
            .copied()
            .filter(|other| other.key != first.key)
            .collect();
        try_order([&[*first][..], &others[..]].concat());
        for second in others.iter().take(TRIED) {
            try_order(vec![first, second]);
        }
        try_order(vec![first]);
    }
    // With an order to follow, equalities that leave most rows count too.
    try_order(filters);
    try_order(Vec::new());
    orders
}

fn key_of(condition: &Condition) -> Option<IndexKey> {
    let key = condition.key.as_ref()?;
    let mut index_key = key.in_index();
    if condition.test
        == (Test::Prefix {
            needs_pattern_class: true,
        })
    {
        index_key.opclass = Some(pattern_class(key).to_owned());
    }
    Some(index_key)
}

fn pattern_class(key: &Key) -> &'static str {
    const BPCHAR: u32 = 1042;
    const VARCHAR: u32 = 1043;
    match key.type_oid {
        BPCHAR => "bpchar_pattern_ops",
        VARCHAR => "varchar_pattern_ops",
        _ => "text_pattern_ops",
    }
}

/// One condition for each key that a range may end an index with.
fn ranges<'a>(conditions: &'a [&Condition]) -> impl Iterator<Item = &'a Condition> {
    conditions.iter().copied().filter(|condition| {
        let range = match condition.test {
            Test::Below | Test::Above | Test::Prefix { .. } => true,
            Test::IsNotNull => condition.selectivity < UNSELECTIVE,
            _ => false,
        };
        range && condition.key.is_some()
    })
}

fn extended(start: &Plan, range: &Condition) -> Plan {
    let mut plan = start.clone();
    for (key, why) in keys_of(&[range]) {
        if plan.keys().all(|other| other.expression != key.expression) {
            plan.keys.push((key, why));
            plan.selectivity *= range.selectivity;
        }
    }
    plan
}

/// The equalities, then the order of the result.
fn sorted(equalities: &[&Condition], used: &TableUse) -> Option<Plan> {
    if !used.limited && !used.order_is_whole {
        return None;
    }
    // A list of values would mix the orders of its parts.
    let fixed: Vec<&Condition> = equalities
        .iter()
        .copied()
        .filter(|condition| condition.test == Test::Equal && !joins(condition))
        .collect();
    let order: Vec<&SortKey> = used
        .order
        .iter()
        .filter(|sort| !fixed.iter().any(|c| c.key.as_ref() == Some(&sort.key)))
        .collect();
    if order.is_empty() {
        return None;
    }
    // An index is read backwards as well: one that only ascends serves more statements.
    let backwards = order.iter().all(|sort| sort.descending && sort.nulls_first);
    let keys = order.iter().map(|sort| {
        let mut key = sort.key.in_index();
        key.descending = sort.descending && !backwards;
        key.nulls_first = Some(sort.nulls_first && !backwards);
        (key, Why::Order(words(&sort.key).to_owned()))
    });
    Some(Plan {
        keys: keys_of(&fixed).into_iter().chain(keys).collect(),
        selectivity: fixed.iter().map(|c| c.selectivity).product(),
    })
}

fn grouped(start: &Plan, used: &TableUse) -> Plan {
    let mut plan = start.clone();
    for key in &used.groups {
        let index_key = key.in_index();
        if plan.keys().all(|other| *other != index_key) {
            plan.keys
                .push((index_key, Why::Group(words(key).to_owned())));
        }
    }
    plan
}

fn keys_of(conditions: &[&Condition]) -> Vec<(IndexKey, Why)> {
    conditions
        .iter()
        .filter_map(|condition| Some((key_of(condition)?, Why::Condition(reason(condition)?))))
        .collect()
}

fn reason(condition: &Condition) -> Option<String> {
    let name = words(condition.key.as_ref()?);
    Some(match (&condition.test, joins(condition)) {
        (Test::Equal | Test::AnyOf | Test::IsNull, true) => format!("join on {name}"),
        (Test::Equal, false) => format!("equality on {name}"),
        (Test::IsNull, false) => format!("{name} null"),
        (Test::AnyOf, false) => format!("list of values of {name}"),
        (Test::Prefix { .. }, _) => format!("prefix of {name}"),
        _ => format!("range of {name}"),
    })
}

/// The plan without the keys that are the same in every row of the part.
fn without(plan: &Plan, part: &Part) -> Plan {
    let mut plan = plan.clone();
    plan.keys
        .retain(|(key, _)| !part.fixed.contains(&key.expression));
    plan
}

fn emit(
    plan: &Plan,
    part: Option<&Part>,
    used: &TableUse,
    table: &TableFacts,
    options: &Options,
    found: &mut Found,
) {
    let mut why = plan.why();
    if let Some(part) = part {
        if !why.is_empty() {
            why.push_str("; ");
        }
        why.push_str(&format!("only rows where {}", part.predicate));
    }
    let definition = IndexDefinition {
        predicate: part.map(|part| part.predicate.clone()),
        ..IndexDefinition::btree(table.relation.clone(), plan.keys().cloned().collect())
    };
    let selectivity = plan.selectivity * part.map_or(1.0, |part| part.selectivity);
    let reason = |text: String| Reason {
        text,
        needs: None,
        selectivity,
    };
    let carried = carried(&definition, used, table);
    found.add(definition.clone(), true, reason(why.clone()));
    if let Some(include) = carried {
        let text = format!(
            "{why}; the index alone answers, with {}",
            include.join(", ")
        );
        let mut keys = definition.keys.clone();
        keys.extend(include.iter().map(IndexKey::column));
        if options.covering_keys && keys.len() <= options.max_columns {
            let definition = IndexDefinition {
                keys,
                ..definition.clone()
            };
            found.add(definition, true, reason(text.clone()));
        }
        let definition = IndexDefinition {
            include,
            ..definition
        };
        found.add(definition, true, reason(text));
    }
}

/// The columns to carry so that the table need not be read, if they are few and narrow.
fn carried(
    definition: &IndexDefinition,
    used: &TableUse,
    table: &TableFacts,
) -> Option<Vec<String>> {
    if used.whole_row || used.columns.is_empty() {
        return None;
    }
    let missing: Vec<String> = used
        .columns
        .iter()
        .filter(|column| {
            !definition
                .keys
                .iter()
                .any(|key| key.column_name() == Some(column))
        })
        .cloned()
        .collect();
    let bytes: f64 = missing
        .iter()
        .map(|name| {
            table
                .column(name)
                .map_or(f64::INFINITY, |column| column.width)
        })
        .sum();
    (!missing.is_empty() && missing.len() <= CARRIED_COLUMNS && bytes <= CARRIED_BYTES)
        .then_some(missing)
}
