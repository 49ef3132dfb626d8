//! What SQL calls a relation or a function that is known by its OID.

use pgrx::pg_sys;
use std::ffi::CStr;

/// A relation as SQL names it, qualified.
pub fn relation_name(relation: pg_sys::Oid) -> String {
    // SAFETY: catalog look-ups that return NULL for what does not exist.
    unsafe {
        let name = pg_sys::get_rel_name(relation);
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        if name.is_null() || schema.is_null() {
            return relation.to_u32().to_string();
        }
        crate::sql::qualified(
            &CStr::from_ptr(schema).to_string_lossy(),
            &CStr::from_ptr(name).to_string_lossy(),
        )
    }
}

/// A function as SQL names it, qualified, without its arguments; none if it is gone.
pub fn function_name(function: pg_sys::Oid) -> Option<String> {
    // SAFETY: catalog look-ups that return NULL for what does not exist.
    unsafe {
        let name = pg_sys::get_func_name(function);
        let schema = pg_sys::get_namespace_name(pg_sys::get_func_namespace(function));
        (!name.is_null() && !schema.is_null()).then(|| {
            crate::sql::qualified(
                &CStr::from_ptr(schema).to_string_lossy(),
                &CStr::from_ptr(name).to_string_lossy(),
            )
        })
    }
}

/// A function of this owner as DROP and ALTER name it, with its arguments.
pub fn function_signature(function: pg_sys::Oid, owner: pg_sys::Oid) -> Option<String> {
    let name = function_name(function)?;
    // SAFETY: catalog look-ups by value; the row is read before it is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::PROCOID as i32,
            pg_sys::Datum::from(function),
        );
        if tuple.is_null() {
            return None;
        }
        let row = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>();
        let is_owned = row.proowner == owner;
        let arguments: Vec<String> = (0..row.proargtypes.dim1 as usize)
            .map(|argument| *row.proargtypes.values.as_ptr().add(argument))
            .map(|type_oid| {
                CStr::from_ptr(pg_sys::format_type_be(type_oid))
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        pg_sys::ReleaseSysCache(tuple);
        is_owned.then(|| format!("{name}({})", arguments.join(", ")))
    }
}
