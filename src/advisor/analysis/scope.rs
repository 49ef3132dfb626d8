//! What analysis has to know before it looks at the first statement.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::collections::HashSet;

use super::nodes;
use crate::error::Failure;
use crate::security;
use crate::sql::quote_identifier;

/// What concerns every statement of a workload.
#[derive(Default)]
pub struct Scope {
    pub trigrams: Option<Trigrams>,
    /// Collations that compare bytes.
    pub byte_order: HashSet<pg_sys::Oid>,
    /// Tables of the extension's own.
    own: HashSet<pg_sys::Oid>,
    own_schema: pg_sys::Oid,
    information_schema: pg_sys::Oid,
    /// Only statements that use one of these count.
    pub only: Option<HashSet<pg_sys::Oid>>,
}

pub struct Trigrams {
    /// The schema of pg_trgm, quoted.
    pub schema: String,
    pub family: pg_sys::Oid,
}

/// What a relation is to the advisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Eligible,
    System,
    Own,
    Temporary,
    Foreign,
    /// A view, which stands for its tables.
    Transparent,
    Other,
}

impl Scope {
    pub fn load(only: Option<&[pg_sys::Oid]>) -> Result<Self, Failure> {
        let mut scope = Self {
            only: only.map(|relations| relations.iter().copied().collect()),
            trigrams: trigrams()?,
            ..Self::default()
        };
        scope.byte_order = oids(
            "SELECT c.oid FROM pg_catalog.pg_collation c \
             WHERE c.collprovider = 'c' AND c.collcollate IN ('C', 'POSIX') \
             UNION ALL SELECT 100::oid FROM pg_catalog.pg_database d \
             WHERE d.datname = pg_catalog.current_database() \
               AND d.datlocprovider = 'c' AND d.datcollate IN ('C', 'POSIX')",
        )?;
        // SAFETY: catalog look-ups by name.
        unsafe {
            scope.own_schema = pg_sys::get_namespace_oid(c"inventory_perf".as_ptr(), true);
            scope.information_schema =
                pg_sys::get_namespace_oid(c"information_schema".as_ptr(), true);
        }
        let owner = security::extension_owner()?;
        scope.own = security::run_as(owner, || {
            oids(
                "SELECT r FROM inventory_perf.ledger l, \
                 LATERAL (VALUES (l.pending::oid), (l.days::oid), (l.openings::oid), \
                                 (l.months::oid)) AS v (r)",
            )
        })?;
        Ok(scope)
    }

    pub fn standing(&self, relation: pg_sys::Oid) -> Standing {
        // SAFETY: catalog look-ups by value; a relation that is gone gives zeros.
        unsafe {
            let kind = pg_sys::get_rel_relkind(relation) as u8;
            if kind == 0 {
                return Standing::Other;
            }
            let schema = pg_sys::get_rel_namespace(relation);
            if pg_sys::IsCatalogRelationOid(relation)
                || schema == pg_sys::Oid::from(pg_sys::PG_CATALOG_NAMESPACE)
                || schema == self.information_schema
                || pg_sys::IsToastNamespace(schema)
            {
                return Standing::System;
            }
            if kind == pg_sys::RELKIND_VIEW {
                return Standing::Transparent;
            }
            if schema == self.own_schema || self.own.contains(&relation) {
                return Standing::Own;
            }
            if kind == pg_sys::RELKIND_FOREIGN_TABLE {
                return Standing::Foreign;
            }
            if pg_sys::get_rel_persistence(relation) as u8 == pg_sys::RELPERSISTENCE_TEMP {
                return Standing::Temporary;
            }
            match kind {
                pg_sys::RELKIND_RELATION
                | pg_sys::RELKIND_PARTITIONED_TABLE
                | pg_sys::RELKIND_MATVIEW => Standing::Eligible,
                _ => Standing::Other,
            }
        }
    }

    /// Whether the operator is one that an index with trigrams answers.
    pub fn answers_with_trigrams(&self, operator: pg_sys::Oid) -> bool {
        match &self.trigrams {
            // SAFETY: a catalog look-up by value.
            Some(trigrams) => unsafe {
                pg_sys::get_op_opfamily_strategy(operator, trigrams.family) != 0
            },
            None => false,
        }
    }
}

fn trigrams() -> Result<Option<Trigrams>, Failure> {
    let found = Spi::connect(|client| {
        let rows = client.select(
            "SELECT n.nspname::text, c.opcfamily FROM pg_catalog.pg_extension e \
             JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
             JOIN pg_catalog.pg_opclass c ON c.opcnamespace = n.oid \
              AND c.opcname = 'gin_trgm_ops' \
             WHERE e.extname = 'pg_trgm'",
            Some(1),
            &[],
        )?;
        if rows.is_empty() {
            return Ok((None, None));
        }
        rows.first().get_two::<String, pg_sys::Oid>()
    })?;
    Ok(match found {
        (Some(schema), Some(family)) => Some(Trigrams {
            schema: quote_identifier(&schema),
            family,
        }),
        _ => None,
    })
}

fn oids(query: &str) -> Result<HashSet<pg_sys::Oid>, Failure> {
    Ok(Spi::connect(|client| {
        let mut found = HashSet::new();
        for row in client.select(query, None, &[])? {
            found.extend(row.get::<pg_sys::Oid>(1)?);
        }
        Ok::<_, pgrx::spi::Error>(found)
    })?)
}

/// A relation's name for messages.
pub fn relation_name(relation: pg_sys::Oid) -> String {
    // SAFETY: a catalog look-up by value.
    unsafe { nodes::string(pg_sys::get_rel_name(relation)) }
        .unwrap_or_else(|| relation.to_u32().to_string())
}
