//! Whether stock of a ledger's key has fallen below a threshold, for whoever is to be told.
//!
//! Keys that were told are remembered in a table, so that each is told once, until its stock is not
//! low any more.

use pgrx::AnyElement;
use pgrx::AnyNumeric;
use pgrx::pg_sys;
use pgrx::prelude::*;
use serde_json::Value;

use super::text;
use crate::error::{Failure, OrRaise, required};
use crate::ledger::registry::{self, Ledger};
use crate::security;
use crate::snapshots::untyped;
use crate::sql::quote_literal;
use crate::whole_errors::whole;

#[pg_extern(sql = false)]
fn alert_low_stock(
    ledger: Option<pg_sys::Oid>,
    threshold: Option<AnyNumeric>,
    key: Option<AnyElement>,
) {
    whole(|| {
        registry::require_writable(c"alert_low_stock()");
        let alert = || {
            let ledger = registry::get_owned(required(ledger, "ledger")?)?;
            // SAFETY: the function is declared with a jsonb there.
            let key = unsafe { text::json(required(key, "key")?.datum(), "key") }?;
            set_threshold(&ledger, threshold, &key)
        };
        security::with_safe_path(alert).or_raise();
    })
}

fn set_threshold(ledger: &Ledger, threshold: Option<AnyNumeric>, key: &str) -> Result<(), Failure> {
    let key = canonical(ledger, key)?;
    match threshold {
        Some(threshold) if threshold.is_nan() => {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                "threshold is not a number",
            )
            .hint("Pass the quantity below which stock is low, or NULL for no alert."));
        }
        Some(threshold) => {
            require_changes_told(ledger)?;
            registry::change_quietly(
                "INSERT INTO inventory_perf.low_stock_thresholds (ledger, key, threshold) \
                 VALUES ($1::oid, $2, $3) \
                 ON CONFLICT (ledger, key) DO UPDATE SET threshold = excluded.threshold",
                &[ledger.oid.into(), key.into(), threshold.into()],
            )?;
        }
        None => registry::change_quietly(
            "DELETE FROM inventory_perf.low_stock_thresholds t \
             WHERE t.ledger = $1::oid AND t.key = $2",
            &[ledger.oid.into(), key.into()],
        )?,
    }
    // What was told was told of another threshold.
    registry::change_quietly(
        "DELETE FROM inventory_perf.low_stock l WHERE l.ledger = $1::oid",
        &[ledger.oid.into()],
    )
}

/// The key with each value as its type writes it, which is how events name it. Types of the ledger may
/// have code in them, a check or a cast, which runs as the ledger's owner.
fn canonical(ledger: &Ledger, key: &str) -> Result<pgrx::JsonB, Failure> {
    let members: Vec<String> = untyped::members(&ledger.mapping.keys, key)?
        .into_iter()
        .map(|(column, text)| {
            format!(
                "{}, ({}::{})::text",
                quote_literal(&column.name),
                quote_literal(&text),
                column.sql_type
            )
        })
        .collect();
    let query = format!(
        "SELECT pg_catalog.jsonb_build_object({})",
        members.join(", ")
    );
    let key = security::run_as(ledger.owner, || {
        security::with_plain_text(|| {
            Spi::connect(|client| {
                client
                    .select(&query, Some(1), &[])?
                    .first()
                    .get_one::<pgrx::JsonB>()
            })
        })
    })?;
    required(key, "key")
}

/// Without a trigger that tells of changes an alert would never come.
fn require_changes_told(ledger: &Ledger) -> Result<(), Failure> {
    let is_told = Spi::connect(|client| {
        client
            .select(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t \
                 JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid \
                 WHERE t.tgrelid = $1::oid AND p.proname = 'invalidate_cache' \
                   AND p.pronamespace = 'inventory_perf'::pg_catalog.regnamespace)",
                Some(1),
                &[ledger.oid.into()],
            )?
            .first()
            .get_one::<bool>()
    })?;
    if is_told == Some(true) {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("nothing tells of changes of ledger {}", ledger.name),
    )
    .hint(format!(
        "Run SELECT inventory_perf.invalidate_on_change({}) first.",
        quote_literal(&ledger.name)
    )))
}

/// Whether the ledger has any threshold.
pub fn is_watched(ledger: pg_sys::Oid) -> Result<bool, Failure> {
    security::run_as(security::extension_owner()?, || {
        Spi::connect(|client| {
            Ok(client
                .select(
                    "SELECT EXISTS (SELECT FROM inventory_perf.low_stock_thresholds t \
                     WHERE t.ledger = $1::oid)",
                    Some(1),
                    &[ledger.into()],
                )?
                .first()
                .get_one::<bool>()?
                .unwrap_or(false))
        })
    })
}

/// What is to be told, if the level that the key has now is the first that is low.
pub fn note(ledger: pg_sys::Oid, key: &Value, level: &str) -> Result<Option<String>, Failure> {
    security::run_as(security::extension_owner()?, || {
        Spi::connect_mut(|client| {
            let told = client.update(
                include_str!("../../sql/delivery/low_stock.sql"),
                Some(1),
                &[ledger.into(), pgrx::JsonB(key.clone()).into(), level.into()],
            )?;
            if told.is_empty() {
                return Ok(None);
            }
            Ok(told.first().get_one::<String>()?)
        })
    })
}
