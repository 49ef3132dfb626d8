//! Size estimates from what the catalogs and the statistics say of a table.

use pgrx::pg_sys;

use super::facts::{ColumnFacts, TableFacts};
use super::groups::{self, Class, Drawn, Group};
use super::index::{IndexDefinition, IndexKey, Method};
use super::layout::Layout;
use super::sample::Seen;
use super::size::{self, Contents, SizeEstimate, StoredKey};
use super::writes::columns_of;

/// Blocks with rows of a part, from which on their share in a sample is worth something.
const TELLING_BLOCKS: usize = 30;
/// Rows of a sample from which on their width, or how often they repeat, is.
const TELLING_ROWS: f64 = 50.0;
/// Share of the combinations that one key has by itself, from which on the others depend on it.
const DEPENDENT: f64 = 0.99;
/// Standard errors by which a sample may differ from what the statistics say.
const ERRORS: f64 = 2.0;

/// Whether a sample says more of the index than the statistics do.
pub fn gains_by_sample(definition: &IndexDefinition, table: &TableFacts) -> bool {
    let plain = |key: &IndexKey| {
        let column = key.column_name().and_then(|name| table.column(name));
        column.is_some_and(|column| column.distinct.is_some() && stored(column).fixed)
    };
    let alone = definition.keys.len() + definition.include.len() == 1;
    !alone || definition.predicate.is_some() || !definition.keys.iter().all(plain)
}

/// Share of the table's rows in the index: as the planner estimates it, unless a sample refutes
/// that.
pub fn share(planned: f64, seen: Option<&Seen>) -> f64 {
    match seen {
        Some(seen)
            if seen.groups.is_some()
                || seen.blocks >= TELLING_BLOCKS
                    && (seen.share() - planned).abs() > ERRORS * seen.error =>
        {
            seen.share()
        }
        _ => planned,
    }
}

/// How large the index will be, when `share` of the table's rows are in it.
pub fn estimate(
    definition: &IndexDefinition,
    table: &TableFacts,
    share: f64,
    seen: Option<&Seen>,
) -> SizeEstimate {
    let rows = match seen {
        Some(seen) if seen.groups.is_some() => seen.rows,
        _ => table.rows * share,
    };
    let keys: Vec<Key> = definition
        .keys
        .iter()
        .map(|key| key_of(key, table))
        .collect();
    let given = |name: &str| {
        let mut options = definition.options.iter();
        let found = options.find(|(option, _)| option == name);
        found.map(|(_, value)| value.as_str())
    };
    let option = |name: &str, default: f64| {
        let value = given(name).and_then(|value| value.parse().ok());
        value.unwrap_or(default)
    };
    // As a boolean is written, in full or cut short.
    let kept_apart = matches!(
        given("deduplicate_items")
            .map(str::to_ascii_lowercase)
            .as_deref(),
        Some("off" | "of" | "false" | "f" | "no" | "n" | "0")
    );
    let contents = Contents {
        method: definition.method,
        rows,
        table_rows: table.rows,
        table_pages: table.pages,
        groups: groups_of(definition, &keys, table, share, seen),
        deduplicates: definition.method == Method::Btree
            && !kept_apart
            && match seen {
                Some(seen) if seen.rows > 0.0 => seen.merged,
                _ => keys.iter().all(|key| key.merged),
            },
        tuple: seen
            .filter(|seen| seen.rows >= TELLING_ROWS || seen.groups.is_some() && seen.rows > 0.0)
            .map(|seen| seen.tuple),
        keys: keys.iter().map(|key| key.stored).collect(),
        include: definition
            .include
            .iter()
            .filter_map(|name| table.column(name))
            .map(stored)
            .collect(),
        fill_factor: option("fillfactor", 90.0),
        pages_per_range: option("pages_per_range", 128.0),
    };
    let whole = size::estimate(&contents);
    match definition.method {
        Method::Btree => whole.in_parts(table.parts),
        _ => whole,
    }
}

struct Key {
    stored: StoredKey,
    classes: Vec<Class>,
    /// The most that one column in it has.
    distinct: f64,
    merged: bool,
    /// Not an expression.
    is_column: bool,
}

/// How the rows of the index share its keys: as the statistics say, unless a sample refutes that.
fn groups_of(
    definition: &IndexDefinition,
    keys: &[Key],
    table: &TableFacts,
    share: f64,
    seen: Option<&Seen>,
) -> Vec<Group> {
    if let Some(groups) = seen.and_then(|seen| seen.groups.clone()) {
        return groups;
    }
    let rows = table.rows * share;
    let seen = seen.filter(|seen| seen.rows >= TELLING_ROWS);
    let keys = match seen.and_then(leading) {
        Some(place) => &keys[place..=place],
        None => keys,
    };
    let classes = classes_of(definition, keys, table);
    // A single column without a predicate is what ANALYZE has counted, in more blocks.
    let counted = keys.len() == 1 && definition.predicate.is_none() && keys[0].is_column;
    if let Some(seen) = seen.filter(|_| !counted) {
        let most = match keys {
            [_] => rows,
            _ => keys.iter().map(|key| key.distinct).product(),
        };
        // Of an expression, the columns in it tell no least.
        let least = keys
            .iter()
            .filter(|key| key.is_column && keys.len() > 1 && definition.predicate.is_none())
            .map(|key| key.distinct)
            .fold(1.0, f64::max);
        if let Some(groups) = groups::refitted(&classes, rows, drawn(seen), (least, most)) {
            return groups;
        }
    }
    match keys {
        [_] => groups::of_known(&classes, table.rows, share),
        _ => groups::by_chance(&classes, rows),
    }
}

/// The key on which all others depend.
fn leading(seen: &Seen) -> Option<usize> {
    seen.alone
        .iter()
        .position(|alone| *alone >= DEPENDENT * seen.distinct)
        .filter(|_| seen.distinct < DEPENDENT * seen.rows)
}

fn drawn(seen: &Seen) -> Drawn {
    Drawn {
        rows: seen.rows,
        blocks: seen.blocks as f64,
        distinct: seen.distinct,
        apart: seen.apart,
    }
}

/// Of keys that statistics or a unique index know together, what they say; of others, that they
/// are independent.
fn classes_of(definition: &IndexDefinition, keys: &[Key], table: &TableFacts) -> Vec<Class> {
    if let [only] = keys {
        return only.classes.clone();
    }
    let mut apart: Vec<usize> = (0..keys.len()).collect();
    let mut parts: Vec<Vec<Class>> = Vec::new();
    let mut least = 1.0_f64;
    for (columns, distinct) in &table.together {
        let members: Vec<usize> = apart
            .iter()
            .copied()
            .filter(|place| {
                let name = definition.keys[*place].column_name();
                name.is_some_and(|name| columns.contains(name))
            })
            .collect();
        if members.len() == columns.len() {
            let known: Vec<_> = members.iter().map(|m| keys[*m].classes.clone()).collect();
            let known = groups::combined(&known);
            parts.push(groups::adjusted(&known, table.rows, *distinct));
            least = least.max(*distinct);
            apart.retain(|place| !members.contains(place));
        }
    }
    for place in apart {
        parts.push(keys[place].classes.clone());
        least = least.max(keys[place].distinct);
    }
    let all = groups::combined(&parts);
    // One of them may have nearly all the combinations already.
    if groups::distinct(&all, table.rows) < least {
        return groups::adjusted(&all, table.rows, least);
    }
    all
}

fn key_of(key: &IndexKey, table: &TableFacts) -> Key {
    if let Some(column) = key.column_name().and_then(|name| table.column(name)) {
        return Key {
            stored: stored(column),
            classes: classes(column, table.rows),
            distinct: distinct(column, table.rows),
            merged: Layout::of(column.type_oid).merged,
            is_column: true,
        };
    }
    // Of an expression, no more is known than of the columns in it.
    let alone = IndexDefinition::btree(table.relation.clone(), vec![key.clone()]);
    let names = columns_of(&alone, table.columns.iter().map(|c| c.name.clone()));
    let columns: Vec<&ColumnFacts> = names.iter().filter_map(|name| table.column(name)).collect();
    let all: Vec<Vec<Class>> = columns.iter().map(|c| classes(c, table.rows)).collect();
    let all = groups::combined(&all);
    let widest = columns
        .iter()
        .max_by(|a, b| a.width.total_cmp(&b.width))
        .map(|column| stored(column));
    Key {
        stored: widest.unwrap_or(StoredKey {
            width: 8.0,
            fixed: true,
            alignment: 8.0,
            null_fraction: 0.0,
            spread: 0.0,
        }),
        distinct: groups::distinct(&all, table.rows),
        classes: all,
        merged: columns
            .iter()
            .all(|column| Layout::of(column.type_oid).merged),
        is_column: false,
    }
}

fn distinct(column: &ColumnFacts, rows: f64) -> f64 {
    column.distinct.unwrap_or(rows.min(200.0))
}

fn classes(column: &ColumnFacts, rows: f64) -> Vec<Class> {
    let common: Vec<f64> = column.common.iter().map(|(_, share)| *share).collect();
    groups::of_key(distinct(column, rows), &common, column.null_fraction)
}

fn stored(column: &ColumnFacts) -> StoredKey {
    let layout = Layout::of(column.type_oid);
    let (width, spread) = if layout.is_fixed() {
        (f64::from(layout.length), 0.0)
    } else {
        widths(column)
    };
    StoredKey {
        width,
        fixed: layout.is_fixed(),
        alignment: f64::from(layout.alignment),
        null_fraction: column.null_fraction,
        spread,
    }
}

/// Average width of a column's values and how much it varies, as a share of it, seen on those in
/// its statistics. Of the average, pg_stats has the whole bytes only.
fn widths(column: &ColumnFacts) -> (f64, f64) {
    let size = |value: &String| stored_bytes(value, column.type_oid);
    let known: f64 = column.common.iter().map(|(_, share)| share).sum();
    let others = (1.0 - column.null_fraction - known).max(0.0);
    let each = others / column.bounds.len().max(1) as f64;
    let sizes: Vec<(f64, f64)> = column
        .common
        .iter()
        .map(|(value, share)| (size(value), *share))
        .chain(column.bounds.iter().map(|value| (size(value), each)))
        .collect();
    let total: f64 = sizes.iter().map(|(_, share)| share).sum();
    if sizes.len() < 2 || total <= 0.0 {
        return (column.width + 0.5, 0.1);
    }
    let mean = sizes.iter().map(|(size, share)| size * share).sum::<f64>() / total;
    let variance = sizes
        .iter()
        .map(|(size, share)| (size - mean).powi(2) * share)
        .sum::<f64>()
        / total;
    let width = mean.clamp(column.width, column.width + 0.999);
    (width, (variance.sqrt() / mean.max(1.0)).min(0.6))
}

/// Bytes of a value of varying length, from its text.
fn stored_bytes(value: &str, type_oid: u32) -> f64 {
    const HEADER: usize = 1;
    if type_oid == pg_sys::NUMERICOID.to_u32() {
        (HEADER + 2 + 2 * numeric_digits(value)) as f64
    } else {
        (HEADER + value.len()) as f64
    }
}

/// Digits to the base of 10,000, without zeros at either end.
fn numeric_digits(value: &str) -> usize {
    let digits = value.trim_start_matches('-');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padded = |text: String| -> Vec<bool> {
        let bytes = text.into_bytes();
        bytes
            .chunks(4)
            .map(|four| four.iter().any(|digit| *digit != b'0'))
            .collect()
    };
    let lead = (4 - whole.len() % 4) % 4;
    let mut groups = padded("0".repeat(lead) + whole);
    let trail = (4 - fraction.len() % 4) % 4;
    groups.extend(padded(fraction.to_owned() + &"0".repeat(trail)));
    let first = groups.iter().position(|any| *any);
    let last = groups.iter().rposition(|any| *any);
    match (first, last) {
        (Some(first), Some(last)) => last - first + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod unit {
    use super::numeric_digits;

    /// As pg_column_size() has them: three bytes and two for each digit.
    #[test]
    fn digits_of_numeric_values() {
        for (value, digits) in [
            ("40170.00", 2),
            ("1952.00", 1),
            ("0.05", 1),
            ("0.00", 0),
            ("-12345.6789", 3),
            ("10000", 1),
            ("100000000.5", 4),
        ] {
            assert_eq!(numeric_digits(value), digits, "{value}");
        }
    }
}
