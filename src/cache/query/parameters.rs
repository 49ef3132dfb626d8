//! The parameters of a cached query: JSON values become values of the types that PostgreSQL
//! inferred.

mod literal;

use pgrx::pg_sys;
use pgrx::prelude::*;
use serde_json::value::RawValue;
use std::ffi::{CStr, CString};

use crate::error::Failure;
use crate::ledger::expressions::type_name;
use literal::{Literal, literal};

/// Values for the parameters of one execution.
pub struct Parameters {
    /// For the executor; NULL if there are none.
    pub list: pg_sys::ParamListInfo,
    /// What tells these values from others.
    pub identity: Vec<Option<String>>,
}

/// Converts a JSON array to one value for each type. Values live in the current memory context.
pub fn convert(params: &str, types: &[pg_sys::Oid]) -> Result<Parameters, Failure> {
    let values: Vec<&RawValue> = serde_json::from_str(params).map_err(|_| {
        invalid("params is not a jsonb array").hint("Pass an array, one value for each parameter.")
    })?;
    if values.len() != types.len() {
        return Err(invalid(format!(
            "query has {}, but params has {}",
            counted(types.len(), "parameter"),
            counted(values.len(), "value")
        ))
        .hint("Pass an array with one value for each of $1, $2, …"));
    }
    let mut identity = Vec::with_capacity(values.len() * 2);
    if types.is_empty() {
        return Ok(Parameters {
            list: std::ptr::null_mut(),
            identity,
        });
    }
    // SAFETY: the list has room for as many parameters as there are types; input functions read a
    // null-terminated copy of the text.
    unsafe {
        let list = pg_sys::makeParamList(types.len() as i32);
        let slots = (*list).params.as_mut_slice(types.len());
        for (number, ((value, type_oid), slot)) in values.iter().zip(types).zip(slots).enumerate() {
            let text = text_of(number + 1, value.get(), *type_oid)?;
            slot.ptype = *type_oid;
            slot.pflags = pg_sys::PARAM_FLAG_CONST as u16;
            slot.isnull = text.is_none();
            if let Some(text) = &text {
                slot.value = input(number + 1, text, *type_oid)?;
                // 'today' is another day tomorrow.
                identity.push(Some(output(slot.value, *type_oid)));
            } else {
                slot.value = pg_sys::Datum::from(0);
                identity.push(None);
            }
            identity.push(text);
        }
        Ok(Parameters { list, identity })
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The value as the type's input function takes it.
fn text_of(number: usize, value: &str, type_oid: pg_sys::Oid) -> Result<Option<String>, Failure> {
    // SAFETY: catalog look-ups by value.
    let (element, delimiter) = unsafe {
        let element = pg_sys::get_element_type(pg_sys::getBaseType(type_oid));
        (element, delimiter(element))
    };
    let is_array = element != pg_sys::InvalidOid;
    let as_json = is_json(if is_array { element } else { type_oid });
    literal(value, is_array.then_some(delimiter), as_json).map_err(|problem| {
        let name = type_name(type_oid);
        let failure = Failure::new(
            PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
            format!("parameter ${number} is {problem}, but its type is {name}"),
        );
        match problem {
            Literal::Object => failure.hint(format!(
                "Use it as jsonb in the query, as in ${number}::jsonb, or pass text in the type's format."
            )),
            Literal::Array => failure.hint(format!(
                "Pass one value, or use it as an array in the query, as in = ANY (${number})."
            )),
            Literal::Scalar => failure.hint("Pass a JSON array, also for a single element."),
        }
    })
}

fn is_json(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up by value.
    let base = unsafe { pg_sys::getBaseType(type_oid) };
    base == pg_sys::JSONBOID || base == pg_sys::JSONOID
}

fn delimiter(element: pg_sys::Oid) -> char {
    if element == pg_sys::InvalidOid {
        return ',';
    }
    let (mut length, mut by_value, mut align, mut delimiter) = (0, false, 0, 0);
    let (mut parameter, mut function) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    // SAFETY: the out parameters outlive the call, which reads the catalog.
    unsafe {
        pg_sys::get_type_io_data(
            element,
            pg_sys::IOFuncSelector::IOFunc_input,
            &mut length,
            &mut by_value,
            &mut align,
            &mut delimiter,
            &mut parameter,
            &mut function,
        );
    }
    char::from(delimiter as u8)
}

/// # Safety
/// The result lives in the current memory context.
unsafe fn input(
    number: usize,
    text: &str,
    type_oid: pg_sys::Oid,
) -> Result<pg_sys::Datum, Failure> {
    let text = CString::new(text)
        .map_err(|_| invalid(format!("parameter ${number} contains a null character")))?;
    let (mut function, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    // SAFETY: the type's own input function, called as PostgreSQL does.
    unsafe {
        pg_sys::getTypeInputInfo(type_oid, &mut function, &mut parameter);
        Ok(pg_sys::OidInputFunctionCall(
            function,
            text.as_ptr().cast_mut(),
            parameter,
            -1,
        ))
    }
}

/// # Safety
/// `value` is of type `type_oid`.
unsafe fn output(value: pg_sys::Datum, type_oid: pg_sys::Oid) -> String {
    let (mut function, mut is_varlena) = (pg_sys::InvalidOid, false);
    // SAFETY: the type's own output function returns a C string.
    unsafe {
        pg_sys::getTypeOutputInfo(type_oid, &mut function, &mut is_varlena);
        let text = pg_sys::OidOutputFunctionCall(function, value);
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}
