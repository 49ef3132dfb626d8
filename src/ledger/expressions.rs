//! Checks of the SQL expressions that a caller maps columns with.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::{CStr, CString};

use crate::error::Failure;

/// Refuses text that is not exactly one expression, before it becomes part of a statement.
pub fn check_syntax(argument: &str, expression: &str) -> Result<(), Failure> {
    let text = CString::new(expression).map_err(|_| {
        Failure::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("{argument} contains a null character"),
        )
    })?;
    // SAFETY: the parser reads the text and returns a list of raw statements; a syntax error is
    // raised with its place in the text. The grammar of this mode gives one SelectStmt.
    let is_one_expression = unsafe {
        let statements =
            pg_sys::raw_parser(text.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_PLPGSQL_EXPR);
        let raw = (*(*statements).elements)
            .ptr_value
            .cast::<pg_sys::RawStmt>();
        let select = &*(*raw).stmt.cast::<pg_sys::SelectStmt>();
        !select.targetList.is_null()
            && (*select.targetList).length == 1
            && select.distinctClause.is_null()
            && select.fromClause.is_null()
            && select.whereClause.is_null()
            && select.groupClause.is_null()
            && select.havingClause.is_null()
            && select.windowClause.is_null()
            && select.sortClause.is_null()
            && select.limitCount.is_null()
            && select.limitOffset.is_null()
            && select.lockingClause.is_null()
    };
    if is_one_expression {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_SYNTAX_ERROR,
        format!("{argument} must be one expression"),
    )
    .detail(format!("It is: {expression}"))
    .hint("Pass an expression over the ledger's columns, such as 'abs(quantity)'."))
}

/// Refuses what a trigger cannot work out from one row alone, always to the same result.
///
/// The view has one column, which `argument` names.
pub fn check_view(view: pg_sys::Oid, argument: &str) -> Result<(), Failure> {
    // SAFETY: the view stays open, and so its query stays where it is, until it is checked.
    unsafe {
        let relation = pg_sys::table_open(view, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let query = &*pg_sys::get_view_query(relation);
        let entry = (*(*query.targetList).elements)
            .ptr_value
            .cast::<pg_sys::TargetEntry>();
        let result = check_node(query, (*entry).expr.cast(), argument);
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        result
    }
}

unsafe fn check_node(
    query: &pg_sys::Query,
    node: *mut pg_sys::Node,
    argument: &str,
) -> Result<(), Failure> {
    let refuse = |what: &str| {
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("{argument} must not contain {what}"),
        )
        .detail(
            "Changes are captured row by row, so the expression must depend on one row alone \
             and always give the same result for it.",
        )
        .hint("Use immutable functions and operators on the ledger's own columns."))
    };
    // SAFETY: read-only walks over an analysed expression.
    unsafe {
        if query.hasSubLinks && pg_sys::checkExprHasSubLink(node) {
            return refuse("a sub-query");
        }
        if query.hasAggs && pg_sys::contain_agg_clause(node) {
            return refuse("an aggregate function");
        }
        if query.hasWindowFuncs && pg_sys::contain_window_function(node) {
            return refuse("a window function");
        }
        if query.hasTargetSRFs && pg_sys::expression_returns_set(node) {
            return refuse("a set-returning function");
        }
        if pg_sys::contain_mutable_functions(node) {
            return refuse("functions that are not immutable");
        }
        let mut used = std::ptr::null_mut();
        let from = (*(*(*query.jointree).fromlist).elements).ptr_value;
        let ledger = (*from.cast::<pg_sys::RangeTblRef>()).rtindex as pg_sys::Index;
        pg_sys::pull_varattnos(node, ledger, &mut used);
        let first = pg_sys::bms_next_member(used, -1);
        if first >= 0 && first + pg_sys::FirstLowInvalidHeapAttributeNumber <= 0 {
            return refuse("a system column or the whole row");
        }
        if holds_virtual_column(query, ledger, used) {
            return refuse("a virtual generated column");
        }
    }
    Ok(())
}

/// Whether one of the columns is worked out only when it is read, as 18 can have it: the rows that
/// a trigger sees do not hold its value.
///
/// # Safety
/// `ledger` is a table's entry in the query's range table; `used` are its columns as
/// `pull_varattnos` gives them.
unsafe fn holds_virtual_column(
    query: &pg_sys::Query,
    ledger: pg_sys::Index,
    used: *mut pg_sys::Bitmapset,
) -> bool {
    // SAFETY: as the caller promises; catalog look-ups by value.
    unsafe {
        let entry = pg_sys::list_nth(query.rtable, ledger as i32 - 1);
        let relation = (*entry.cast::<pg_sys::RangeTblEntry>()).relid;
        let mut bit = -1;
        loop {
            bit = pg_sys::bms_next_member(used, bit);
            if bit < 0 {
                return false;
            }
            let attribute = (bit + pg_sys::FirstLowInvalidHeapAttributeNumber) as i16;
            if pg_sys::get_attgenerated(relation, attribute) as u8 == b'v' {
                return true;
            }
        }
    }
}

/// The types of a view's columns: the OID, and its collation.
pub fn column_types(view: pg_sys::Oid) -> Vec<(pg_sys::Oid, pg_sys::Oid)> {
    // SAFETY: the descriptor is read while the relation is open.
    unsafe {
        let relation = pg_sys::table_open(view, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let descriptor = pgrx::PgTupleDesc::from_pg_unchecked((*relation).rd_att);
        let types = descriptor
            .iter()
            .map(|attribute| (attribute.atttypid, attribute.attcollation))
            .collect();
        drop(descriptor);
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        types
    }
}

pub fn type_name(type_oid: pg_sys::Oid) -> String {
    // SAFETY: format_type_be() returns a C string for any OID.
    unsafe {
        CStr::from_ptr(pg_sys::format_type_be(type_oid))
            .to_string_lossy()
            .into_owned()
    }
}
