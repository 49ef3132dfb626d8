//! A type whose values are written out differently from now on: what was made from tables that hold
//! such values is invalid. What a query makes of the type itself is a part of its key
//! (`query::output`).

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::altered;
use crate::cache::query::output;
use crate::error::{Failure, OrRaise};
use crate::event_trigger_call;
use crate::executor::raw_function;
use crate::security;

raw_function!(
    /// `inventory_perf.on_ddl_output()`: makes invalid what depends on a type that was altered.
    pg_finfo_inventory_perf_ddl_output,
    inventory_perf_ddl_output,
    type_altered
);

unsafe fn type_altered(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the call that PostgreSQL makes.
    let command = unsafe { event_trigger_call::command(call, "on_ddl_output()")? };
    // SAFETY: the command that has just ended.
    if unsafe { only_adds(command) } {
        return Ok(());
    }
    security::run_as(security::extension_owner()?, || {
        output::announce();
        let tables = Spi::connect_mut(|client| {
            let mut tables = Vec::new();
            // A query that reads only would not see what this command did.
            let query = include_str!("../../../sql/cache/tables_of_types.sql");
            for row in client.update(query, None, &[])? {
                tables.extend(row.get::<pg_sys::Oid>(1)?);
            }
            Ok::<_, Failure>(tables)
        })?;
        altered::invalidate(tables.into_iter())
    })
}

/// Whether no value that there is can look different: another owner or schema, or one more label.
unsafe fn only_adds(command: *mut pg_sys::Node) -> bool {
    if command.is_null() {
        return false;
    }
    // SAFETY: a node's tag says what it is.
    unsafe {
        match (*command).type_ {
            pg_sys::NodeTag::T_AlterEnumStmt => {
                (*command.cast::<pg_sys::AlterEnumStmt>()).oldVal.is_null()
            }
            pg_sys::NodeTag::T_AlterOwnerStmt | pg_sys::NodeTag::T_AlterObjectSchemaStmt => true,
            _ => false,
        }
    }
}
