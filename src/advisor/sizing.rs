//! Size estimates from what the catalogs and the statistics say of a table.

use pgrx::pg_sys;

use super::facts::{ColumnFacts, TableFacts};
use super::groups::{self, Class, Group};
use super::index::{IndexDefinition, IndexKey, Method};
use super::size::{self, Contents, SizeEstimate, StoredKey};
use super::writes::columns_of;

/// Types without the support function that lets a B-tree merge equal keys.
const NOT_MERGED: [pg_sys::BuiltinOid; 5] = [
    pg_sys::BuiltinOid::NUMERICOID,
    pg_sys::BuiltinOid::FLOAT4OID,
    pg_sys::BuiltinOid::FLOAT8OID,
    pg_sys::BuiltinOid::JSONBOID,
    pg_sys::BuiltinOid::INTERVALOID,
];

/// How large the index will be, when `share` of the table's rows satisfy its predicate.
pub fn estimate(definition: &IndexDefinition, table: &TableFacts, share: f64) -> SizeEstimate {
    let rows = table.rows * share;
    let keys: Vec<Key> = definition
        .keys
        .iter()
        .map(|key| key_of(key, table))
        .collect();
    let option = |name: &str, default: f64| {
        definition
            .options
            .iter()
            .find(|(option, _)| option == name)
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(default)
    };
    size::estimate(&Contents {
        method: definition.method,
        rows,
        table_rows: table.rows,
        table_pages: table.pages,
        groups: groups_of(definition, &keys, table, share),
        deduplicates: definition.method == Method::Btree && keys.iter().all(|key| key.merged),
        keys: keys.iter().map(|key| key.stored).collect(),
        include: definition
            .include
            .iter()
            .filter_map(|name| table.column(name))
            .map(stored)
            .collect(),
        fill_factor: option("fillfactor", 90.0),
        pages_per_range: option("pages_per_range", 128.0),
    })
}

struct Key {
    stored: StoredKey,
    classes: Vec<Class>,
    /// The most that one column in it has.
    distinct: f64,
    merged: bool,
}

/// Of keys that statistics or a unique index know together, what they say; of others, that they
/// are independent.
fn groups_of(
    definition: &IndexDefinition,
    keys: &[Key],
    table: &TableFacts,
    share: f64,
) -> Vec<Group> {
    if let [only] = keys {
        return groups::of_known(&only.classes, table.rows, share);
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
    let mut all = groups::combined(&parts);
    // One of them may have nearly all the combinations already.
    if groups::distinct(&all, table.rows) < least {
        all = groups::adjusted(&all, table.rows, least);
    }
    groups::by_chance(&all, table.rows * share)
}

fn key_of(key: &IndexKey, table: &TableFacts) -> Key {
    if let Some(column) = key.column_name().and_then(|name| table.column(name)) {
        return Key {
            stored: stored(column),
            classes: classes(column, table.rows),
            distinct: distinct(column, table.rows),
            merged: merged(column.type_oid),
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
        merged: columns.iter().all(|column| merged(column.type_oid)),
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
    let mut length = 0;
    let mut by_value = false;
    let mut alignment = 0;
    // SAFETY: catalog look-ups by value, into variables of this frame.
    unsafe {
        pg_sys::get_typlenbyvalalign(
            column.type_oid.into(),
            &mut length,
            &mut by_value,
            &mut alignment,
        );
    }
    let (width, spread) = if length > 0 {
        (f64::from(length), 0.0)
    } else {
        widths(column)
    };
    StoredKey {
        width,
        fixed: length > 0,
        alignment: match alignment as u8 {
            b'c' => 1.0,
            b's' => 2.0,
            b'd' => 8.0,
            _ => 4.0,
        },
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

fn merged(type_oid: u32) -> bool {
    let denied = NOT_MERGED
        .iter()
        .any(|builtin| builtin.value().to_u32() == type_oid);
    // SAFETY: a catalog look-up by value.
    let is_array = unsafe { pg_sys::get_element_type(type_oid.into()) } != pg_sys::InvalidOid;
    // SAFETY: as above.
    let kind = unsafe { pg_sys::get_typtype(type_oid.into()) } as u8;
    !denied && !is_array && (kind == b'b' || kind == b'e' || kind == b'd')
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
