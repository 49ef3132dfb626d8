//! Fires the triggers that PostgreSQL leaves out when MERGE moves rows to other partitions.
//!
//! An UPDATE that moves a row shows it in its transition tables, before and after. MERGE counts it as
//! deleted and inserted, but fires only the statement triggers of the actions that it names: one
//! that only updates fires neither those of DELETE nor those of INSERT, and no trigger sees the row.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;
use std::ffi::CStr;

use crate::error::{Failure, OrRaise};
use crate::executor::raw_function;
use crate::ledger::registry::relation_name;
use crate::trigger_call::{require_statement, trigger_data};
use crate::whole_errors::whole;
use crate::{unguarded, versions};

/// The trigger functions that have to see every row.
const FUNCTIONS: [&CStr; 2] = [c"capture_moves", c"invalidate_cache"];

/// What sees to it that this library is loaded before the statement ends; beside that it does
/// nothing.
pub const TRIGGER_FUNCTION: &str = "inventory_perf.expect_moved_rows()";
pub const TRIGGER_EVENT: &str = "BEFORE UPDATE";

raw_function!(
    /// `inventory_perf.expect_moved_rows()`: the trigger function.
    pg_finfo_inventory_perf_expect_moved_rows,
    inventory_perf_expect_moved_rows,
    expect
);

unsafe fn expect(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    const NAME: &str = "expect_moved_rows()";
    let hint = "attach_ledger() and invalidate_on_change() create the triggers.";
    // SAFETY: the call that PostgreSQL makes.
    unsafe { trigger_data(call, NAME) }
        .and_then(|trigger| require_statement(trigger, NAME))
        .map_err(|failure| failure.hint(hint))
}

/// Only statements that name a partitioned table can move rows.
pub fn can_be_in(table: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up by value.
    let kind = unsafe { pg_sys::get_rel_relkind(table) };
    kind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE
}

thread_local! {
    static PREVIOUS: Cell<pg_sys::ExecutorFinish_hook_type> = const { Cell::new(None) };
}

/// Called once, while the library is loaded.
pub fn register() {
    // SAFETY: on the only thread. If a statement is being executed, its end has not begun.
    unsafe {
        PREVIOUS.set(pg_sys::ExecutorFinish_hook);
        pg_sys::ExecutorFinish_hook = Some(on_finish);
    }
}

/// The rows are written by now, and the AFTER triggers are about to be fired.
///
/// Without a guard: errors of every statement pass through, and a guard would spoil them.
unsafe extern "C-unwind" fn on_finish(query: *mut pg_sys::QueryDesc) {
    // SAFETY: the query that PostgreSQL is about to finish. Its errors jump over this frame, which
    // has nothing to drop.
    unsafe {
        fire_left_out(query);
        match PREVIOUS.get() {
            Some(previous) => previous(query),
            None => unguarded::standard_ExecutorFinish(query),
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn fire_left_out(query: *mut pg_sys::QueryDesc) {
    // SAFETY: the query of the hook.
    whole(|| unsafe { fire_in(&*query) });
}

unsafe fn fire_in(query: &pg_sys::QueryDesc) {
    // SAFETY: a query that was started has its state; the tag of a node says what struct it is.
    unsafe {
        if query.planstate.is_null() || query.estate.is_null() {
            return;
        }
        if pgrx::is_a(query.planstate.cast(), pg_sys::NodeTag::T_ModifyTableState) {
            fire(&mut *query.planstate.cast());
        }
        let others = (*query.estate).es_auxmodifytables;
        if others.is_null() {
            return;
        }
        for position in 0..(*others).length as usize {
            let state = (*(*others).elements.add(position)).ptr_value;
            fire(&mut *state.cast());
        }
    }
}

unsafe fn fire(state: &mut pg_sys::ModifyTableState) {
    // SAFETY: the state of a MERGE that has run; its target is open.
    unsafe {
        let left_out = versions::moves_without_triggers(state);
        let is_wrong = versions::shows_wrong_rows(state);
        if left_out.is_none() && !is_wrong {
            return;
        }
        let target = state.rootResultRelInfo;
        let triggers = (*target).ri_TrigDesc;
        if (*(*(*target).ri_RelationDesc).rd_rel).relkind as u8 != pg_sys::RELKIND_PARTITIONED_TABLE
            || triggers.is_null()
            || state.mt_transition_capture.is_null()
        {
            return;
        }
        let Some(mut own) = only_own(&*triggers) else {
            return;
        };
        if is_wrong {
            wrong_rows((*(*target).ri_RelationDesc).rd_id).raise();
        }
        let (delete, insert) = left_out.unwrap_or_default();
        (*target).ri_TrigDesc = &raw mut own;
        if delete {
            pg_sys::ExecASDeleteTriggers(state.ps.state, target, state.mt_transition_capture);
        }
        if insert {
            pg_sys::ExecASInsertTriggers(state.ps.state, target, state.mt_transition_capture);
        }
        (*target).ri_TrigDesc = triggers;
    }
}

fn wrong_rows(table: pg_sys::Oid) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!(
            "MERGE cannot both insert and update rows of {}",
            relation_name(table)
        ),
    )
    .detail(
        "This version of PostgreSQL shows the triggers of a partitioned table inserted rows in place \
         of updated ones then.",
    )
    .hint("Insert and update in two statements.")
}

/// The triggers with all but the extension's switched off, each in its place, as conditions that
/// were prepared are found by it. `None` if there is none of the extension's.
unsafe fn only_own(triggers: &pg_sys::TriggerDesc) -> Option<pg_sys::TriggerDesc> {
    let mut any = false;
    // SAFETY: the descriptor of an open relation; the copy lives in the current memory context.
    unsafe {
        let size = triggers.numtriggers as usize * size_of::<pg_sys::Trigger>();
        let copy = pg_sys::palloc(size).cast::<pg_sys::Trigger>();
        copy.copy_from_nonoverlapping(triggers.triggers, triggers.numtriggers as usize);
        for trigger in std::slice::from_raw_parts_mut(copy, triggers.numtriggers as usize) {
            if is_own(trigger.tgfoid) {
                any = true;
            } else {
                trigger.tgenabled = pg_sys::TRIGGER_DISABLED as _;
            }
        }
        any.then_some(pg_sys::TriggerDesc {
            triggers: copy,
            ..*triggers
        })
    }
}

unsafe fn is_own(function: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups by value; names are null-terminated, or null.
    unsafe {
        let name = pg_sys::get_func_name(function);
        if name.is_null() || !FUNCTIONS.contains(&CStr::from_ptr(name)) {
            return false;
        }
        let schema = pg_sys::get_namespace_name(pg_sys::get_func_namespace(function));
        !schema.is_null() && CStr::from_ptr(schema) == c"inventory_perf"
    }
}
