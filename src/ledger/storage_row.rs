//! Rows of days and openings, put together column by column.

use pgrx::pg_sys;

use super::keys::KeyInterner;
use super::legs::numeric_datum;
use crate::amount::Amount;
use crate::decimal::EncodedNumeric;
use crate::sum::Sum;

/// The types of the columns of days.
pub fn day_types(keys: &KeyInterner, has_value: bool) -> Vec<pg_sys::Oid> {
    types(keys, 2, 3, if has_value { 2 } else { 0 })
}

/// The types of the columns of openings.
pub fn opening_types(keys: &KeyInterner, has_value: bool) -> Vec<pg_sys::Oid> {
    types(keys, 1, 2, usize::from(has_value))
}

fn types(keys: &KeyInterner, dates: usize, quantities: usize, values: usize) -> Vec<pg_sys::Oid> {
    let mut types: Vec<pg_sys::Oid> = keys.type_oids().collect();
    types.extend(std::iter::repeat_n(pg_sys::DATEOID, dates));
    types.extend(std::iter::repeat_n(pg_sys::NUMERICOID, quantities + values));
    types.push(pg_sys::INT8OID);
    types
}

/// One row, reused from row to row.
#[derive(Default)]
pub struct StorageRow {
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
    /// What the datums of sums point to. As long as it does not grow, they stay good.
    sums: Vec<EncodedNumeric>,
}

/// Sums that a row has at most: in, out, of the month, and two of the value.
const MAX_SUMS: usize = 5;

impl StorageRow {
    pub fn begin(&mut self, keys: &[pg_sys::Datum]) {
        self.values.clear();
        self.values.extend_from_slice(keys);
        self.sums.clear();
        self.sums.reserve(MAX_SUMS);
    }

    pub fn day(&mut self, day: i32) {
        self.values.push(pg_sys::Datum::from(day));
    }

    pub fn count(&mut self, count: i64) {
        self.values.push(pg_sys::Datum::from(count));
    }

    pub fn sum(&mut self, sum: Sum) {
        debug_assert!(self.sums.len() < MAX_SUMS);
        self.sums.push(sum.to_numeric());
        self.values.extend(self.sums.last().map(numeric_datum));
    }

    pub fn amount(&mut self, amount: Amount) {
        match amount {
            Amount::Narrow(sum) => self.sum(sum),
            Amount::Wide(datum) => self.values.push(datum),
        }
    }

    /// The datums and null flags of the columns so far, of which none is NULL.
    pub fn columns(&mut self) -> (&mut [pg_sys::Datum], &mut [bool]) {
        self.nulls.clear();
        self.nulls.resize(self.values.len(), false);
        (&mut self.values, &mut self.nulls)
    }
}
