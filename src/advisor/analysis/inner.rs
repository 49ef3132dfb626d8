//! The query inside a command that carries one: PREPARE, EXPLAIN, DECLARE CURSOR, COPY (query) TO,
//! CREATE TABLE AS, CREATE MATERIALIZED VIEW, SELECT INTO.

use pgrx::pg_sys;
use pgrx::pg_sys::{NodeTag, Oid};

use super::nodes::{elements, is, string};
use crate::versions;

/// A query that the planner takes, and the types that the command declares for its parameters.
pub struct Inner {
    pub statement: *mut pg_sys::RawStmt,
    pub declared: Vec<Oid>,
}

/// The query of a statement, or why it has none that can be looked at.
///
/// # Safety
/// `statement` is of the raw parser, which nothing else uses any more; a transaction is there.
pub unsafe fn query(statement: *mut pg_sys::RawStmt) -> Result<Inner, String> {
    let mut declared = Vec::new();
    // SAFETY: the tag says what a node is; a query that is carried is a raw one, too.
    unsafe {
        let mut node = (*statement).stmt;
        loop {
            node = if is(node, NodeTag::T_PrepareStmt) {
                let prepare = &*node.cast::<pg_sys::PrepareStmt>();
                declared = elements(prepare.argtypes)
                    .map(|name| pg_sys::typenameTypeId(std::ptr::null_mut(), name))
                    .collect();
                prepare.query
            } else if is(node, NodeTag::T_ExplainStmt) {
                (*node.cast::<pg_sys::ExplainStmt>()).query
            } else if is(node, NodeTag::T_DeclareCursorStmt) {
                (*node.cast::<pg_sys::DeclareCursorStmt>()).query
            } else if is(node, NodeTag::T_CreateTableAsStmt) {
                (*node.cast::<pg_sys::CreateTableAsStmt>()).query
            } else if is(node, NodeTag::T_CopyStmt)
                && !(*node.cast::<pg_sys::CopyStmt>()).query.is_null()
            {
                (*node.cast::<pg_sys::CopyStmt>()).query
            } else {
                break;
            };
        }
        if !is_query(node) {
            return Err(no_query(node));
        }
        keep_result(node);
        (*statement).stmt = node;
    }
    Ok(Inner {
        statement,
        declared,
    })
}

/// Whether the planner has anything to do for it.
unsafe fn is_query(statement: *mut pg_sys::Node) -> bool {
    // SAFETY: the caller gives a statement of the raw parser.
    unsafe {
        let is_other = [
            NodeTag::T_SelectStmt,
            NodeTag::T_InsertStmt,
            NodeTag::T_UpdateStmt,
            NodeTag::T_DeleteStmt,
        ]
        .into_iter()
        .any(|tag| is(statement, tag));
        is_other || versions::is_merge(statement)
    }
}

/// Makes `SELECT … INTO` a `SELECT`. The first arm of a UNION has the INTO.
unsafe fn keep_result(node: *mut pg_sys::Node) {
    // SAFETY: the tag says what a node is.
    unsafe {
        if !is(node, NodeTag::T_SelectStmt) {
            return;
        }
        let mut select = node.cast::<pg_sys::SelectStmt>();
        while !(*select).larg.is_null() {
            select = (*select).larg;
        }
        (*select).intoClause = std::ptr::null_mut();
    }
}

/// Why a command has no query, in words for `workload_coverage()`.
unsafe fn no_query(node: *mut pg_sys::Node) -> String {
    // SAFETY: the tag says what a node is; names of commands are constants.
    unsafe {
        let why = if is(node, NodeTag::T_ExecuteStmt) {
            "; the statement that was prepared counts"
        } else if is(node, NodeTag::T_FetchStmt) {
            "; the query of the cursor counts"
        } else if is(node, NodeTag::T_CopyStmt) {
            if (*node.cast::<pg_sys::CopyStmt>()).is_from {
                "; it only adds rows"
            } else {
                "; it reads the whole table"
            }
        } else if is(node, NodeTag::T_RefreshMatViewStmt) {
            "; pass the query of the view to advise for it"
        } else if is(node, NodeTag::T_DoStmt) || is(node, NodeTag::T_CallStmt) {
            "; the statements that it runs count, which pg_stat_statements.track = 'all' records"
        } else {
            ""
        };
        let name = string(pg_sys::GetCommandTagName(pg_sys::CreateCommandTag(node)));
        format!("utility statement: {}{why}", name.unwrap_or_default())
    }
}
