//! `populate_daily_stock_snapshots()` in both its forms.

use pgrx::datum::{Date, Interval};
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::time::{Duration, Instant};

use super::{audit, fold, guard};
use crate::attempt::{Limits, attempt};
use crate::error::{Failure, OrRaise, required};
use crate::ledger::registry::{self, Ledger};
use crate::ledger::{errors, members};
use crate::security;
use crate::whole_errors::whole;

/// Folds one ledger, or every ledger whose owner's rights the caller has.
#[pg_extern(sql = false)]
fn populate_ledger(
    ledger: Option<pg_sys::Oid>,
    until: Option<Date>,
) -> TableIterator<
    'static,
    (
        name!(ledger, pg_sys::Oid),
        name!(deltas_folded, i64),
        name!(snapshots_written, i64),
        name!(duration, Interval),
    ),
> {
    whole(|| {
        let populated = security::with_safe_path(|| match ledger {
            Some(ledger) => Ok(vec![populate(&registry::get_owned(ledger)?, until)?]),
            None => populate_all(until),
        });
        TableIterator::new(populated.or_raise())
    })
}

/// What one of many ledgers may take of the time, and of waiting for whoever has locked it.
const LIMITS: Limits = Limits::new(Duration::from_secs(3_600), Duration::from_secs(5));

type Populated = (pg_sys::Oid, i64, i64, Interval);

/// Folds every ledger of the caller's. One that cannot be folded does not keep the others from it.
fn populate_all(until: Option<Date>) -> Result<Vec<Populated>, Failure> {
    registry::require_writable(c"populate_daily_stock_snapshots()");
    let mut populated = Vec::new();
    for oid in registry::all()? {
        let folded = attempt(LIMITS, || {
            let Some(ledger) = registry::find(oid)? else {
                return Ok(None);
            };
            if !security::acts_for(ledger.owner) {
                return Ok(None);
            }
            populate(&ledger, until).map(Some)
        });
        match folded {
            Ok(folded) => populated.extend(folded),
            Err(failure) => {
                errors::record(oid, "folding", &failure);
                failure
                    .about(format!(
                        "ledger {} is not folded",
                        registry::relation_name(oid)
                    ))
                    .warn();
            }
        }
    }
    Ok(populated)
}

/// What was folded out of which table.
pub struct Pending {
    pub table: String,
    pub deltas: i64,
}

/// Folds a ledger if anything is pending, as the worker does.
pub fn fold_pending(ledger: pg_sys::Oid) -> Result<Option<Pending>, Failure> {
    let Some(ledger) = registry::find(ledger)? else {
        return Ok(None);
    };
    if ledger.state == registry::State::AwaitingBackfill {
        return Ok(None);
    }
    // Before a query meets what an owner may have put on the storage.
    if let Err(damage) = ledger.identity().check() {
        return Err(guard::damaged(&ledger.name, &damage));
    }
    security::with_safe_path(|| {
        let query = ledger
            .template()
            .fill("SELECT EXISTS (SELECT FROM {pending})");
        let is_pending = security::run_as(ledger.owner, || {
            Spi::connect(|client| {
                client
                    .select(&query, Some(1), &[])?
                    .first()
                    .get_one::<bool>()
            })
        })?;
        match is_pending {
            Some(true) if is_free(&ledger)? => populate(&ledger, None).map(|(_, deltas, ..)| {
                Some(Pending {
                    table: registry::relation_name(ledger.pending),
                    deltas,
                })
            }),
            _ => Ok(None),
        }
    })
}

fn own_ledgers() -> Result<Vec<Ledger>, Failure> {
    let mut ledgers = Vec::new();
    for oid in registry::all()? {
        let ledger = registry::get(oid)?;
        if security::acts_for(ledger.owner) {
            ledgers.push(ledger);
        }
    }
    Ok(ledgers)
}

fn populate(ledger: &Ledger, until: Option<Date>) -> Result<Populated, Failure> {
    let started = Instant::now();
    registry::lock_for_maintenance(ledger.oid, c"populate_daily_stock_snapshots()")?;
    let folded = fold::fold(ledger, until)?;
    let duration = Interval::from_micros(started.elapsed().as_micros() as i64);
    Ok((ledger.oid, folded.deltas, folded.snapshots, duration))
}

/// Whether nobody else is folding, filling or repairing the ledger, who would be waited for.
fn is_free(ledger: &Ledger) -> Result<bool, Failure> {
    security::run_as(security::extension_owner()?, || {
        Spi::connect_mut(|client| {
            let locked = client.update(
                "SELECT FROM inventory_perf.ledger_activity a \
                 WHERE a.ledger = $1::oid FOR UPDATE SKIP LOCKED",
                None,
                &[ledger.oid.into()],
            )?;
            Ok(!locked.is_empty())
        })
    })
}

/// Makes one tenant's days of a range right from the ledger itself, and returns how many
/// snapshots there are in it. The tenant comes as text, whatever its type.
#[pg_extern(sql = false)]
fn populate_tenant(
    tenant: Option<String>,
    start_date: Option<Date>,
    end_date: Option<Date>,
) -> i64 {
    whole(|| {
        (|| {
            let tenant = required(tenant, "tenant")?;
            let start = required(start_date, "start_date")?;
            let end = required(end_date, "end_date")?;
            if start.to_pg_epoch_days() > end.to_pg_epoch_days() {
                return Err(Failure::new(
                    PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                    "start_date is after end_date",
                )
                .hint("Pass the first day of the range first."));
            }
            let ledger = only_ledger()?;
            let Some(key) = ledger.mapping.keys.iter().find(|key| key.role == "tenant") else {
                return Err(Failure::new(
                    PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!("ledger {} has no tenant column", ledger.name),
                )
                .hint("Use populate_daily_stock_snapshots() without a tenant."));
            };
            let tenant = format!(
                "k1 {} {}::{}",
                key.equals,
                crate::sql::quote_literal(&tenant),
                key.sql_type
            );
            security::with_safe_path(|| {
                registry::lock_for_maintenance(ledger.oid, c"populate_daily_stock_snapshots()")?;
                members::hold(ledger.oid)?;
                fold::fold(&ledger, None)?;
                audit::correct(&ledger, Some(start), Some(end), Some(&tenant))?;
                count_snapshots(&ledger, &tenant, start, end)
            })
        })()
        .or_raise()
    })
}

/// The ledger that is meant when none is named.
fn only_ledger() -> Result<Ledger, Failure> {
    let ledgers = own_ledgers()?;
    match ledgers.as_slice() {
        [ledger] => Ok(ledger.clone()),
        [] => Err(Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "there is no attached ledger that belongs to this role",
        )
        .hint("Attach one with inventory_perf.attach_ledger().")),
        several => {
            let names: Vec<&str> = several.iter().map(|ledger| ledger.name.as_str()).collect();
            Err(Failure::new(
                PgSqlErrorCode::ERRCODE_AMBIGUOUS_PARAMETER,
                "several ledgers are attached, so a tenant alone does not name one",
            )
            .detail(format!("They are {}.", names.join(", ")))
            .hint("Use populate_daily_stock_snapshots(ledger => …, until => …)."))
        }
    }
}

fn count_snapshots(ledger: &Ledger, tenant: &str, start: Date, end: Date) -> Result<i64, Failure> {
    let mut template = ledger.template();
    template.set("tenant", tenant);
    let query = template.fill(
        "SELECT count(*) FROM {days} d \
         WHERE {tenant} AND d.day BETWEEN $1 AND $2 AND d.move_count <> 0",
    );
    let count = security::run_as(ledger.owner, || {
        Spi::connect_mut(|client| {
            client
                .update(&query, None, &[start.into(), end.into()])?
                .first()
                .get_one::<i64>()
        })
    })?;
    Ok(count.unwrap_or(0))
}
