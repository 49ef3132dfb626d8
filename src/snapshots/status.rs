//! What the view `inventory_perf.ledgers` shows.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::time::Duration;

use crate::attempt::{Limits, attempt};
use crate::error::{Failure, OrRaise};
use crate::ledger::registry::{self, Ledger, State, relation_name};
use crate::security;
use crate::whole_errors::whole;

/// One ledger must not keep a look at the others waiting.
const LIMITS: Limits = Limits::new(Duration::from_secs(5), Duration::from_millis(100));

// pgrx reads the columns off the signature, so that no alias can stand for them.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn ledger_status() -> TableIterator<
    'static,
    (
        name!(ledger, pg_sys::Oid),
        name!(state, String),
        name!(target_schema, String),
        name!(prefix, String),
        name!(mapping, pgrx::JsonB),
        name!(pending_rows, Option<i64>),
        name!(oldest_pending, Option<TimestampWithTimeZone>),
        name!(last_fold, Option<TimestampWithTimeZone>),
        name!(storage_bytes, Option<i64>),
        name!(last_error, Option<String>),
        name!(last_error_at, Option<TimestampWithTimeZone>),
    ),
> {
    whole(|| {
        let status = security::with_safe_path(|| {
            let mut rows = Vec::new();
            for oid in registry::all()? {
                if !super::guard::may_read(oid) {
                    continue;
                }
                // What cannot be found out now is left open.
                let ledger = attempt(LIMITS, || registry::find(oid));
                let figures = match &ledger {
                    Ok(Some(ledger)) => attempt(LIMITS, || figures(ledger)).unwrap_or_default(),
                    Ok(None) => continue,
                    Err(_) => Figures::default(),
                };
                let activity = activity(oid)?;
                let (ledger, error) = match ledger {
                    Ok(ledger) => (ledger, activity.error),
                    Err(failure) => (None, Some(failure.message().to_owned())),
                };
                let mapping = ledger.as_ref().map(|ledger| &ledger.mapping);
                let mapping = serde_json::to_value(mapping).unwrap_or_default();
                let (state, schema, prefix) = match ledger {
                    Some(ledger) => (ledger.state, ledger.schema, ledger.prefix),
                    None => (State::Stale, String::new(), String::new()),
                };
                rows.push((
                    oid,
                    state.name().to_owned(),
                    schema,
                    prefix,
                    pgrx::JsonB(mapping),
                    figures.pending_rows,
                    figures.oldest_pending,
                    activity.last_fold,
                    figures.storage_bytes,
                    error,
                    activity.failed_at,
                ));
            }
            Ok::<_, Failure>(rows)
        });
        TableIterator::new(status.or_raise())
    })
}

#[derive(Default)]
struct Figures {
    pending_rows: Option<i64>,
    oldest_pending: Option<TimestampWithTimeZone>,
    storage_bytes: Option<i64>,
}

/// None where a table of the storage is locked.
fn figures(ledger: &Ledger) -> Result<Figures, Failure> {
    let tables = [ledger.pending, ledger.days, ledger.openings, ledger.months];
    let is_free = tables.iter().all(|table| {
        // SAFETY: a lock by number; the transaction holds it until it ends.
        unsafe {
            pg_sys::ConditionalLockRelationOid(*table, pg_sys::AccessShareLock as pg_sys::LOCKMODE)
        }
    });
    if !is_free {
        return Ok(Figures::default());
    }
    let pending = format!(
        "SELECT count(*), min(captured_at), pg_catalog.pg_total_relation_size($1) \
             + pg_catalog.pg_total_relation_size($2) + pg_catalog.pg_total_relation_size($3) \
             + pg_catalog.pg_total_relation_size($4) FROM {}",
        relation_name(ledger.pending)
    );
    let arguments: Vec<_> = tables.iter().map(|table| (*table).into()).collect();
    let (pending_rows, oldest_pending, storage_bytes) = security::run_as(ledger.owner, || {
        Spi::connect(|client| {
            client
                .select(&pending, Some(1), &arguments)?
                .first()
                .get_three::<i64, TimestampWithTimeZone, i64>()
        })
    })?;
    Ok(Figures {
        pending_rows,
        oldest_pending,
        storage_bytes,
    })
}

#[derive(Default)]
struct Activity {
    last_fold: Option<TimestampWithTimeZone>,
    error: Option<String>,
    failed_at: Option<TimestampWithTimeZone>,
}

fn activity(ledger: pg_sys::Oid) -> Result<Activity, Failure> {
    let owner = security::extension_owner()?;
    security::run_as(owner, || {
        Spi::connect(|client| {
            let row = client
                .select(
                    "SELECT a.last_fold, e.message, e.failed_at \
                     FROM inventory_perf.ledger_activity a \
                     FULL JOIN inventory_perf.ledger_error e USING (ledger) \
                     WHERE ledger = $1::oid",
                    Some(1),
                    &[ledger.into()],
                )?
                .first();
            if row.is_empty() {
                return Ok(Activity::default());
            }
            let (last_fold, error, failed_at) = row.get_three()?;
            Ok(Activity {
                last_fold,
                error,
                failed_at,
            })
        })
    })
}
