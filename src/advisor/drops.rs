//! `advise_index_drops()`: indexes that cost more than they give.

use pgrx::datum::Interval;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::workload::check_relations;
use crate::error::{Failure, OrRaise, required};
use crate::executor::{raw_function, return_rows};
use crate::security;

const QUERY: &str = include_str!("../../sql/advisor/drops.sql");

raw_function!(
    /// `advise_index_drops(relations, unused_after)`
    pg_finfo_inventory_perf_index_drops,
    inventory_perf_index_drops,
    index_drops
);

unsafe fn index_drops(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the arguments are declared with these types.
    let (relations, unused_after) = unsafe {
        (
            pgrx::fcinfo::pg_getarg::<Vec<Option<pg_sys::Oid>>>(call, 0),
            required(pgrx::fcinfo::pg_getarg::<Interval>(call, 1), "unused_after")?,
        )
    };
    if unused_after.as_micros() < 0 {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "argument \"unused_after\" must not be negative",
        )
        .hint("Pass how long an index must have had no scan, for example '30 days'."));
    }
    let relations: Option<Vec<pg_sys::Oid>> =
        relations.map(|oids| oids.into_iter().flatten().collect());
    check_relations(relations.as_deref())?;
    let relations = match relations {
        None => "NULL::oid[]".to_owned(),
        Some(oids) => {
            let oids: Vec<String> = oids.iter().map(|oid| oid.to_u32().to_string()).collect();
            format!("'{{{}}}'::oid[]", oids.join(","))
        }
    };
    let query = QUERY.replace("{relations}", &relations).replace(
        "{unused_after}",
        &format!(
            "make_interval(secs => {}::float8 / 1000000)",
            unused_after.as_micros()
        ),
    );
    // SAFETY: the current call.
    security::with_safe_path(|| unsafe { return_rows(call, &query) })
}
