//! What was written to tables in the period of the workload.

use pgrx::prelude::*;
use std::collections::BTreeMap;

use super::writes::TableWrites;
use crate::error::Failure;
use crate::security;
use crate::sql::qualified;

/// Updates from which on their heap-only share means something.
const ENOUGH_UPDATES: f64 = 100.0;
/// The share that is taken otherwise.
const USUAL_SHARE: f64 = 0.5;

/// Reads the counters of tables. Only a recorded workload has a period, the time since it was
/// reset; otherwise the counters say how many updates are heap-only, not how many there are.
pub fn counted(
    tables: impl Iterator<Item = u32>,
    recorded: bool,
) -> Result<BTreeMap<u32, TableWrites>, Failure> {
    security::with_safe_path(|| {
        let share = if recorded { share_of_period()? } else { 0.0 };
        tables
            .map(|table| Ok((table, read(table, share)?)))
            .collect()
    })
}

fn read(table: u32, share: f64) -> Result<TableWrites, Failure> {
    Ok(Spi::connect(|client| {
        let row = client
            .select(
                include_str!("../../sql/advisor/table_writes.sql"),
                Some(1),
                &[pg_sys::Oid::from(table).into()],
            )?
            .first();
        let value = |column| Ok::<f64, pgrx::spi::Error>(row.get::<f64>(column)?.unwrap_or(0.0));
        let (updated, heap_only) = (value(3)?, value(4)?);
        Ok::<_, pgrx::spi::Error>(TableWrites {
            inserted: share * value(1)?,
            deleted: share * value(2)?,
            updated: share * updated,
            heap_only: if updated >= ENOUGH_UPDATES {
                heap_only / updated
            } else {
                USUAL_SHARE
            },
            ..TableWrites::default()
        })
    })?)
}

/// Of the time that the tables' counters cover, the share that pg_stat_statements covers. Nothing
/// if either is not known.
pub fn share_of_period() -> Result<f64, Failure> {
    Ok(Spi::connect(|client| {
        let schema = client
            .select(
                "SELECT n.nspname::text FROM pg_catalog.pg_extension e \
                 JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
                 JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid \
                    AND c.relname = 'pg_stat_statements_info' \
                 WHERE e.extname = 'pg_stat_statements'",
                Some(1),
                &[],
            )?
            .map(|row| row.get::<String>(1))
            .next()
            .transpose()?
            .flatten();
        let Some(schema) = schema else {
            return Ok(0.0);
        };
        let query = format!(
            "SELECT least(1, extract(epoch FROM now() - i.stats_reset) \
                / nullif(extract(epoch FROM now() - d.stats_reset), 0))::float8 \
             FROM {} i, pg_catalog.pg_stat_database d \
             WHERE d.datname = pg_catalog.current_database()",
            qualified(&schema, "pg_stat_statements_info")
        );
        let share = client
            .select(&query, Some(1), &[])?
            .map(|row| row.get::<f64>(1))
            .next()
            .transpose()?
            .flatten();
        Ok::<_, pgrx::spi::Error>(share.unwrap_or(0.0))
    })?)
}
