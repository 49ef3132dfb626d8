//! The workload that pg_stat_statements has recorded.

use pgrx::prelude::*;

use super::{Given, schema_of_extension};
use crate::advisor::subtransaction::rolled_back;
use crate::error::Failure;
use crate::sql::quote_identifier;

const TEXT_OF_OTHERS: &str = "<insufficient privilege>";

/// The statements of this database, those with most time first. Of one that several roles ran, text
/// and role are those of one of them, the one with most time: one role's text may be other code than
/// another's.
pub fn read() -> Result<Vec<Given>, Failure> {
    let schema = schema_of_extension("pg_stat_statements")?.ok_or_else(|| {
        unavailable("extension \"pg_stat_statements\" is not installed in this database").hint(
            "Add pg_stat_statements to shared_preload_libraries, restart, and run CREATE EXTENSION \
             pg_stat_statements; or pass the statements as workload => ARRAY['SELECT …'].",
        )
    })?;
    let query = format!(
        "SELECT (pg_catalog.array_agg(s.query ORDER BY s.total_exec_time DESC, s.userid, s.query) \
                    FILTER (WHERE s.query OPERATOR(pg_catalog.<>) '{TEXT_OF_OTHERS}'))[1], \
                pg_catalog.sum(s.calls)::float8, pg_catalog.sum(s.total_exec_time), \
                pg_catalog.sum(s.rows)::float8, s.queryid, \
                (pg_catalog.array_agg(s.userid ORDER BY s.total_exec_time DESC, s.userid, s.query) \
                    FILTER (WHERE s.query OPERATOR(pg_catalog.<>) '{TEXT_OF_OTHERS}'))[1] \
         FROM {}.pg_stat_statements s \
         WHERE s.dbid OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d \
               WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) \
         GROUP BY s.queryid ORDER BY 3 DESC, 1",
        quote_identifier(&schema)
    );
    rolled_back(|| select(&query)).map_err(|caught| {
        unavailable("pg_stat_statements cannot be read")
            .detail(caught.message)
            .hint(
                "Add pg_stat_statements to shared_preload_libraries and restart; or pass the \
                 statements as workload => ARRAY['SELECT …'].",
            )
    })?
}

fn unavailable(message: &str) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        message,
    )
}

fn select(query: &str) -> Result<Vec<Given>, Failure> {
    Ok(Spi::connect(|client| {
        let mut statements = Vec::new();
        for row in client.select(query, None, &[])? {
            let calls = row.get::<f64>(2)?.unwrap_or_default();
            let rows = row.get::<f64>(4)?;
            statements.push(Given {
                text: row.get::<String>(1)?,
                query_id: row.get::<i64>(5)?,
                role: row.get::<pgrx::pg_sys::Oid>(6)?,
                calls,
                total_time_ms: row.get::<f64>(3)?,
                rows_per_call: rows.filter(|_| calls > 0.0).map(|rows| rows / calls),
            });
        }
        Ok::<_, pgrx::spi::Error>(statements)
    })?)
}
