//! Comparing what is answered with the ledger itself, and mending it.

use pgrx::datum::Date;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::fold;
use crate::error::{Failure, OrRaise, required};
use crate::ledger::members;
use crate::ledger::registry::{self, Ledger, State};
use crate::security;

/// The rows that differ; none means exact.
#[pg_extern(sql = false)]
fn verify_ledger(
    ledger: Option<pg_sys::Oid>,
    from_date: Option<Date>,
    to_date: Option<Date>,
) -> TableIterator<
    'static,
    (
        name!(key, pgrx::JsonB),
        name!(snapshot_date, Date),
        name!(measure, String),
        name!(ledger_value, Option<AnyNumeric>),
        name!(snapshot_value, Option<AnyNumeric>),
    ),
> {
    let differences = (|| {
        let ledger = registry::get_owned(required(ledger, "ledger")?)?;
        check_order(&from_date, &to_date)?;
        if ledger.state == State::AwaitingBackfill {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("ledger {} waits for its backfill", ledger.name),
            )
            .hint("Run inventory_perf.backfill_ledger() first."));
        }
        report_rows_not_counted(&ledger)?;
        security::run_as(ledger.owner, || differences(&ledger, from_date, to_date))
    })();
    TableIterator::new(differences.or_raise())
}

type Difference = (
    pgrx::JsonB,
    Date,
    String,
    Option<AnyNumeric>,
    Option<AnyNumeric>,
);

fn differences(
    ledger: &Ledger,
    from_date: Option<Date>,
    to_date: Option<Date>,
) -> Result<Vec<Difference>, Failure> {
    let query = ledger
        .template()
        .fill(include_str!("../../sql/ledger/verify.sql"));
    let differences = Spi::connect(|client| {
        let mut differences = Vec::new();
        for row in client.select(&query, None, &[from_date.into(), to_date.into()])? {
            let (Some(key), Some(day), Some(measure)) = (
                row.get::<pgrx::JsonB>(1)?,
                row.get::<Date>(2)?,
                row.get::<String>(3)?,
            ) else {
                continue;
            };
            differences.push((
                key,
                day,
                measure,
                row.get::<AnyNumeric>(4)?,
                row.get::<AnyNumeric>(5)?,
            ));
        }
        Ok::<_, pgrx::spi::Error>(differences)
    })?;
    Ok(differences)
}

fn check_order(from_date: &Option<Date>, to_date: &Option<Date>) -> Result<(), Failure> {
    if let (Some(from), Some(to)) = (from_date, to_date)
        && from.to_pg_epoch_days() > to.to_pg_epoch_days()
    {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "from_date is after to_date",
        )
        .hint("Pass the first day of the range first."));
    }
    Ok(())
}

fn report_rows_not_counted(ledger: &Ledger) -> Result<(), Failure> {
    let layout = ledger.mapping.layout();
    let mut nulls: Vec<String> = (1..=layout.keys)
        .filter(|key| {
            layout
                .second_leg
                .is_none_or(|second| second.location_key + 1 != *key)
        })
        .map(|key| format!("m.k{key} IS NULL"))
        .collect();
    nulls.push("m.day IS NULL OR m.quantity IS NULL".into());
    if let Some(second) = layout.second_leg {
        nulls.push(format!(
            "(m.k{} IS NULL AND m.to_location IS NULL)",
            second.location_key + 1
        ));
    }
    let query = format!(
        "SELECT count(*) FROM {} m WHERE {}",
        registry::relation_name(ledger.mapped_moves),
        nulls.join(" OR ")
    );
    let count = security::run_as(ledger.owner, || {
        Spi::connect(|client| {
            client
                .select(&query, Some(1), &[])?
                .first()
                .get_one::<i64>()
        })
    })?
    .unwrap_or(0);
    if count > 0 {
        ereport!(
            PgLogLevel::NOTICE,
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!(
                "{count} rows of {} do not count, as a key column, the day or the quantity is null",
                ledger.name
            )
        );
    }
    Ok(())
}

/// Appends, as pending changes, what the storage lacks or has too much of against the ledger: it
/// is worked out in one snapshot, so that writers can go on. Returns the key-days corrected.
pub fn correct(
    ledger: &Ledger,
    from_date: Option<Date>,
    to_date: Option<Date>,
    tenant: Option<&str>,
) -> Result<i64, Failure> {
    let mut template = ledger.template();
    if let Some(tenant) = tenant {
        template.set("tenant_condition", format!("AND k1 = {tenant}"));
    }
    let statement = template.fill(include_str!("../../sql/ledger/repair_movements.sql"));
    security::run_as(ledger.owner, || {
        Spi::connect_mut(|client| {
            let corrected = client.update(&statement, None, &[from_date.into(), to_date.into()])?;
            Ok(corrected.len() as i64)
        })
    })
}

/// Makes what is stored right from the ledger without emptying it. Readers and writers go on.
#[pg_extern(sql = false)]
fn repair_ledger(ledger: Option<pg_sys::Oid>) -> i64 {
    (|| {
        let ledger = registry::get_owned(required(ledger, "ledger")?)?;
        security::with_safe_path(|| repair(&ledger))
    })()
    .or_raise()
}

fn repair(ledger: &Ledger) -> Result<i64, Failure> {
    registry::lock_for_maintenance(ledger.oid)?;
    let ledger = registry::get(ledger.oid)?;
    if ledger.state == State::AwaitingBackfill {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("ledger {} waits for its backfill", ledger.name),
        )
        .hint("Run inventory_perf.backfill_ledger() first."));
    }
    mend_triggers(&ledger)?;
    if ledger.state == State::Stale {
        // Its relations answer again, which the correction itself reads; what they answer is
        // right when this transaction commits.
        registry::set_state(ledger.oid, State::Ready)?;
    }
    let template = ledger.template();
    let days = template.fill(include_str!("../../sql/ledger/repair_days.sql"));
    let openings = template.fill(include_str!("../../sql/ledger/repair_openings.sql"));
    let mut corrected = correct(&ledger, None, None, None)?;
    corrected += security::run_as(ledger.owner, || {
        Spi::connect_mut(|client| {
            let days = client.update(&days, None, &[])?.len();
            let openings = client.update(&openings, None, &[])?.len();
            Ok::<_, pgrx::spi::Error>((days + openings) as i64)
        })
    })?;
    fold::fold(&ledger, None)?;
    Ok(corrected)
}

/// Triggers that were dropped or disabled are there again afterwards, before anything is read.
pub fn mend_triggers(ledger: &Ledger) -> Result<(), Failure> {
    if ledger.state != State::Stale {
        return Ok(());
    }
    Spi::run(&format!(
        "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
        ledger.name
    ))?;
    for member in members::current(ledger.oid)? {
        members::create_triggers(member)?;
    }
    Ok(())
}
