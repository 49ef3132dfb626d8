//! What the catalogs and the statistics say of a table.

mod indexes;
mod joins;

use pgrx::pg_sys;
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

use super::analysis::scope::Scope;
use super::analysis::shape::QueryShape;
use super::index::{IndexDefinition, Relation};
use crate::error::Failure;

#[derive(Debug, Clone)]
pub struct TableFacts {
    pub relation: Relation,
    pub kind: TableKind,
    /// Estimated as the planner does; of a partitioned table, all of its partitions together.
    pub rows: f64,
    pub pages: f64,
    /// Tables in which the rows are: one, or every partition.
    pub parts: u64,
    pub columns: Vec<ColumnFacts>,
    /// Columns whose combinations are known, the most columns first, and how many there are.
    pub together: Vec<(BTreeSet<String>, f64)>,
    /// Valid ones and invalid ones.
    pub indexes: Vec<ExistingIndex>,
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
    pub name: String,
    /// Opclass, collation, expressions and predicate spelled as those of candidates are.
    pub definition: IndexDefinition,
    pub unique: bool,
    pub valid: bool,
    /// Behind a primary key, unique or exclusion constraint.
    pub constraint: bool,
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

    /// For tests of what is pure.
    #[cfg(test)]
    pub fn of_columns(columns: Vec<ColumnFacts>) -> Self {
        Self {
            relation: Relation {
                oid: 1,
                schema: "public".into(),
                name: "items".into(),
            },
            kind: TableKind::Table,
            rows: 1_000_000.0,
            pages: 20_000.0,
            parts: 1,
            columns,
            together: Vec::new(),
            indexes: Vec::new(),
            trigrams: Some("\"public\"".into()),
        }
    }
}

/// Reads what is known of a table.
pub fn load(relation: u32, scope: &Scope) -> Result<TableFacts, Failure> {
    let oid = Oid::from(relation);
    let (schema, name, kind, pages, rows, parts) = Spi::connect(|client| {
        let found = client
            .select(
                include_str!("../../sql/advisor/table_size.sql"),
                Some(1),
                &[oid.into()],
            )?
            .first();
        Ok::<_, pgrx::spi::Error>((
            found.get::<String>(1)?.unwrap_or_default(),
            found.get::<String>(2)?.unwrap_or_default(),
            found.get::<String>(3)?.unwrap_or_default(),
            found.get::<f64>(4)?.unwrap_or_default(),
            found.get::<f64>(5)?.unwrap_or_default(),
            found.get::<i64>(6)?.unwrap_or_default(),
        ))
    })?;
    let relation = Relation {
        oid: relation,
        schema,
        name,
    };
    let indexes = indexes::load(&relation);
    let mut together = combinations(oid)?;
    together.extend(
        indexes
            .iter()
            .filter_map(|index| unique_columns(index, rows)),
    );
    together.sort_by_key(|(columns, _)| std::cmp::Reverse(columns.len()));
    Ok(TableFacts {
        kind: match kind.as_str() {
            "p" => TableKind::Partitioned,
            "m" => TableKind::MaterializedView,
            _ => TableKind::Table,
        },
        rows,
        pages,
        parts: u64::try_from(parts).unwrap_or_default(),
        columns: columns(oid, rows)?,
        together,
        indexes,
        trigrams: scope
            .trigrams
            .as_ref()
            .map(|trigrams| trigrams.schema.clone()),
        relation,
    })
}

/// Adds what the joins of statements tell of columns together.
pub fn learn_from_joins<'a>(
    tables: &mut BTreeMap<u32, TableFacts>,
    shapes: impl Iterator<Item = &'a QueryShape>,
) {
    let mut together = tables
        .iter_mut()
        .map(|(oid, table)| (*oid, std::mem::take(&mut table.together)))
        .collect();
    joins::infer(&mut together, shapes);
    for (oid, known) in together {
        if let Some(table) = tables.get_mut(&oid) {
            table.together = known;
        }
    }
}

/// Columns of a unique index, of which each row has another combination.
fn unique_columns(index: &ExistingIndex, rows: f64) -> Option<(BTreeSet<String>, f64)> {
    let whole = index.unique && index.valid && index.definition.predicate.is_none();
    let columns = index
        .definition
        .keys
        .iter()
        .map(|key| key.column_name().map(str::to_owned))
        .collect::<Option<BTreeSet<String>>>()?;
    (whole && columns.len() > 1).then_some((columns, rows))
}

/// What extended statistics say of combinations of columns.
fn combinations(relation: Oid) -> Result<Vec<(BTreeSet<String>, f64)>, Failure> {
    Ok(Spi::connect(|client| {
        let found = client.select(
            include_str!("../../sql/advisor/table_combinations.sql"),
            None,
            &[relation.into()],
        )?;
        let mut combinations = Vec::with_capacity(found.len());
        for row in found {
            let columns = row.get::<Vec<String>>(1)?.unwrap_or_default();
            let count = row.get::<f64>(2)?.unwrap_or(1.0);
            combinations.push((BTreeSet::from_iter(columns), count));
        }
        Ok::<_, pgrx::spi::Error>(combinations)
    })?)
}

fn columns(relation: Oid, rows: f64) -> Result<Vec<ColumnFacts>, Failure> {
    Ok(Spi::connect(|client| {
        let found = client.select(
            include_str!("../../sql/advisor/table_columns.sql"),
            None,
            &[relation.into()],
        )?;
        let mut columns = Vec::with_capacity(found.len());
        for row in found {
            let type_oid = row.get::<Oid>(2)?.unwrap_or(pg_sys::InvalidOid);
            let modifier = row.get::<i32>(3)?.unwrap_or(-1);
            // SAFETY: catalog look-ups by value.
            let (base_type, type_width) = unsafe {
                (
                    pg_sys::getBaseType(type_oid),
                    pg_sys::get_typavgwidth(type_oid, modifier),
                )
            };
            let distinct = row.get::<f64>(6)?.filter(|distinct| *distinct != 0.0);
            let values = row.get::<Vec<Option<String>>>(8)?.unwrap_or_default();
            let shares = row.get::<Vec<Option<f64>>>(9)?.unwrap_or_default();
            columns.push(ColumnFacts {
                name: row.get::<String>(1)?.unwrap_or_default(),
                type_oid: base_type.to_u32(),
                width: row.get::<f64>(4)?.unwrap_or(f64::from(type_width)),
                null_fraction: row.get::<f64>(5)?.unwrap_or_default(),
                distinct: distinct.map(|distinct| {
                    if distinct < 0.0 {
                        -distinct * rows
                    } else {
                        distinct
                    }
                }),
                correlation: row.get::<f64>(7)?,
                common: values
                    .into_iter()
                    .zip(shares)
                    .filter_map(|(value, share)| Some((value?, share?)))
                    .collect(),
                bounds: row
                    .get::<Vec<Option<String>>>(10)?
                    .unwrap_or_default()
                    .into_iter()
                    .flatten()
                    .collect(),
            });
        }
        Ok::<_, pgrx::spi::Error>(columns)
    })?)
}
