//! What the view `inventory_perf.ledgers` shows.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::{Failure, OrRaise};
use crate::executor::first_value;
use crate::ledger::registry::{self, Ledger, relation_name};
use crate::security;
use crate::whole_errors::whole;

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
    ),
> {
    whole(|| {
        let status = (|| {
            let mut rows = Vec::new();
            for oid in registry::all()? {
                if super::guard::may_read(oid) {
                    let ledger = registry::get(oid)?;
                    let (pending_rows, oldest_pending, last_fold, storage_bytes) =
                        figures(&ledger)?;
                    let mapping = serde_json::to_value(&ledger.mapping).unwrap_or_default();
                    rows.push((
                        oid,
                        ledger.state.name().to_owned(),
                        ledger.schema,
                        ledger.prefix,
                        pgrx::JsonB(mapping),
                        pending_rows,
                        oldest_pending,
                        last_fold,
                        storage_bytes,
                    ));
                }
            }
            Ok::<_, Failure>(rows)
        })();
        TableIterator::new(status.or_raise())
    })
}

type Figures = (
    Option<i64>,
    Option<TimestampWithTimeZone>,
    Option<TimestampWithTimeZone>,
    Option<i64>,
);

fn figures(ledger: &Ledger) -> Result<Figures, Failure> {
    let pending = format!(
        "SELECT count(*), min(captured_at), pg_catalog.pg_total_relation_size($1) \
             + pg_catalog.pg_total_relation_size($2) + pg_catalog.pg_total_relation_size($3) \
             + pg_catalog.pg_total_relation_size($4) FROM {}",
        relation_name(ledger.pending)
    );
    let tables = [ledger.pending, ledger.days, ledger.openings, ledger.months];
    let arguments: Vec<_> = tables.iter().map(|table| (*table).into()).collect();
    let (rows, oldest, bytes) = security::run_as(ledger.owner, || {
        Spi::connect(|client| {
            client
                .select(&pending, Some(1), &arguments)?
                .first()
                .get_three::<i64, TimestampWithTimeZone, i64>()
        })
    })?;
    let owner = security::extension_owner()?;
    let last_fold = security::run_as(owner, || {
        first_value(
            "SELECT last_fold FROM inventory_perf.ledger_activity WHERE ledger = $1::oid",
            &[ledger.oid.into()],
        )
    })?;
    Ok((rows, oldest, last_fold, bytes))
}
