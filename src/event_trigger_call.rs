//! The call of an event trigger's function.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::Failure;

/// The command that fired the trigger, or an error if somebody else calls the function.
///
/// # Safety
/// `call` is the call that PostgreSQL makes; the command is good until it returns.
pub unsafe fn command(
    call: pg_sys::FunctionCallInfo,
    function: &str,
) -> Result<*mut pg_sys::Node, Failure> {
    // SAFETY: the context of a call by the event trigger manager is an EventTriggerData, and only that
    // has its node tag.
    unsafe {
        let context = (*call).context;
        if !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_EventTriggerData {
            return Ok((*context.cast::<pg_sys::EventTriggerData>()).parsetree);
        }
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED,
        format!("{function} must be called as an event trigger"),
    )
    .hint("CREATE EXTENSION creates the event triggers."))
}
