//! Size estimates from what the catalogs and the statistics say of a table.

use pgrx::pg_sys;

use super::facts::{ColumnFacts, TableFacts};
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
    let distinct: Vec<f64> = keys
        .iter()
        .map(|key| size::distinct_in_part(key.distinct, table.rows, rows))
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
        distinct: size::combinations(&distinct, rows),
        common: match keys.as_slice() {
            [only] if share >= 1.0 => only.common.clone(),
            _ => Vec::new(),
        },
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
    distinct: f64,
    common: Vec<f64>,
    merged: bool,
}

fn key_of(key: &IndexKey, table: &TableFacts) -> Key {
    if let Some(column) = key.column_name().and_then(|name| table.column(name)) {
        return Key {
            stored: stored(column),
            distinct: column.distinct.unwrap_or(table.rows.min(200.0)),
            common: column.common.iter().map(|(_, share)| *share).collect(),
            merged: merged(column.type_oid),
        };
    }
    // Of an expression, no more is known than of the columns in it.
    let alone = IndexDefinition::btree(table.relation.clone(), vec![key.clone()]);
    let names = columns_of(&alone, table.columns.iter().map(|c| c.name.clone()));
    let columns: Vec<&ColumnFacts> = names.iter().filter_map(|name| table.column(name)).collect();
    let distinct: Vec<f64> = columns
        .iter()
        .map(|column| column.distinct.unwrap_or(table.rows.min(200.0)))
        .collect();
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
        distinct: size::combinations(&distinct, table.rows),
        common: Vec::new(),
        merged: columns.iter().all(|column| merged(column.type_oid)),
    }
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
    StoredKey {
        width: if length > 0 {
            f64::from(length)
        } else {
            column.width
        },
        fixed: length > 0,
        alignment: match alignment as u8 {
            b'c' => 1.0,
            b's' => 2.0,
            b'd' => 8.0,
            _ => 4.0,
        },
        null_fraction: column.null_fraction,
        spread: if length > 0 { 0.0 } else { spread(column) },
    }
}

/// How much the lengths of a column's values vary, seen on those in its statistics.
fn spread(column: &ColumnFacts) -> f64 {
    let lengths: Vec<f64> = column
        .bounds
        .iter()
        .chain(column.common.iter().map(|(value, _)| value))
        .map(|value| value.len() as f64)
        .collect();
    if lengths.len() < 2 {
        return 0.1;
    }
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    let variance = lengths
        .iter()
        .map(|length| (length - mean).powi(2))
        .sum::<f64>()
        / lengths.len() as f64;
    (variance.sqrt() / mean.max(1.0)).min(0.6)
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
