//! Whether what a ledger consists of is what attaching made.
//!
//! Storage and mapping belong to the ledger's owner, who may alter, replace or drop them. Compiled
//! code reads them by position and type, so it looks at their form first: when it prepares, and again
//! when the relation cache says that one of them changed.

use pgrx::pg_sys;

use super::mapping::Layout;
use super::mapping_view::{MappingView, Registered};
use super::registry::relation_name;
use crate::relcache::{Column, Entry};

/// The relations of one ledger, by OID, and what its mapping was when it was attached.
#[derive(Debug, Clone)]
pub struct Identity {
    pub ledger: pg_sys::Oid,
    pub layout: Layout,
    pub pending: pg_sys::Oid,
    pub days: pg_sys::Oid,
    pub openings: pg_sys::Oid,
    pub months: pg_sys::Oid,
    pub mapped_moves: pg_sys::Oid,
    pub registered: Registered,
}

impl Identity {
    /// The mapping, if it and the storage are what they were; else what is wrong, to be told to
    /// whoever may read the ledger.
    pub fn check(&self) -> Result<MappingView, String> {
        let owner = Entry::of(self.ledger).ok_or("the ledger is gone")?.owner();
        let view = self.check_mapping(owner)?;
        let keys: Vec<Column> = (1..)
            .zip(&view.columns[..self.layout.keys])
            .map(|(number, key)| Column {
                name: format!("k{number}"),
                type_oid: key.type_oid,
                modifier: key.modifier,
                collation: key.collation,
                not_null: true,
            })
            .collect();
        let has_value = self.layout.value.is_some();
        for (table, columns) in [
            (self.pending, pending_columns(&keys, has_value)),
            (self.days, day_columns(&keys, has_value)),
            (self.openings, opening_columns(&keys, has_value)),
            (self.months, vec![column("month", pg_sys::DATEOID)]),
        ] {
            check_table(table, owner, &columns)
                .map_err(|what| format!("internal table {} {what}", relation_name(table)))?;
        }
        Ok(view)
    }

    fn check_mapping(&self, owner: pg_sys::Oid) -> Result<MappingView, String> {
        let changed = |what: &str| {
            format!(
                "its mapping view {} was changed: {what}",
                relation_name(self.mapped_moves)
            )
        };
        let view = MappingView::read(self.mapped_moves, self.ledger, self.layout)
            .map_err(|what| changed(&what))?;
        if Entry::of(self.mapped_moves).is_none_or(|entry| entry.owner() != owner) {
            return Err(changed("it belongs to another role"));
        }
        if !view.matches(&self.registered) {
            return Err(changed("it works out something else"));
        }
        Ok(view)
    }

    /// Every relation whose change may change what [`Self::check`] finds.
    pub fn relations(&self) -> [pg_sys::Oid; 6] {
        [
            self.ledger,
            self.pending,
            self.days,
            self.openings,
            self.months,
            self.mapped_moves,
        ]
    }
}

fn check_table(
    table: pg_sys::Oid,
    owner: pg_sys::Oid,
    columns: &[Column],
) -> Result<(), &'static str> {
    let entry = Entry::of(table).ok_or("is gone")?;
    if !entry.is_permanent_heap() {
        return Err("is not a permanent table any more");
    }
    if entry.owner() != owner {
        return Err("belongs to another role");
    }
    if entry.columns() != columns {
        return Err("has other columns than it was created with");
    }
    if entry.is_partition() || entry.has_children() {
        return Err("became part of an inheritance tree");
    }
    if entry.has_row_security() {
        return Err("has row-level security");
    }
    if entry.has_triggers_or_rules() {
        return Err("has triggers or rules");
    }
    Ok(())
}

fn column(name: &str, type_oid: pg_sys::Oid) -> Column {
    Column {
        name: name.to_owned(),
        type_oid,
        modifier: -1,
        collation: pg_sys::InvalidOid,
        not_null: true,
    }
}

fn numerics(columns: &mut Vec<Column>, names: &[&str]) {
    columns.extend(names.iter().map(|name| column(name, pg_sys::NUMERICOID)));
}

/// As `sql/ledger/storage.sql` creates them.
fn pending_columns(keys: &[Column], has_value: bool) -> Vec<Column> {
    let mut columns = keys.to_vec();
    columns.push(column("day", pg_sys::DATEOID));
    numerics(&mut columns, &["in_quantity", "out_quantity"]);
    columns.push(column("move_count", pg_sys::INT8OID));
    if has_value {
        numerics(&mut columns, &["value_change"]);
    }
    columns.push(column("captured_at", pg_sys::TIMESTAMPTZOID));
    columns
}

fn day_columns(keys: &[Column], has_value: bool) -> Vec<Column> {
    let mut columns = keys.to_vec();
    columns.push(column("month", pg_sys::DATEOID));
    columns.push(column("day", pg_sys::DATEOID));
    numerics(
        &mut columns,
        &["in_quantity", "out_quantity", "month_quantity"],
    );
    if has_value {
        numerics(&mut columns, &["value_change", "month_value"]);
    }
    columns.push(column("move_count", pg_sys::INT8OID));
    columns
}

fn opening_columns(keys: &[Column], has_value: bool) -> Vec<Column> {
    let mut columns = keys.to_vec();
    columns.push(column("month", pg_sys::DATEOID));
    numerics(&mut columns, &["quantity", "in_quantity"]);
    if has_value {
        numerics(&mut columns, &["value"]);
    }
    columns.push(column("move_count", pg_sys::INT8OID));
    columns
}
