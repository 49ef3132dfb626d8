//! What deleting a row, or changing its key, makes PostgreSQL ask of the tables that refer to it.
//! No plan shows it, so it counts as statements of its own.

use pgrx::prelude::*;

use crate::advisor::analysis::shape::{Command, QueryShape};
use crate::error::Failure;

/// The statements by which PostgreSQL checks foreign keys when the given one runs.
pub fn checks(shape: &QueryShape) -> Result<Vec<String>, Failure> {
    let Some(written) = &shape.written else {
        return Ok(Vec::new());
    };
    let columns = match shape.command {
        Command::Delete => None,
        Command::Update => Some(written.columns.clone()),
        _ => return Ok(Vec::new()),
    };
    let relation = pgrx::pg_sys::Oid::from(written.relation);
    Ok(Spi::connect(|client| {
        let mut texts = Vec::new();
        for row in client.select(
            include_str!("../../../sql/advisor/foreign_keys.sql"),
            None,
            &[relation.into(), columns.into()],
        )? {
            texts.extend(row.get::<String>(1)?);
        }
        Ok::<_, pgrx::spi::Error>(texts)
    })?)
}
