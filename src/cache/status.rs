//! cache_health() and cache_stats: whether the cache works, and how well.

use pgrx::datum::Interval;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::time::Duration;

use super::stats::{self, Counter, Miss};
use super::store::{self, ServerStatus};
use super::{breaker, table_store};
use crate::error::{Failure, OrRaise};
use crate::whole_errors::whole;
use crate::{security, shared_memory};

#[pg_extern(sql = false)]
#[expect(clippy::type_complexity, reason = "the columns of a SQL function")]
fn cache_health() -> TableIterator<
    'static,
    (
        name!(mode, String),
        name!(reachable, bool),
        name!(server_version, Option<String>),
        name!(run_id, Option<String>),
        name!(latency, Option<Interval>),
        name!(epoch_ok, bool),
        name!(lease_left, Option<Interval>),
        name!(breaker_state, String),
        name!(outbox_rows, i64),
        name!(outbox_age, Option<Interval>),
        name!(last_error, Option<String>),
    ),
> {
    whole(|| {
        let row = || {
            let recorded = Recorded::read()?;
            let asked = if is_in_recovery() {
                None
            } else {
                Some(store::call_always(|store| store.status()))
            };
            let (status, error) = match asked {
                Some(Ok(status)) => (Some(status), None),
                Some(Err(error)) => (None, Some(error.to_string())),
                None => (None, Some("the server is in recovery".to_owned())),
            };
            let is_confirmed = |status: &ServerStatus| {
                recorded.epoch.is_some()
                    && status.epoch == recorded.epoch
                    && Some(&status.run_id) == recorded.run_id.as_ref()
                    && status.batches.is_some_and(|batches| {
                        batches >= store::confirmed_batches(recorded.batches)
                    })
            };
            let mode = if store::is_redis() {
                "redis"
            } else {
                table_store::RUN_ID
            };
            let last_error = error
                .or_else(|| store::last_error().map(|error| error.to_string()))
                .or_else(|| {
                    let slot = shared_memory::this_slot()?;
                    shared_memory::last_error(slot).map(|(_, text)| text)
                });
            Ok::<_, Failure>((
                mode.to_owned(),
                status.is_some(),
                status.as_ref().and_then(|status| status.version.clone()),
                status.as_ref().map(|status| status.run_id.clone()),
                status.as_ref().map(|status| interval(status.latency)),
                status.as_ref().is_some_and(is_confirmed),
                status.as_ref().and_then(lease),
                breaker::state().name().to_owned(),
                recorded.outbox_rows,
                recorded.outbox_age,
                last_error,
            ))
        };
        TableIterator::once(row().or_raise())
    })
}

#[pg_extern(sql = false)]
#[expect(clippy::type_complexity, reason = "the columns of a SQL function")]
fn cache_stats_row() -> TableIterator<
    'static,
    (
        name!(scope, String),
        name!(hits, i64),
        name!(misses, i64),
        name!(misses_by_reason, pgrx::JsonB),
        name!(fills, i64),
        name!(fills_refused, i64),
        name!(fills_too_large, i64),
        name!(bytes_read, i64),
        name!(bytes_written, i64),
        name!(store_calls, i64),
        name!(mean_latency, Option<Interval>),
        name!(p50_latency, Option<Interval>),
        name!(p99_latency, Option<Interval>),
        name!(max_latency, Option<Interval>),
        name!(breaker_state, String),
        name!(outbox_rows, i64),
        name!(outbox_age, Option<Interval>),
        name!(lease_left, Option<Interval>),
    ),
> {
    whole(|| {
        let row = || {
            let recorded = Recorded::read()?;
            let count = |counter| stats::get(counter) as i64;
            let misses: i64 = Miss::ALL
                .iter()
                .map(|miss| count(Counter::Missed(*miss)))
                .sum();
            let reasons: serde_json::Map<String, serde_json::Value> = Miss::ALL
                .iter()
                .map(|miss| {
                    let times = count(Counter::Missed(*miss));
                    (miss.name().to_owned(), times.into())
                })
                .collect();
            let calls = stats::get(Counter::Calls);
            let of_calls = |microseconds: Option<u64>| {
                microseconds
                    .filter(|_| calls > 0)
                    .map(|microseconds| interval(Duration::from_micros(microseconds)))
            };
            let lease_left = if store::is_redis() && !is_in_recovery() {
                store::call(|store| store.status())
                    .ok()
                    .as_ref()
                    .and_then(lease)
            } else {
                None
            };
            Ok::<_, Failure>((
                stats::scope().to_owned(),
                count(Counter::Hits),
                misses,
                pgrx::JsonB(reasons.into()),
                count(Counter::Fills),
                count(Counter::FillsRefused),
                count(Counter::FillsTooLarge),
                count(Counter::BytesRead),
                count(Counter::BytesWritten),
                calls as i64,
                of_calls(stats::get(Counter::CallMicroseconds).checked_div(calls)),
                of_calls(stats::quantile(0.5)),
                of_calls(stats::quantile(0.99)),
                of_calls(Some(stats::get(Counter::SlowestCall))),
                breaker::state().name().to_owned(),
                recorded.outbox_rows,
                recorded.outbox_age,
                lease_left,
            ))
        };
        TableIterator::once(row().or_raise())
    })
}

fn interval(duration: Duration) -> Interval {
    Interval::from_micros(duration.as_micros() as i64)
}

fn lease(status: &ServerStatus) -> Option<Interval> {
    status.lease_left.map(interval)
}

fn is_in_recovery() -> bool {
    // SAFETY: reads the state of the server.
    unsafe { pg_sys::RecoveryInProgress() }
}

/// What the database knows of the cache.
#[derive(Default)]
struct Recorded {
    epoch: Option<String>,
    run_id: Option<String>,
    batches: i64,
    outbox_rows: i64,
    outbox_age: Option<Interval>,
}

impl Recorded {
    fn read() -> Result<Self, Failure> {
        let state = if is_in_recovery() {
            // a table that is not logged cannot be read there
            "(SELECT NULL::text, NULL::text, NULL::bigint)"
        } else {
            "(SELECT s.epoch, s.run_id, s.batches FROM inventory_perf.cache_state s)"
        };
        let query = format!(
            "SELECT s.epoch, s.run_id, s.batches, o.count, o.age \
             FROM (SELECT pg_catalog.count(*), \
                          pg_catalog.clock_timestamp() - pg_catalog.min(q.captured_at) AS age \
                   FROM inventory_perf.cache_outbox q) o \
             LEFT JOIN {state} s (epoch, run_id, batches) ON true"
        );
        security::run_as(security::owner_of_tables()?, || {
            Spi::connect(|client| {
                let row = client.select(&query, Some(1), &[])?.first();
                Ok(Self {
                    epoch: row.get::<String>(1)?,
                    run_id: row.get::<String>(2)?,
                    batches: row.get::<i64>(3)?.unwrap_or_default(),
                    outbox_rows: row.get::<i64>(4)?.unwrap_or_default(),
                    outbox_age: row.get::<Interval>(5)?,
                })
            })
        })
    }
}
