//! What deleting a row, or changing its key, makes PostgreSQL ask of the tables that refer to it.
//! No plan shows it, so it counts as statements of its own.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::advisor::analysis::shape::{Command, QueryShape};
use crate::advisor::period;
use crate::error::Failure;

/// A table, and what is asked of it.
pub type Check = (pg_sys::Oid, String);

/// The statements by which PostgreSQL checks foreign keys when the given one runs.
pub fn checks(shape: &QueryShape) -> Result<Vec<Check>, Failure> {
    let Some(written) = &shape.written else {
        return Ok(Vec::new());
    };
    let columns = match shape.command {
        Command::Delete => None,
        Command::Update => Some(written.columns.clone()),
        _ => return Ok(Vec::new()),
    };
    asked(written.relation.into(), columns, true)
}

/// What one deletion from the table makes PostgreSQL ask; of what it cascades to, nothing.
pub fn checks_of_deletion(relation: pg_sys::Oid) -> Result<Vec<Check>, Failure> {
    asked(relation, None, false)
}

fn asked(
    relation: pg_sys::Oid,
    columns: Option<Vec<String>>,
    cascades: bool,
) -> Result<Vec<Check>, Failure> {
    Ok(Spi::connect(|client| {
        let mut texts = Vec::new();
        for row in client.select(
            include_str!("../../../sql/advisor/foreign_keys.sql"),
            None,
            &[relation.into(), columns.into(), cascades.into()],
        )? {
            if let (Some(text), Some(relation)) = (row.get(1)?, row.get(2)?) {
                texts.push((relation, text));
            }
        }
        Ok::<_, pgrx::spi::Error>(texts)
    })?)
}

/// Tables that foreign keys refer to, with the rows deleted from them in the period of a recorded
/// workload: by any statement, and by what cascades.
pub fn deletions() -> Result<Vec<(pg_sys::Oid, f64)>, Failure> {
    let share = period::share_of_period()?;
    Ok(Spi::connect(|client| {
        let mut deletions = Vec::new();
        for row in client.select(
            include_str!("../../../sql/advisor/deletions.sql"),
            None,
            &[],
        )? {
            if let (Some(relation), Some(rows)) = (row.get(1)?, row.get::<f64>(2)?) {
                deletions.push((relation, share * rows));
            }
        }
        Ok::<_, pgrx::spi::Error>(deletions)
    })?)
}
