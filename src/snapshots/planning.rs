//! What `check_ledger()` tells the planner: an error for a role that may not read the ledger.
//!
//! Planning comes before a query is executed, and estimates may call a role's own operators with
//! values out of the statistics of the storage.

use pgrx::pg_sys;

use super::guard;
use crate::error::{Failure, OrRaise};
use crate::executor::raw_function;

raw_function!(
    /// `inventory_perf.check_ledger_support(internal)`: the planner's support function.
    pg_finfo_inventory_perf_check_ledger_support,
    inventory_perf_check_ledger_support,
    support
);

/// Answers nothing: the call stays as it is.
unsafe fn support(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the planner passes a request; a simplification is asked for before any estimate is
    // made. It holds the call with its arguments.
    let ledger = unsafe {
        let request = (*(*call).args.as_ptr())
            .value
            .cast_mut_ptr::<pg_sys::Node>();
        if (*request).type_ != pg_sys::NodeTag::T_SupportRequestSimplify {
            return Ok(());
        }
        let called = (*request.cast::<pg_sys::SupportRequestSimplify>()).fcall;
        constant(pg_sys::list_nth((*called).args, 0).cast())
    };
    match ledger {
        Some(ledger) => guard::check_planning(ledger),
        None => Ok(()),
    }
}

/// # Safety
/// `argument` is an expression of type regclass.
unsafe fn constant(argument: *const pg_sys::Node) -> Option<pg_sys::Oid> {
    // SAFETY: a node with that tag is a Const.
    unsafe {
        if (*argument).type_ != pg_sys::NodeTag::T_Const {
            return None;
        }
        let constant = &*argument.cast::<pg_sys::Const>();
        (!constant.constisnull).then(|| pg_sys::Oid::from(constant.constvalue.value() as u32))
    }
}
