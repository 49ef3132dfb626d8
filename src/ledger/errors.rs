//! The last error of each ledger, for whoever looks at `inventory_perf.ledgers`: what fails for one of
//! them is said there, and does not keep the others from going on.

use pgrx::pg_sys;
use std::time::Duration;

use super::registry;
use crate::attempt::{Limits, attempt};
use crate::error::Failure;

/// Recording is not worth more waiting.
const LIMITS: Limits = Limits::new(Duration::from_secs(1), Duration::from_millis(200));

/// Records what failed, in the current transaction. If it cannot be, only the log has it.
pub fn record(ledger: pg_sys::Oid, what: &str, failure: &Failure) {
    // SAFETY: reads the state of the transaction.
    if unsafe { pg_sys::XactReadOnly } {
        return;
    }
    let text = format!("{what}: {}", failure.message());
    let recorded = attempt(LIMITS, || {
        registry::change_quietly(
            include_str!("../../sql/ledger/record_error.sql"),
            &[ledger.into(), text.as_str().into()],
        )
    });
    if let Err(failure) = recorded {
        failure.log();
    }
}
