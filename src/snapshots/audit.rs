//! Comparing what is answered with the ledger itself, and mending it.

use pgrx::datum::Date;
use pgrx::fcinfo::pg_getarg;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::untyped::{argument, day_sql};
use super::{backfill, fold, guard};
use crate::cache::rules::altered;
use crate::error::{Failure, OrRaise, required};
use crate::executor::{raw_function, return_rows};
use crate::ledger::members;
use crate::ledger::objects;
use crate::ledger::registry::{self, Ledger, State};
use crate::ledger::triggers;
use crate::security;
use crate::sql::quote_literal;
use crate::whole_errors::whole;

raw_function!(
    /// `verify_ledger(ledger, from_date, to_date)`: the rows that differ; none means exact.
    pg_finfo_inventory_perf_verify,
    inventory_perf_verify,
    verify
);

unsafe fn verify(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the arguments are declared with these types.
    let (ledger, from_date, to_date) = unsafe {
        (
            registry::get_owned(argument(call, 0, "ledger")?)?,
            pg_getarg::<Date>(call, 1),
            pg_getarg::<Date>(call, 2),
        )
    };
    check_order(&from_date, &to_date)?;
    if ledger.state == State::AwaitingBackfill {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("ledger {} waits for its backfill", ledger.name),
        )
        .hint("Run inventory_perf.backfill_ledger() first."));
    }
    backfill::refuse_row_security(&ledger)?;
    require_snapshots(&ledger)?;
    report_rows_not_counted(&ledger)?;
    let day = |day: Option<Date>| day.map_or("NULL::date".into(), day_sql);
    let query = ledger
        .template()
        .set("from_date", day(from_date))
        .set("to_date", day(to_date))
        .fill(include_str!("../../sql/ledger/verify.sql"));
    // SAFETY: the current call.
    security::run_as(ledger.owner, || {
        security::with_maintenance_memory(|| unsafe { return_rows(call, &query) })
    })
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

/// What answers is compared, so it must be there.
fn require_snapshots(ledger: &Ledger) -> Result<(), Failure> {
    if ledger.has_object(objects::SNAPSHOTS) {
        return Ok(());
    }
    let view = ledger.object_name(objects::SNAPSHOTS);
    let name = quote_literal(&ledger.name);
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("view {view} of ledger {} does not exist", ledger.name),
    )
    .detail("It is what is compared with the ledger.")
    .hint(format!(
        "Run SELECT * FROM inventory_perf.detach_ledger({name}, drop_data => true) and attach the \
         ledger again, which creates it."
    )))
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

/// Makes what is stored, of one tenant or of all, right from the ledger: adds to the days of the
/// range what they lack or have too much of, and makes the balances that build on days anew from
/// them. Each is worked out in one snapshot, so that writers can go on. Returns the rows corrected.
pub fn correct(
    ledger: &Ledger,
    from_date: Option<Date>,
    to_date: Option<Date>,
    tenant: Option<&str>,
) -> Result<i64, Failure> {
    backfill::refuse_row_security(ledger)?;
    let day = |day: Option<Date>| day.map_or("NULL::date".into(), day_sql);
    let mut template = ledger.template();
    template
        .set("from_date", day(from_date))
        .set("to_date", day(to_date));
    if let Some(tenant) = tenant {
        template.set("tenant_condition", format!("AND {tenant}"));
    }
    let statements = [
        include_str!("../../sql/ledger/repair_movements.sql"),
        include_str!("../../sql/ledger/repair_days.sql"),
        include_str!("../../sql/ledger/repair_openings.sql"),
    ]
    .map(|statement| template.fill(statement));
    let mut corrected = 0;
    security::run_as(ledger.owner, || {
        security::with_maintenance_memory(|| {
            Spi::connect_mut(|client| {
                for statement in &statements {
                    corrected += client.update(statement, None, &[])?.len() as i64;
                }
                client.update(&template.fill(REMOVE_EMPTY_DAYS), None, &[])?;
                Ok::<_, Failure>(corrected)
            })
        })
    })?;
    if corrected > 0 {
        // What was cached says what was answered before.
        altered::invalidate([ledger.oid].into_iter())?;
    }
    Ok(corrected)
}

/// Days whose every movement was deleted say nothing any more.
const REMOVE_EMPTY_DAYS: &str = "DELETE FROM {days} \
     WHERE move_count = 0 AND in_quantity = 0 AND out_quantity = 0 {tenant_condition}";

/// Makes what is stored right from the ledger without emptying it. Readers and writers go on.
#[pg_extern(sql = false)]
fn repair_ledger(ledger: Option<pg_sys::Oid>) -> i64 {
    whole(|| {
        (|| {
            let ledger = registry::get_owned(required(ledger, "ledger")?)?;
            security::with_safe_path(|| repair(&ledger))
        })()
        .or_raise()
    })
}

fn repair(ledger: &Ledger) -> Result<i64, Failure> {
    registry::lock_for_maintenance(ledger.oid, c"repair_ledger()")?;
    let ledger = registry::get(ledger.oid)?;
    if ledger.state == State::AwaitingBackfill {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("ledger {} waits for its backfill", ledger.name),
        )
        .hint("Run inventory_perf.backfill_ledger() first."));
    }
    if ledger.state != State::Ready && registry::has_fixed_snapshot() {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
            "a stale ledger cannot be repaired with the snapshot of a transaction",
        )
        .detail("What was written before its triggers came back may be invisible to it.")
        .hint("Run repair_ledger() with isolation level READ COMMITTED."));
    }
    mend(&ledger)?;
    members::hold(ledger.oid)?;
    if ledger.state != State::Ready {
        // Its relations answer again, which the correction itself reads; what they answer is
        // right when this transaction commits.
        registry::set_state(ledger.oid, State::Ready)?;
    }
    // Folding first opens the months of what is pending, which corrections build on.
    fold::fold(&ledger, None)?;
    correct(&ledger, None, None, None)
}

/// Triggers that were dropped or disabled are there again afterwards, before anything is read, and
/// the tables that are counted are those that the ledger has.
pub fn mend(ledger: &Ledger) -> Result<(), Failure> {
    if let Err(damage) = ledger.identity().check() {
        return Err(guard::damaged(&ledger.name, &damage));
    }
    if ledger.state == State::Ready {
        return Ok(());
    }
    Spi::run(&format!(
        "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
        ledger.name
    ))?;
    let members = members::current(ledger.oid)?;
    members::check_kinds(&members)?;
    members::check_parents(ledger.oid, &members)?;
    members::refuse_subscribed(&members)?;
    for member in &members {
        triggers::create(*member)?;
    }
    registry::set_members(ledger.oid, &members)
}
