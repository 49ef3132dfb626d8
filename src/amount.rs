//! Exact numbers that are read from stored rows and added up.
//!
//! Nearly all of them are small enough for integers; the others are added by PostgreSQL's own
//! `numeric`. Which way one takes shows in nothing but speed.

use pgrx::pg_sys;

use crate::decimal::{self, NumericValue};
use crate::sum::Sum;

#[derive(Clone, Copy, Debug)]
pub enum Amount {
    Narrow(Sum),
    /// A `numeric`, in the memory context that was current when it was read or made.
    Wide(pg_sys::Datum),
}

impl Default for Amount {
    fn default() -> Self {
        Self::Narrow(Sum::default())
    }
}

impl Amount {
    /// # Safety
    /// `datum` is a `numeric`.
    pub unsafe fn read(datum: pg_sys::Datum) -> Self {
        // SAFETY: a numeric is a varlena; packed keeps a one-byte header, which decode() allows.
        unsafe {
            let varlena = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
            let length = pgrx::varsize_any_exhdr(varlena);
            let start = pgrx::vardata_any(varlena).cast::<u8>();
            if let NumericValue::Finite(number) =
                decimal::decode(std::slice::from_raw_parts(start, length))
                && let Some(sum) = Sum::of_decimal(number)
            {
                return Self::Narrow(sum);
            }
            Self::Wide(pg_sys::Datum::from(pg_sys::pg_detoast_datum_copy(varlena)))
        }
    }

    pub fn add(&mut self, other: Self) {
        *self = match (*self, other) {
            (Self::Narrow(left), Self::Narrow(right)) => match left.checked_add(right) {
                Some(sum) => Self::Narrow(sum),
                None => self.calculate(pg_sys::numeric_add, other),
            },
            _ => self.calculate(pg_sys::numeric_add, other),
        };
    }

    pub fn subtract(&mut self, other: Self) {
        *self = match (*self, other) {
            (Self::Narrow(left), Self::Narrow(right)) => match left.checked_subtract(right) {
                Some(sum) => Self::Narrow(sum),
                None => self.calculate(pg_sys::numeric_sub, other),
            },
            _ => self.calculate(pg_sys::numeric_sub, other),
        };
    }

    fn calculate(
        self,
        function: unsafe fn(pg_sys::FunctionCallInfo) -> pg_sys::Datum,
        other: Self,
    ) -> Self {
        // SAFETY: the functions take two numerics and return one, never NULL.
        unsafe {
            let operands = [Some(self.to_datum()), Some(other.to_datum())];
            let result = pgrx::direct_function_call_as_datum(function, &operands);
            result.map_or_else(Self::default, |result| Self::read(result))
        }
    }

    /// A `numeric` in the current memory context.
    fn to_datum(self) -> pg_sys::Datum {
        match self {
            // SAFETY: an encoded numeric is a complete varlena.
            Self::Narrow(sum) => unsafe {
                crate::ledger::keys::copy_varlena(sum.to_numeric().as_bytes())
            },
            Self::Wide(datum) => datum,
        }
    }

    pub fn is_zero(self) -> bool {
        match self {
            Self::Narrow(sum) => sum.is_zero(),
            // SAFETY: a numeric, whose sign is -1, 0 or 1.
            Self::Wide(datum) => unsafe {
                let sign =
                    pgrx::direct_function_call_as_datum(pg_sys::numeric_sign, &[Some(datum)]);
                pgrx::direct_function_call::<i32>(pg_sys::numeric_int4, &[sign]) == Some(0)
            },
        }
    }
}
