//! The types and values of a statement's parameters.

use pgrx::pg_sys;
use pgrx::pg_sys::Oid;
use std::ffi::{CStr, CString};

use super::Values;
use crate::versions;

/// The largest number of a parameter that the text could have; numbers in strings count too.
pub fn largest(text: &str) -> usize {
    const MOST: usize = 65_535;
    text.split('$')
        .skip(1)
        .filter_map(|rest| {
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            rest[..end].parse().ok().filter(|number| *number <= MOST)
        })
        .max()
        .unwrap_or(0)
}

/// The statement analysed; types that are not known yet are found.
///
/// # Safety
/// `statement` is the raw parse tree of `text`, and `types` has room for all of its parameters.
pub unsafe fn analysed(
    statement: *mut pg_sys::RawStmt,
    text: &CStr,
    types: &mut Vec<Oid>,
) -> *mut pg_sys::Query {
    let mut array = types.as_mut_ptr();
    let mut count = types.len() as i32;
    // SAFETY: the parser writes into the array, and would only move it for a larger number.
    let query = unsafe { versions::parse_inferring(statement, text, &mut array, &mut count) };
    // What only looked like a parameter is none.
    while types.last() == Some(&pg_sys::InvalidOid) {
        types.pop();
    }
    complete(types);
    query
}

/// Gives parameters whose type does not matter the type text.
pub fn complete(types: &mut [Oid]) {
    for type_oid in types {
        if [pg_sys::InvalidOid, pg_sys::UNKNOWNOID].contains(type_oid) {
            *type_oid = pg_sys::TEXTOID;
        }
    }
}

/// Values as the planner takes them.
///
/// # Safety
/// Called in a transaction.
pub unsafe fn bound(parameters: &[Oid], values: Values) -> Result<pg_sys::ParamListInfo, String> {
    // SAFETY: the list has room for as many parameters as it is made for; the input functions
    // raise an error for text that they do not accept.
    unsafe {
        let list = pg_sys::makeParamList(parameters.len() as i32);
        for (place, type_oid) in parameters.iter().enumerate() {
            let parameter = (*list).params.as_mut_ptr().add(place);
            let mut input = pg_sys::InvalidOid;
            let mut argument = pg_sys::InvalidOid;
            pg_sys::getTypeInputInfo(*type_oid, &mut input, &mut argument);
            let value = values.get(place).cloned().flatten();
            (*parameter).isnull = value.is_none();
            if let Some(value) = value {
                let value = CString::new(value).map_err(|error| error.to_string())?;
                (*parameter).value =
                    pg_sys::OidInputFunctionCall(input, value.as_ptr().cast_mut(), argument, -1);
            }
            (*parameter).pflags = pg_sys::PARAM_FLAG_CONST as u16;
            (*parameter).ptype = *type_oid;
        }
        Ok(list)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_largest_number_is_found_wherever_it_stands() {
        assert_eq!(largest("SELECT $2, $10 + $3"), 10);
        assert_eq!(largest("SELECT 1"), 0);
        assert_eq!(largest("SELECT $tag$ x $tag$"), 0);
        assert_eq!(largest("SELECT $99999999999999999999"), 0);
        assert_eq!(largest("$"), 0);
    }
}
