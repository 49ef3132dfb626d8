//! DETACH PARTITION … CONCURRENTLY, which commits in between.
//!
//! From its first commit on, queries of the ledger leave the partition out; its rows are taken out of
//! the snapshots only when the command ends. So the ledger is stale from the one to the other, and
//! stays so if the command does not end.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;

use super::following;
use super::registry::{self, Ledger, State};
use crate::error::{Failure, OrRaise};
use crate::executor::raw_function;

/// A ledger that this session has made stale while it detaches a partition, and in which generation.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Detaching {
    ledger: pg_sys::Oid,
    generation: i64,
}

thread_local! {
    static DETACHING: Cell<Option<Detaching>> = const { Cell::new(None) };
}

raw_function!(
    /// `inventory_perf.on_alter_table_start()`: the event trigger function.
    pg_finfo_inventory_perf_on_alter_table_start,
    inventory_perf_on_alter_table_start,
    begin
);

unsafe fn begin(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the context of a call by an event trigger is an EventTriggerData, and only that has
    // its node tag; the statement lives as long as the command.
    let relation = unsafe {
        let context = (*call).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_EventTriggerData {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED,
                "on_alter_table_start() must be called as an event trigger",
            )
            .hint("CREATE EXTENSION creates the event trigger."));
        }
        detached_from((*context.cast::<pg_sys::EventTriggerData>()).parsetree)
    };
    DETACHING.set(None);
    let Some(relation) = relation else {
        return Ok(());
    };
    for ledger in following::touched(&[relation])? {
        let Some(found) = registry::find(ledger)? else {
            continue;
        };
        if found.state == State::Ready {
            registry::set_state(ledger, State::Stale)?;
            DETACHING.set(Some(Detaching {
                ledger,
                generation: registry::generation(ledger)?,
            }));
        }
    }
    Ok(())
}

/// The table of which a statement detaches a partition concurrently.
///
/// # Safety
/// `statement` is a parse tree, or null.
unsafe fn detached_from(statement: *mut pg_sys::Node) -> Option<pg_sys::Oid> {
    // SAFETY: tags of nodes say what they are.
    unsafe {
        if statement.is_null() || (*statement).type_ != pg_sys::NodeTag::T_AlterTableStmt {
            return None;
        }
        let statement = &*statement.cast::<pg_sys::AlterTableStmt>();
        let commands = statement.cmds;
        let length = if commands.is_null() {
            0
        } else {
            (*commands).length
        };
        let is_concurrent = (0..length).any(|position| {
            let command = &*pg_sys::list_nth(commands, position).cast::<pg_sys::AlterTableCmd>();
            command.subtype == pg_sys::AlterTableType::AT_DetachPartition
                && !command.def.is_null()
                && (*command.def).type_ == pg_sys::NodeTag::T_PartitionCmd
                && (*command.def.cast::<pg_sys::PartitionCmd>()).concurrent
        });
        if !is_concurrent {
            return None;
        }
        let relation = pg_sys::RangeVarGetRelidExtended(
            statement.relation,
            pg_sys::NoLock as pg_sys::LOCKMODE,
            pg_sys::RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        );
        (relation != pg_sys::InvalidOid).then_some(relation)
    }
}

/// Whether a ledger is stale for the sake of a command of this session alone, which has ended.
pub fn is_by_this_session(ledger: &Ledger) -> Result<bool, Failure> {
    let Some(detaching) = DETACHING.get() else {
        return Ok(false);
    };
    if ledger.state != State::Stale || detaching.ledger != ledger.oid {
        return Ok(false);
    }
    DETACHING.set(None);
    Ok(registry::generation(ledger.oid)? == detaching.generation)
}
