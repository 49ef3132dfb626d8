//! Quantities and values as they are read: integers of a scale where they are narrow enough, else
//! PostgreSQL's own numbers.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::decimal::{self, Decimal, EncodedNumeric, NumericValue};
use crate::error::Failure;
use crate::ledger::keys::copy_varlena;
use crate::sum;

/// The types that a mapping view has its quantity and value in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureType {
    SmallInteger,
    Integer,
    BigInteger,
    Numeric,
}

impl MeasureType {
    pub fn of(type_oid: pg_sys::Oid) -> Option<Self> {
        match type_oid {
            pg_sys::INT2OID => Some(Self::SmallInteger),
            pg_sys::INT4OID => Some(Self::Integer),
            pg_sys::INT8OID => Some(Self::BigInteger),
            pg_sys::NUMERICOID => Some(Self::Numeric),
            _ => None,
        }
    }
}

/// How a quantity or a value was read.
pub enum Measure {
    Narrow {
        unscaled: i64,
        scale: u8,
    },
    Wide {
        datum: pg_sys::Datum,
        is_negative: bool,
        /// So large that sums of it could be more than a `numeric` holds.
        is_huge: bool,
    },
}

/// Digits before the point of what is captured: a `numeric` has 131,072 of them, so that no number of
/// rows adds up to more.
const MOST_DIGITS: u32 = 100_000;

impl Measure {
    pub const NOTHING: Self = Self::Narrow {
        unscaled: 0,
        scale: 0,
    };

    /// # Safety
    /// The datum is of the type.
    pub unsafe fn read(
        datum: pg_sys::Datum,
        measure_type: MeasureType,
        role: &str,
    ) -> Result<Self, Failure> {
        let integer = match measure_type {
            MeasureType::SmallInteger => datum.value() as i16 as i64,
            MeasureType::Integer => datum.value() as i32 as i64,
            MeasureType::BigInteger => datum.value() as i64,
            // SAFETY: the datum is a numeric.
            MeasureType::Numeric => return unsafe { read_numeric(datum, role) },
        };
        if let Some(unscaled) = sum::narrow(Decimal {
            unscaled: integer.into(),
            scale: 0,
        }) {
            return Ok(Self::Narrow { unscaled, scale: 0 });
        }
        // SAFETY: makes a numeric in the current memory context.
        let numeric = unsafe { pg_sys::int64_to_numeric(integer) };
        Ok(Self::Wide {
            datum: pg_sys::Datum::from(numeric),
            is_negative: integer < 0,
            is_huge: false,
        })
    }

    /// Refuses what could make a sum overflow, for good: neither a fold nor a repair could add it up.
    pub fn require_summable(&self, role: &str) -> Result<(), Failure> {
        if !matches!(self, Self::Wide { is_huge: true, .. }) {
            return Ok(());
        }
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            format!("{role} of a movement is too large to be summed"),
        )
        .detail(format!(
            "At most {MOST_DIGITS} digits before the point can be."
        ))
        .hint(
            "Correct the value, or attach the ledger with a filter that leaves such rows out, \
             such as abs(quantity) < 1e30.",
        ))
    }

    /// The measure as a `numeric` of the current memory context, and whether it is negative.
    ///
    /// # Safety
    /// The datum that it was read from is still there.
    pub unsafe fn into_numeric(self, negate: bool) -> (pg_sys::Datum, bool) {
        let (datum, is_negative) = match self {
            Self::Narrow { unscaled, scale } => {
                let encoded = Decimal {
                    unscaled: i128::from(unscaled),
                    scale,
                }
                .to_numeric();
                // SAFETY: the encoding is a complete varlena.
                (unsafe { copy_varlena(encoded.as_bytes()) }, unscaled < 0)
            }
            // SAFETY: a complete numeric.
            Self::Wide {
                datum, is_negative, ..
            } => (
                pg_sys::Datum::from(unsafe { pg_sys::pg_detoast_datum_copy(datum.cast_mut_ptr()) }),
                is_negative,
            ),
        };
        if negate {
            // SAFETY: a numeric in, a numeric out.
            (unsafe { negate_numeric(datum) }, !is_negative)
        } else {
            (datum, is_negative)
        }
    }
}

/// An encoded numeric as a datum, good for as long as it stands where it is.
pub fn numeric_datum(encoded: &EncodedNumeric) -> pg_sys::Datum {
    pg_sys::Datum::from(encoded.as_bytes().as_ptr())
}

/// # Safety
/// `datum` is a `numeric`.
pub unsafe fn negate_numeric(datum: pg_sys::Datum) -> pg_sys::Datum {
    // SAFETY: numeric_uminus() takes one numeric and returns one, never NULL.
    let negated =
        unsafe { pgrx::direct_function_call_as_datum(pg_sys::numeric_uminus, &[Some(datum)]) };
    negated.unwrap_or(datum)
}

unsafe fn read_numeric(datum: pg_sys::Datum, role: &str) -> Result<Measure, Failure> {
    // SAFETY: a numeric is a varlena; packed keeps a one-byte header, which decode() allows.
    let (varlena, payload) = unsafe {
        let varlena = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
        let length = pgrx::varsize_any_exhdr(varlena);
        let start = pgrx::vardata_any(varlena).cast::<u8>();
        (varlena, std::slice::from_raw_parts(start, length))
    };
    match decimal::decode(payload) {
        NumericValue::Finite(number) => Ok(match sum::narrow(number) {
            Some(unscaled) => Measure::Narrow {
                unscaled,
                scale: number.scale,
            },
            None => Measure::Wide {
                datum: pg_sys::Datum::from(varlena),
                is_negative: number.unscaled < 0,
                is_huge: false,
            },
        }),
        // SAFETY: a numeric whose sign is -1, 0 or 1.
        NumericValue::TooWide => unsafe {
            let datum = pg_sys::Datum::from(varlena);
            let sign = pgrx::direct_function_call_as_datum(pg_sys::numeric_sign, &[Some(datum)]);
            let sign = pgrx::direct_function_call::<i32>(pg_sys::numeric_int4, &[sign]);
            Ok(Measure::Wide {
                datum,
                is_negative: sign.unwrap_or(0) < 0,
                is_huge: decimal::integer_digits(payload) > MOST_DIGITS,
            })
        },
        NumericValue::NotANumber => Err(not_finite(role, "NaN")),
        NumericValue::PositiveInfinity => Err(not_finite(role, "Infinity")),
        NumericValue::NegativeInfinity => Err(not_finite(role, "-Infinity")),
    }
}

fn not_finite(role: &str, value: &str) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
        format!("{role} {value} of a movement cannot be summed"),
    )
    .hint(
        "Correct the value, or attach the ledger with a filter that leaves such rows out, \
         such as quantity <> 'NaN'.",
    )
}
