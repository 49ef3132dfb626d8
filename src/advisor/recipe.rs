//! The statements that build an index: one for a table, several for a partitioned one.

use pgrx::prelude::*;
use std::collections::{HashMap, HashSet};

use super::facts::TableKind;
use super::index::{IndexDefinition, Relation};
use crate::error::Failure;
use crate::security;
use crate::sql::qualified;

#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub create_ddl: String,
    pub rollback_ddl: String,
    pub relation: u32,
}

/// Names that are handed out, so that none is handed out twice.
#[derive(Default)]
pub struct Names {
    given: HashSet<(String, String)>,
}

impl Names {
    pub fn of(&mut self, definition: &IndexDefinition) -> Result<String, Failure> {
        let schema = &definition.relation.schema;
        let taken = taken(schema)?;
        let name = definition.name(|name| {
            taken.contains(name) || self.given.contains(&(schema.clone(), name.to_owned()))
        });
        self.given.insert((schema.clone(), name.clone()));
        Ok(name)
    }
}

fn taken(schema: &str) -> Result<HashSet<String>, Failure> {
    security::with_safe_path(|| {
        Spi::connect(|client| {
            client
                .select(
                    "SELECT c.relname::text FROM pg_catalog.pg_class c \
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = $1",
                    None,
                    &[schema.into()],
                )?
                .map(|row| Ok(row.get::<String>(1)?.unwrap_or_default()))
                .collect()
        })
    })
}

struct Part {
    relation: Relation,
    parent: u32,
    partitioned: bool,
}

/// What to run, in this order, outside a transaction.
pub fn steps(
    definition: &IndexDefinition,
    kind: TableKind,
    names: &mut Names,
) -> Result<Vec<Step>, Failure> {
    let name = names.of(definition)?;
    let oid = definition.relation.oid;
    if kind != TableKind::Partitioned {
        return Ok(vec![Step {
            create_ddl: definition.create_ddl(&name, true),
            rollback_ddl: definition.rollback_ddl(&name, true),
            relation: oid,
        }]);
    }
    // CONCURRENTLY is not there for partitioned tables: an empty index of the parent comes first,
    // one of each partition is built concurrently, and attached. With the last one it is valid.
    let mut steps = vec![Step {
        create_ddl: definition.create_on_only_ddl(&name),
        rollback_ddl: definition.rollback_ddl(&name, false),
        relation: oid,
    }];
    let mut attach = Vec::new();
    let mut of = HashMap::from([(oid, qualified(&definition.relation.schema, &name))]);
    for part in parts(oid)? {
        let local = definition.on(part.relation.clone());
        let name = names.of(&local)?;
        let index = qualified(&part.relation.schema, &name);
        let rollback = format!(
            "DROP INDEX {}IF EXISTS {index}",
            if part.partitioned {
                ""
            } else {
                "CONCURRENTLY "
            }
        );
        steps.push(Step {
            create_ddl: if part.partitioned {
                local.create_on_only_ddl(&name)
            } else {
                local.create_ddl(&name, true)
            },
            rollback_ddl: rollback.clone(),
            relation: part.relation.oid,
        });
        if let Some(parent) = of.get(&part.parent) {
            attach.push(Step {
                create_ddl: format!("ALTER INDEX {parent} ATTACH PARTITION {index}"),
                rollback_ddl: rollback,
                relation: part.relation.oid,
            });
        }
        of.insert(part.relation.oid, index);
    }
    steps.extend(attach);
    Ok(steps)
}

/// Partitions at every level, parents first.
fn parts(relation: u32) -> Result<Vec<Part>, Failure> {
    security::with_safe_path(|| {
        Spi::connect(|client| {
            client
                .select(
                    include_str!("../../sql/advisor/partitions.sql"),
                    None,
                    &[pg_sys::Oid::from(relation).into()],
                )?
                .map(|row| {
                    Ok(Part {
                        relation: Relation {
                            oid: row.get::<pg_sys::Oid>(1)?.map_or(0, pg_sys::Oid::to_u32),
                            schema: row.get::<String>(2)?.unwrap_or_default(),
                            name: row.get::<String>(3)?.unwrap_or_default(),
                        },
                        parent: row.get::<pg_sys::Oid>(4)?.map_or(0, pg_sys::Oid::to_u32),
                        partitioned: row.get::<bool>(5)?.unwrap_or_default(),
                    })
                })
                .collect()
        })
    })
}
