//! Where a table stands among partitions and inheritance children: a change of any part is a change
//! of the whole.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::Failure;
use crate::security;

/// The tag of everything that is cached from a table and its parts.
pub fn tag(root: pg_sys::Oid) -> String {
    format!("relation:{}", root.to_u32())
}

pub struct Ancestors {
    /// The table itself included.
    pub all: Vec<pg_sys::Oid>,
    /// Those that hang below no other table; several if a table inherits from several.
    pub roots: Vec<pg_sys::Oid>,
}

/// The roots of the trees that a table belongs to: itself if it is no part of another one.
pub fn roots(relation: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>, Failure> {
    Ok(look_up(relation)?.roots)
}

/// The ancestors of an open relation, without a query if it cannot have any.
pub fn ancestors(relation: pg_sys::Relation) -> Result<Ancestors, Failure> {
    // SAFETY: the caller keeps the relation open. A child's columns say that they are inherited.
    let (oid, is_child) = unsafe {
        let columns = pgrx::PgTupleDesc::from_pg_unchecked((*relation).rd_att);
        let inherits = columns.iter().any(|column| column.attinhcount > 0);
        (
            (*relation).rd_id,
            inherits || (*(*relation).rd_rel).relispartition || columns.is_empty(),
        )
    };
    if is_child {
        return look_up(oid);
    }
    Ok(Ancestors {
        all: vec![oid],
        roots: vec![oid],
    })
}

fn look_up(relation: pg_sys::Oid) -> Result<Ancestors, Failure> {
    security::with_safe_path(|| {
        let mut ancestors = Ancestors {
            all: Vec::new(),
            roots: Vec::new(),
        };
        Spi::connect(|client| {
            let query = include_str!("../../sql/cache/ancestors.sql");
            for row in client.select(query, None, &[relation.into()])? {
                let Some(member) = row.get::<pg_sys::Oid>(1)? else {
                    continue;
                };
                ancestors.all.push(member);
                if row.get::<bool>(2)? == Some(true) {
                    ancestors.roots.push(member);
                }
            }
            Ok::<_, pgrx::spi::Error>(())
        })?;
        Ok(ancestors)
    })
}
