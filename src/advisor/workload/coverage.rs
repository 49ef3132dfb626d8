//! `workload_coverage()`: every statement, and what became of it.

use pgrx::prelude::*;

use super::gather;
use crate::advisor::progress::Progress;
use crate::error::OrRaise;
use crate::whole_errors::whole;

// pgrx reads the columns off the signature, so that no alias can stand for them.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn workload_coverage(
    workload: Option<Vec<Option<String>>>,
    relations: Option<Vec<Option<pgrx::pg_sys::Oid>>>,
) -> TableIterator<
    'static,
    (
        name!(number, i32),
        name!(query, Option<String>),
        name!(calls, i64),
        name!(weight, f64),
        name!(weight_percent, f64),
        name!(status, &'static str),
        name!(reason, Option<String>),
    ),
> {
    whole(|| {
        let relations: Option<Vec<_>> = relations.map(|oids| oids.into_iter().flatten().collect());
        let coverage = gather(workload, relations.as_deref(), &mut Progress::new(None))
            .or_raise()
            .coverage;
        let total: f64 = coverage.iter().map(|entry| entry.weight).sum();
        TableIterator::new(coverage.into_iter().map(move |entry| {
            let percent = if total > 0.0 {
                100.0 * entry.weight / total
            } else {
                0.0
            };
            (
                i32::try_from(entry.number).unwrap_or(i32::MAX),
                entry.query,
                entry.calls as i64,
                entry.weight,
                percent,
                match entry.skipped {
                    Some(_) => "skipped",
                    None => "used",
                },
                entry.skipped,
            )
        }))
    })
}
