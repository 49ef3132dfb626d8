//! The call of a trigger function, as the trigger manager makes it.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::Failure;

/// What the trigger manager says of the call, or an error if somebody else calls the function.
///
/// # Safety
/// `call` is the call that PostgreSQL makes; the result is good until it returns.
pub unsafe fn trigger_data<'a>(
    call: pg_sys::FunctionCallInfo,
    function: &str,
) -> Result<&'a pg_sys::TriggerData, Failure> {
    // SAFETY: the context of a call by the trigger manager is a TriggerData, and only that has
    // its node tag.
    unsafe {
        let context = (*call).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            return Err(misused(format!("{function} must be called as a trigger")));
        }
        Ok(&*context.cast())
    }
}

pub fn is_before(trigger: &pg_sys::TriggerData) -> bool {
    trigger.tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_BEFORE
}

pub fn is_after(trigger: &pg_sys::TriggerData) -> bool {
    trigger.tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_AFTER
}

pub fn is_for_each_row(trigger: &pg_sys::TriggerData) -> bool {
    trigger.tg_event & pg_sys::TRIGGER_EVENT_ROW != 0
}

/// Refuses to be fired for each row: what a BEFORE trigger returns decides whether the row is kept.
pub fn require_statement(trigger: &pg_sys::TriggerData, function: &str) -> Result<(), Failure> {
    if !is_for_each_row(trigger) {
        return Ok(());
    }
    Err(misused(format!(
        "{function} must be fired for each statement"
    )))
}

pub fn misused(message: impl Into<String>) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
        message,
    )
}
