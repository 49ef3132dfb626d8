//! Which months' openings and days an answer is summed from. The reads ask with their days, in
//! sub-queries that PostgreSQL evaluates once; a NULL month is an index condition that nothing
//! meets, so that part of the read costs nothing.

mod nearest;

use pgrx::datum::Date;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::guard::{check, period, stored_months};
use crate::error::{Failure, OrRaise, required};
use crate::whole_errors::whole;
use nearest::{Balance, Period, Rows};

/// The last month with openings that begins on or before a day. Before the first one it is
/// -infinity, which no month equals.
#[pg_extern(sql = false)]
fn base_month(ledger: Option<pg_sys::Oid>, day: Option<Date>) -> Date {
    whole(|| {
        (|| {
            let day = required(day, "day")?.to_pg_epoch_days();
            let months = stored_months(required(ledger, "ledger")?)?;
            let base = months.into_iter().filter(|month| *month <= day).max();
            Ok::<_, Failure>(date(base.unwrap_or(i32::MIN)))
        })()
        .or_raise()
    })
}

/// The month whose openings are nearest to the end of a day.
#[pg_extern(sql = false)]
fn opening_month(ledger: Option<pg_sys::Oid>, as_of: Option<Date>) -> Option<Date> {
    whole(|| balance(ledger, as_of).or_raise().opening.map(date))
}

/// The month whose days up to `as_of` are added to those openings.
#[pg_extern(sql = false)]
fn added_month(ledger: Option<pg_sys::Oid>, as_of: Option<Date>) -> Option<Date> {
    whole(|| balance(ledger, as_of).or_raise().added.map(date))
}

/// The month whose days after `as_of` are taken from those openings.
#[pg_extern(sql = false)]
fn removed_month(ledger: Option<pg_sys::Oid>, as_of: Option<Date>) -> Option<Date> {
    whole(|| balance(ledger, as_of).or_raise().removed.map(date))
}

fn balance(ledger: Option<pg_sys::Oid>, as_of: Option<Date>) -> Result<Balance, Failure> {
    let as_of = required(as_of, "as_of")?.to_pg_epoch_days();
    let months = stored_months(required(ledger, "ledger")?)?;
    Ok(Balance::at(as_of, &months))
}

/// The months with movements from the base month of one day to another day.
#[pg_extern(sql = false)]
fn open_months(
    ledger: Option<pg_sys::Oid>,
    from_date: Option<Date>,
    to_date: Option<Date>,
) -> SetOfIterator<'static, Date> {
    whole(|| {
        let months = (|| {
            let (from, to) = period(from_date, to_date)?;
            let mut months = stored_months(required(ledger, "ledger")?)?;
            let base = months.iter().copied().filter(|month| *month <= from).max();
            months.retain(|month| *month <= to && base.is_none_or(|base| *month >= base));
            Ok::<_, Failure>(months)
        })();
        SetOfIterator::new(months.or_raise().into_iter().map(date))
    })
}

/// How a range of days is summed, as months in the order of the fields of [`Period`], the variable
/// number last. One array, which a read takes apart: what it depends on, the number of rows, may
/// change while the read runs.
#[pg_extern(sql = false)]
fn period_months(
    ledger: Option<pg_sys::Oid>,
    from_date: Option<Date>,
    to_date: Option<Date>,
) -> Vec<Option<Date>> {
    whole(|| {
        (|| {
            let (from, to) = period(from_date, to_date)?;
            let ledger = required(ledger, "ledger")?;
            let months = stored_months(ledger)?;
            let period = Period::between(from, to, &months, usual_rows(ledger)?);
            let parts = [
                period.opening,
                period.closing,
                period.added_before,
                period.removed_before,
                period.added,
                period.removed,
            ];
            let all = period.all.into_iter().map(Some);
            let months = parts.into_iter().chain(all);
            Ok::<_, Failure>(months.map(|month| month.map(date)).collect())
        })()
        .or_raise()
    })
}

/// Rows as statistics have them: they decide between two ways to the same answer.
fn usual_rows(ledger: pg_sys::Oid) -> Result<Rows, Failure> {
    let entry = check(ledger)?;
    Ok(Rows {
        openings: estimated_rows(entry.openings),
        days: estimated_rows(entry.days),
    })
}

fn estimated_rows(table: pg_sys::Oid) -> f64 {
    // SAFETY: the statistics are read while the table is open.
    unsafe {
        let relation = pg_sys::table_open(table, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let rows = (*(*relation).rd_rel).reltuples;
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        f64::from(rows.max(0.0))
    }
}

fn date(day: i32) -> Date {
    // SAFETY: a day out of a date column, or -infinity.
    unsafe { Date::from_pg_epoch_days(day) }
}
