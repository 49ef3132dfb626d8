//! What the catalogs and the statistics say of a table.

use super::index::{IndexDefinition, Relation};

#[derive(Debug, Clone)]
pub struct TableFacts {
    pub relation: Relation,
    pub kind: TableKind,
    /// Estimated as the planner does; of a partitioned table, all of its partitions together.
    pub rows: f64,
    pub pages: f64,
    pub columns: Vec<ColumnFacts>,
    /// Valid ones and invalid ones.
    pub indexes: Vec<ExistingIndex>,
    /// Columns of the primary key.
    pub primary_key: Vec<String>,
    /// Schema of pg_trgm, where it is installed, as a SQL name.
    pub trigrams: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    Table,
    Partitioned,
    MaterializedView,
}

#[derive(Debug, Clone)]
pub struct ColumnFacts {
    pub name: String,
    /// Domains replaced by their base type.
    pub type_oid: u32,
    pub not_null: bool,
    /// Average width in bytes; of the type where there are no statistics.
    pub width: f64,
    pub null_fraction: f64,
    /// Distinct values, estimated; `None` without statistics that the caller may read.
    pub distinct: Option<f64>,
    /// Of the physical order with the column's order, −1 to 1.
    pub correlation: Option<f64>,
    /// Most common values as text, with their share of the rows, most common first.
    pub common: Vec<(String, f64)>,
    /// Bounds of a histogram over the other values, as text, ascending.
    pub bounds: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct ExistingIndex {
    pub oid: u32,
    pub name: String,
    /// Opclass, collation, expressions and predicate spelled as those of candidates are.
    pub definition: IndexDefinition,
    pub unique: bool,
    pub valid: bool,
    /// Behind a primary key, unique or exclusion constraint.
    pub constraint: bool,
    pub bytes: f64,
}

impl TableFacts {
    pub fn column(&self, name: &str) -> Option<&ColumnFacts> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether a valid index does already what this one would.
    pub fn has(&self, wanted: &IndexDefinition) -> bool {
        self.indexes
            .iter()
            .any(|index| index.valid && wanted.is_prefix_of(&index.definition))
    }
}
