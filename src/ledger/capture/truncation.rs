//! TRUNCATE of a ledger, or of a part of one.
//!
//! PostgreSQL's own TRUNCATE shows an empty table to every snapshot, older ones included, so the
//! storage is truncated with a whole ledger. A part of one is taken out row by row, before its
//! rows are gone.

use pgrx::pg_sys;
use std::cell::Cell;

use super::changes;
use crate::error::Failure;
use crate::ledger::{members, registry};
use crate::security;
use crate::snapshots::storage;

/// A TRUNCATE of a whole ledger that is under way: the ledger, and where it runs. After an error
/// nothing else can run in the same subtransaction of the same transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Whole {
    ledger: pg_sys::Oid,
    transaction: pg_sys::TransactionId,
    subtransaction: pg_sys::SubTransactionId,
}

thread_local! {
    static WHOLE: Cell<Option<Whole>> = const { Cell::new(None) };
}

/// A statement first fires the BEFORE triggers of every table that it empties, the named one
/// before its partitions; then it empties them; then it fires the AFTER triggers.
pub fn capture(relation: pg_sys::Oid, is_before: bool) -> Result<(), Failure> {
    security::with_safe_path(|| capture_safely(relation, is_before))
}

fn capture_safely(relation: pg_sys::Oid, is_before: bool) -> Result<(), Failure> {
    let Some(ledger) = members::ledger_of(relation)? else {
        return Ok(());
    };
    // SAFETY: reads backend variables; the transaction is going to write anyway.
    let whole = unsafe {
        Whole {
            ledger: ledger.oid,
            transaction: pg_sys::GetTopTransactionId(),
            subtransaction: pg_sys::GetCurrentSubTransactionId(),
        }
    };
    let is_under_way = WHOLE.get() == Some(whole);
    if !is_before && changes::are_wanted() {
        changes::note_all(relation);
    }
    match (is_before, relation == ledger.oid) {
        (true, true) if !members::has_plain_children(ledger.oid)? => {
            WHOLE.set(Some(whole));
            Ok(())
        }
        (true, _) if is_under_way || is_partitioned(relation) => Ok(()),
        (true, _) => {
            // Older snapshots see the part empty as well, but not that it was taken out.
            if super::capture_whole_table(relation, true)? {
                registry::start_generation(ledger.oid)?;
            }
            Ok(())
        }
        (false, true) if is_under_way => {
            WHOLE.set(None);
            storage::truncate(&ledger, true)?;
            // What triggers that came before this one have written meanwhile.
            members::capture_all(&ledger)
        }
        (false, _) => Ok(()),
    }
}

fn is_partitioned(relation: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up by value.
    unsafe { pg_sys::get_rel_relkind(relation) as u8 == pg_sys::RELKIND_PARTITIONED_TABLE }
}
