//! Reading PostgreSQL's trees.

use pgrx::pg_sys;
use std::ffi::CStr;

use crate::{security, versions};

/// The elements of a list of pointers.
///
/// # Safety
/// `list` is NULL or a valid list whose elements are pointers to `T`; it does not change while the
/// iterator is in use.
pub unsafe fn elements<T>(list: *const pg_sys::List) -> impl Iterator<Item = *mut T> {
    // SAFETY: as the caller promises.
    let length = if list.is_null() {
        0
    } else {
        unsafe { (*list).length as usize }
    };
    (0..length).map(move |place| unsafe { (*(*list).elements.add(place)).ptr_value.cast::<T>() })
}

/// The OIDs of a list.
///
/// # Safety
/// `list` is NULL or a valid list of OIDs.
pub unsafe fn oids(list: *const pg_sys::List) -> Vec<pg_sys::Oid> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: as the caller promises.
    unsafe {
        (0..(*list).length as usize)
            .map(|place| (*(*list).elements.add(place)).oid_value)
            .collect()
    }
}

/// # Safety
/// `node` is NULL or a valid node.
pub unsafe fn is(node: *const pg_sys::Node, tag: pg_sys::NodeTag) -> bool {
    // SAFETY: every node begins with its tag.
    !node.is_null() && unsafe { (*node).type_ } == tag
}

/// A string that PostgreSQL allocated.
///
/// # Safety
/// `text` is NULL or a C string.
pub unsafe fn string(text: *const std::ffi::c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned(),
    )
}

/// The expression below casts that do not change the value, and below the planner's placeholders.
///
/// # Safety
/// `node` is NULL or a valid expression.
pub unsafe fn stripped(mut node: *mut pg_sys::Node) -> *mut pg_sys::Node {
    // SAFETY: the tag says the type.
    unsafe {
        loop {
            if is(node, pg_sys::NodeTag::T_RelabelType) {
                node = (*node.cast::<pg_sys::RelabelType>()).arg.cast();
            } else if is(node, pg_sys::NodeTag::T_PlaceHolderVar) {
                node = (*node.cast::<pg_sys::PlaceHolderVar>()).phexpr.cast();
            } else {
                return node;
            }
        }
    }
}

/// The number of the statement's parameter that the expression is.
///
/// # Safety
/// `node` is NULL or a valid expression.
pub unsafe fn parameter(node: *mut pg_sys::Node) -> Option<usize> {
    // SAFETY: the tag says the type.
    unsafe {
        let node = stripped(node);
        if !is(node, pg_sys::NodeTag::T_Param) {
            return None;
        }
        let parameter = node.cast::<pg_sys::Param>();
        ((*parameter).paramkind == pg_sys::ParamKind::PARAM_EXTERN)
            .then_some((*parameter).paramid as usize)
    }
}

/// The columns of an expression, as (range table index, attribute number); `None` when it holds
/// something else that is worked out elsewhere: aggregates, outer columns, placeholders.
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn variables(node: *mut pg_sys::Node) -> Option<Vec<(i32, i16)>> {
    let flags = pg_sys::PVC_INCLUDE_AGGREGATES
        | pg_sys::PVC_INCLUDE_WINDOWFUNCS
        | pg_sys::PVC_INCLUDE_PLACEHOLDERS;
    // SAFETY: the list holds nodes of the expression.
    unsafe {
        elements::<pg_sys::Node>(pg_sys::pull_var_clause(node, flags as i32))
            .map(|found| {
                let var = found.cast::<pg_sys::Var>();
                (is(found, pg_sys::NodeTag::T_Var) && (*var).varlevelsup == 0)
                    .then(|| versions::column_of(&*var))
            })
            .collect()
    }
}

/// Whether the expression holds neither parameters nor sub-queries.
///
/// # Safety
/// `node` is a valid expression.
pub unsafe fn stands_alone(node: *mut pg_sys::Node) -> bool {
    // In this notation a value can look like no node: its bytes are written as numbers.
    // SAFETY: read-only walks.
    unsafe {
        let notation = string(pg_sys::nodeToString(node.cast())).unwrap_or_default();
        !notation.contains("{PARAM ") && !pg_sys::contain_subplans(node)
    }
}

/// An expression over the columns of one table, as SQL with names that hold in any search_path.
///
/// # Safety
/// `node` is a valid expression whose columns are those of range table entry `entry`, relation
/// `relation`.
pub unsafe fn deparsed(node: *mut pg_sys::Node, relation: pg_sys::Oid, entry: u32) -> String {
    // SAFETY: works on a copy; the deparser knows the relation as entry 1.
    unsafe {
        let copy = pg_sys::copyObjectImpl(node.cast()).cast::<pg_sys::Node>();
        pg_sys::ChangeVarNodes(copy, entry as i32, 1, 0);
        let name = pg_sys::get_rel_name(relation);
        let context = pg_sys::deparse_context_for(name, relation);
        let sql =
            security::with_safe_path(|| pg_sys::deparse_expression(copy, context, false, false));
        string(sql).unwrap_or_default()
    }
}
