//! What PostgreSQL checks when a query starts, checked without starting it: on a hit no plan runs.

use pgrx::pg_sys;

use super::dependencies::Dependencies;
use super::statement::Plan;
use crate::error::Failure;
use crate::snapshots::guard;
use crate::versions;

/// Raises PostgreSQL's own error if the current role may not read a table or call a function of
/// the plan. Row-level security is in the plan itself.
pub fn check(plan: &Plan, dependencies: &Dependencies) -> Result<(), Failure> {
    let planned = plan.planned();
    // SAFETY: lists of the plan, which is held; catalog look-ups by value.
    unsafe {
        versions::check_table_rights(planned);
        let role = pg_sys::GetUserId();
        for function in &dependencies.functions {
            let result = versions::may_call(*function, role);
            if result != pg_sys::AclResult::ACLCHECK_OK {
                pg_sys::aclcheck_error(
                    result,
                    pg_sys::ObjectType::OBJECT_FUNCTION,
                    pg_sys::get_func_name(*function),
                );
            }
        }
    }
    for ledger in &dependencies.ledgers {
        guard::check(*ledger)?;
    }
    Ok(())
}
