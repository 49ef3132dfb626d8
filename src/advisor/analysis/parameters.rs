//! The types and values of a statement's parameters.

use pgrx::pg_sys;
use pgrx::pg_sys::Oid;
use std::ffi::{CStr, CString};

use super::Values;
use crate::versions;

/// What the protocol can bind.
const MOST: usize = 65_535;

/// Types of $1, $2 …, in memory that the parser enlarges as it meets them.
pub struct Types {
    array: *mut Oid,
    count: i32,
}

impl Types {
    pub fn new() -> Self {
        // SAFETY: plain memory of the current context, which outlives this.
        let array = unsafe { pg_sys::palloc0(size_of::<Oid>()) };
        Self {
            array: array.cast(),
            count: 0,
        }
    }

    pub fn get(&self) -> &[Oid] {
        // SAFETY: the parser keeps the array as long as the count says.
        unsafe { std::slice::from_raw_parts(self.array, self.count.max(0) as usize) }
    }

    fn get_mut(&mut self) -> &mut [Oid] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.array, self.count.max(0) as usize) }
    }

    /// Gives the first parameters the types that a PREPARE declares.
    pub fn declare(&mut self, declared: &[Oid]) {
        let missing = self.get().len() < declared.len();
        if missing {
            // SAFETY: the array is of the size that it gets, and written below.
            self.array =
                unsafe { pg_sys::repalloc(self.array.cast(), size_of_val(declared)).cast::<Oid>() };
            self.count = declared.len() as i32;
        }
        // SAFETY: there is room for all that are declared.
        unsafe { std::ptr::copy(declared.as_ptr(), self.array, declared.len()) };
    }

    /// Gives parameters whose type does not matter the type text.
    pub fn complete(&mut self) {
        for type_oid in self.get_mut() {
            if [pg_sys::InvalidOid, pg_sys::UNKNOWNOID].contains(type_oid) {
                *type_oid = pg_sys::TEXTOID;
            }
        }
    }
}

impl Drop for Types {
    fn drop(&mut self) {
        // SAFETY: the array is this one's alone.
        unsafe { pg_sys::pfree(self.array.cast()) };
    }
}

/// The statement analysed; types that are not known yet are found.
///
/// # Safety
/// `statement` is the raw parse tree of `text`.
pub unsafe fn analysed(
    statement: *mut pg_sys::RawStmt,
    text: &CStr,
    types: &mut Types,
) -> Result<*mut pg_sys::Query, String> {
    // SAFETY: the parser keeps the pair of array and count as one.
    let query =
        unsafe { versions::parse_inferring(statement, text, &mut types.array, &mut types.count) };
    if types.get().len() > MOST {
        return Err(format!("more than {MOST} parameters"));
    }
    types.complete();
    Ok(query)
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
