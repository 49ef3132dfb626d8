//! What SQL calls the types of key columns now: a type, its operators or their schema may have got
//! another name since the ledger was attached.

use pgrx::pg_sys;
use std::ffi::CStr;

use super::mapping::{Key, Shape};
use crate::sql::{qualified, quote_identifier};

/// Gives the keys the names that the types of a table's first columns have now, and that their
/// equality operators have. A column that is not there leaves its key as it was recorded.
///
/// To be called with a `search_path` that finds nothing but the system's own types, so that others are
/// qualified.
pub fn refresh(keys: &mut [Key], table: pg_sys::Oid) {
    for (number, key) in (1..).zip(keys) {
        // SAFETY: catalog look-ups by value.
        unsafe {
            if let Some(column) = column(table, number) {
                key.sql_type = column.sql_type();
                if let Some(equals) = equals(column.type_oid) {
                    key.equals = equals;
                }
                key.shape = shape(column.type_oid);
            }
        }
    }
}

struct Column {
    type_oid: pg_sys::Oid,
    modifier: i32,
    collation: pg_sys::Oid,
}

unsafe fn column(table: pg_sys::Oid, number: i16) -> Option<Column> {
    // SAFETY: the tuple is read before it is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache2(
            pg_sys::SysCacheIdentifier::ATTNUM as i32,
            pg_sys::Datum::from(table),
            pg_sys::Datum::from(number),
        );
        if tuple.is_null() {
            return None;
        }
        let attribute = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_attribute>();
        let column = (!attribute.attisdropped).then_some(Column {
            type_oid: attribute.atttypid,
            modifier: attribute.atttypmod,
            collation: attribute.attcollation,
        });
        pg_sys::ReleaseSysCache(tuple);
        column
    }
}

impl Column {
    unsafe fn sql_type(&self) -> String {
        // SAFETY: C strings of the current memory context, or NULL for what does not exist.
        unsafe {
            let name = pg_sys::format_type_with_typemod(self.type_oid, self.modifier);
            let name = CStr::from_ptr(name).to_string_lossy().into_owned();
            if self.collation == pg_sys::InvalidOid
                || self.collation == pg_sys::get_typcollation(self.type_oid)
            {
                return name;
            }
            match collation_name(self.collation) {
                Some(collation) => format!("{name} COLLATE {collation}"),
                None => name,
            }
        }
    }
}

unsafe fn collation_name(collation: pg_sys::Oid) -> Option<String> {
    // SAFETY: the tuple is read before it is released; its names are C strings.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::COLLOID as i32,
            pg_sys::Datum::from(collation),
        );
        if tuple.is_null() {
            return None;
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_collation>();
        let name = CStr::from_ptr(form.collname.data.as_ptr())
            .to_string_lossy()
            .into_owned();
        let schema = schema_name(form.collnamespace);
        pg_sys::ReleaseSysCache(tuple);
        Some(qualified(&schema?, &name))
    }
}

unsafe fn schema_name(schema: pg_sys::Oid) -> Option<String> {
    // SAFETY: a C string of the current memory context, or NULL.
    unsafe {
        let name = pg_sys::get_namespace_name(schema);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

/// The equality of the type's default B-tree operator class, as SQL writes it anywhere.
unsafe fn equals(type_oid: pg_sys::Oid) -> Option<String> {
    // SAFETY: entries of the type cache stay; the tuple is read before it is released.
    unsafe {
        let flags = pg_sys::TYPECACHE_EQ_OPR as i32;
        let operator = (*pg_sys::lookup_type_cache(type_oid, flags)).eq_opr;
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::OPEROID as i32,
            pg_sys::Datum::from(operator),
        );
        if tuple.is_null() {
            return None;
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_operator>();
        let schema = form.oprnamespace;
        let name = CStr::from_ptr(form.oprname.data.as_ptr())
            .to_string_lossy()
            .into_owned();
        pg_sys::ReleaseSysCache(tuple);
        if schema == pg_sys::Oid::from(pg_sys::PG_CATALOG_NAMESPACE) {
            return Some("=".into());
        }
        let schema = schema_name(schema)?;
        Some(format!("OPERATOR({}.{name})", quote_identifier(&schema)))
    }
}

unsafe fn shape(type_oid: pg_sys::Oid) -> Shape {
    // SAFETY: catalog look-ups by value.
    unsafe {
        let base = pg_sys::getBaseType(type_oid);
        if base == pg_sys::JSONBOID {
            Shape::Json
        } else if pg_sys::get_element_type(base) != pg_sys::InvalidOid {
            Shape::Array
        } else {
            Shape::Scalar
        }
    }
}
