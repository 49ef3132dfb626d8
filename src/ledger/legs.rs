//! Legs: what one ledger row adds to, or takes from, one key on one day.
//!
//! Capture and backfill both collect legs here, sort them by month, key and day, and get back one
//! movement per key and day. Quantities are added as integers of a fixed scale; a quantity too
//! wide for that is kept apart and is added by PostgreSQL's own `numeric` later, so the sums are
//! exact either way.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::keys::KeyInterner;
use super::mapping::Layout;
use crate::calendar::{FIRST_DAY, LAST_DAY, Month};
use crate::decimal::{self, Decimal, EncodedNumeric, NumericValue};
use crate::error::Failure;
use crate::sum::{self, Sum};

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

/// One leg with a narrow quantity and value.
#[derive(Debug, Clone, Copy)]
pub struct Leg {
    month: Month,
    key: u32,
    quantity: i64,
    value: i64,
    day_of_month: u8,
    quantity_scale: u8,
    value_scale: u8,
    retract: bool,
}

/// Legs are ordered, and equal, by where they belong: month, key and day.
impl PartialEq for Leg {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Leg {}

impl PartialOrd for Leg {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Leg {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl Leg {
    fn order(&self) -> (Month, u32, u8) {
        (self.month, self.key, self.day_of_month)
    }
}

/// A leg whose quantity or value is beyond what integers hold; both as `numeric`, signed.
#[derive(Debug, Clone, Copy)]
pub struct WideLeg {
    pub key: u32,
    pub day: i32,
    pub quantity: pg_sys::Datum,
    pub is_negative: bool,
    pub value: Option<pg_sys::Datum>,
    pub retract: bool,
}

/// What happened to one key on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    pub month: Month,
    pub key: u32,
    pub day_of_month: u8,
    pub in_quantity: Sum,
    pub out_quantity: Sum,
    pub value_change: Sum,
    pub move_count: i64,
}

impl Movement {
    pub fn day(&self) -> i32 {
        self.month.first_day() + i32::from(self.day_of_month) - 1
    }

    pub fn changes_nothing(&self) -> bool {
        self.move_count == 0
            && self.in_quantity.is_zero()
            && self.out_quantity.is_zero()
            && self.value_change.is_zero()
    }

    fn starting_with(leg: &Leg) -> Self {
        let mut movement = Self {
            month: leg.month,
            key: leg.key,
            day_of_month: leg.day_of_month,
            in_quantity: Sum::default(),
            out_quantity: Sum::default(),
            value_change: Sum::default(),
            move_count: 0,
        };
        movement.apply(leg);
        movement
    }

    fn apply(&mut self, leg: &Leg) {
        let side = if leg.quantity < 0 {
            &mut self.out_quantity
        } else {
            &mut self.in_quantity
        };
        let magnitude = Sum::of(leg.quantity, leg.quantity_scale);
        // The side that goes out is counted in positive numbers.
        if (leg.quantity < 0) == leg.retract {
            side.add(magnitude);
        } else {
            side.subtract(magnitude);
        }
        let value = Sum::of(leg.value, leg.value_scale);
        if leg.retract {
            self.value_change.subtract(value);
            self.move_count -= 1;
        } else {
            self.value_change.add(value);
            self.move_count += 1;
        }
    }
}

/// Groups legs in order into movements.
pub struct Movements<I: Iterator<Item = Leg>> {
    legs: std::iter::Peekable<I>,
}

impl<I: Iterator<Item = Leg>> Movements<I> {
    pub fn new(legs: I) -> Self {
        Self {
            legs: legs.peekable(),
        }
    }
}

impl<I: Iterator<Item = Leg>> Iterator for Movements<I> {
    type Item = Movement;

    fn next(&mut self) -> Option<Movement> {
        let first = self.legs.next()?;
        let mut movement = Movement::starting_with(&first);
        while let Some(leg) = self.legs.next_if(|leg| leg.order() == first.order()) {
            movement.apply(&leg);
        }
        Some(movement)
    }
}

/// How a quantity or a value was read.
enum Measure {
    Narrow {
        unscaled: i64,
        scale: u8,
    },
    Wide {
        datum: pg_sys::Datum,
        is_negative: bool,
    },
}

/// Collects legs.
pub struct LegBuffer {
    layout: Layout,
    quantity_type: MeasureType,
    value_type: MeasureType,
    pub keys: KeyInterner,
    pub legs: Vec<Leg>,
    pub wide: Vec<WideLeg>,
    /// The context that was current when the buffer was made, which outlives it.
    parent: pg_sys::MemoryContext,
    /// What the numerics of wide legs are allocated in, once there are any.
    wide_context: pg_sys::MemoryContext,
}

impl LegBuffer {
    pub fn new(
        layout: Layout,
        quantity_type: MeasureType,
        value_type: MeasureType,
        keys: KeyInterner,
    ) -> Self {
        Self {
            layout,
            quantity_type,
            value_type,
            keys,
            legs: Vec::new(),
            wide: Vec::new(),
            // SAFETY: reads a backend variable.
            parent: unsafe { pg_sys::CurrentMemoryContext },
            wide_context: std::ptr::null_mut(),
        }
    }

    /// Makes room for the legs of that many rows.
    pub fn reserve(&mut self, rows: usize) {
        self.legs.reserve(rows);
        self.keys.reserve(rows);
    }

    /// Forgets everything, for another use of the buffer. Whatever it allocated in memory contexts
    /// may be gone.
    pub fn start_over(&mut self) {
        self.legs.clear();
        self.wide.clear();
        self.keys.start_over();
        // SAFETY: reads a backend variable.
        self.parent = unsafe { pg_sys::CurrentMemoryContext };
        self.wide_context = std::ptr::null_mut();
    }

    /// Adds the legs of one row of the mapping view, or with `retract` takes them back. Returns
    /// false for a row that does not count, as a key, its day or its quantity is NULL.
    ///
    /// # Safety
    /// `values` and `nulls` hold one datum of the mapping view's type for each of its columns.
    pub unsafe fn add_row(
        &mut self,
        values: &mut [pg_sys::Datum],
        nulls: &mut [bool],
        retract: bool,
    ) -> Result<bool, Failure> {
        let layout = self.layout;
        if nulls[layout.day] || nulls[layout.quantity] {
            return Ok(false);
        }
        let Some(second) = layout.second_leg else {
            if nulls[..layout.keys].contains(&true) {
                return Ok(false);
            }
            // SAFETY: as the caller promises.
            unsafe { self.add_leg(values, nulls, false, retract)? };
            return Ok(true);
        };
        let mut counted = false;
        let from_is_null = nulls[second.location_key];
        nulls[second.location_key] = false;
        let keys_complete = !nulls[..layout.keys].contains(&true);
        if keys_complete && !from_is_null {
            // SAFETY: as the caller promises.
            unsafe { self.add_leg(values, nulls, true, retract)? };
            counted = true;
        }
        if keys_complete && !nulls[second.to_location] {
            values[second.location_key] = values[second.to_location];
            // SAFETY: as the caller promises; both sides have one type.
            unsafe { self.add_leg(values, nulls, false, retract)? };
            counted = true;
        }
        Ok(counted)
    }

    unsafe fn add_leg(
        &mut self,
        values: &[pg_sys::Datum],
        nulls: &[bool],
        negate: bool,
        retract: bool,
    ) -> Result<(), Failure> {
        let day = values[self.layout.day].value() as i32;
        if !(FIRST_DAY..=LAST_DAY).contains(&day) {
            return Err(day_out_of_range(day));
        }
        // SAFETY: the datum is of the type that the mapping view has.
        let quantity =
            unsafe { read_measure(values[self.layout.quantity], self.quantity_type, "quantity")? };
        let value = match self.layout.value {
            Some(column) if !nulls[column] => {
                // SAFETY: as above.
                unsafe { read_measure(values[column], self.value_type, "value")? }
            }
            _ => Measure::Narrow {
                unscaled: 0,
                scale: 0,
            },
        };
        // SAFETY: no key is NULL here.
        let key = unsafe { self.keys.intern(&values[..self.layout.keys]) };
        match (quantity, value) {
            (
                Measure::Narrow {
                    unscaled: quantity,
                    scale: quantity_scale,
                },
                Measure::Narrow {
                    unscaled: value,
                    scale: value_scale,
                },
            ) => {
                let (month, day_of_month) = Month::of_day(day);
                let sign = if negate { -1 } else { 1 };
                self.legs.push(Leg {
                    month,
                    key,
                    quantity: quantity * sign,
                    value: value * sign,
                    day_of_month,
                    quantity_scale,
                    value_scale,
                    retract,
                });
            }
            (quantity, value) => {
                // SAFETY: the numerics are copied into the buffer's own context.
                let wide = unsafe {
                    let previous = pg_sys::MemoryContextSwitchTo(self.wide_context());
                    let (quantity, is_negative) = quantity.into_numeric(negate);
                    let value = self.layout.value.map(|_| value.into_numeric(negate).0);
                    pg_sys::MemoryContextSwitchTo(previous);
                    WideLeg {
                        key,
                        day,
                        quantity,
                        is_negative,
                        value,
                        retract,
                    }
                };
                self.wide.push(wide);
            }
        }
        Ok(())
    }

    fn wide_context(&mut self) -> pg_sys::MemoryContext {
        if self.wide_context.is_null() {
            // SAFETY: a child of a context that outlives the buffer.
            self.wide_context = unsafe {
                pg_sys::AllocSetContextCreateInternal(
                    self.parent,
                    c"inventory_perf wide quantities".as_ptr(),
                    0,
                    8 * 1024,
                    1024 * 1024,
                )
            };
        }
        self.wide_context
    }

    pub fn forget_wide(&mut self) {
        self.wide.clear();
        // SAFETY: only the legs that were just forgotten point into it.
        unsafe { pg_sys::MemoryContextReset(self.wide_context()) }
    }

    /// Puts the legs in the order that [`Movements`] wants.
    pub fn sort(&mut self) {
        if self.legs.len() > 1 {
            self.legs.sort_unstable_by_key(Leg::order);
        }
    }

    /// Numbers the keys by their own order, and puts the legs in it, so that what is written is
    /// sorted by key and there is little left to sort.
    pub fn rank_keys(&mut self) {
        let ranks = self.keys.rank();
        let mut places = vec![0; ranks.len() + 1];
        for leg in &mut self.legs {
            leg.key = ranks[leg.key as usize];
            places[leg.key as usize + 1] += 1;
        }
        for key in 1..places.len() {
            places[key] += places[key - 1];
        }
        let mut sorted = self.legs.clone();
        for leg in &self.legs {
            let place = &mut places[leg.key as usize];
            sorted[*place] = *leg;
            *place += 1;
        }
        self.legs = sorted;
    }
}

impl Measure {
    /// The measure as a `numeric` of the current memory context, and whether it is negative.
    unsafe fn into_numeric(self, negate: bool) -> (pg_sys::Datum, bool) {
        let (datum, is_negative) = match self {
            Self::Narrow { unscaled, scale } => {
                let encoded = Decimal {
                    unscaled: i128::from(unscaled),
                    scale,
                }
                .to_numeric();
                // SAFETY: the encoding is a complete varlena.
                (
                    unsafe { super::keys::copy_varlena(encoded.as_bytes()) },
                    unscaled < 0,
                )
            }
            // SAFETY: a complete numeric.
            Self::Wide { datum, is_negative } => (
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

unsafe fn read_measure(
    datum: pg_sys::Datum,
    measure_type: MeasureType,
    role: &str,
) -> Result<Measure, Failure> {
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
        return Ok(Measure::Narrow { unscaled, scale: 0 });
    }
    // SAFETY: makes a numeric in the current memory context.
    let numeric = unsafe { pg_sys::int64_to_numeric(integer) };
    Ok(Measure::Wide {
        datum: pg_sys::Datum::from(numeric),
        is_negative: integer < 0,
    })
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

fn day_out_of_range(day: i32) -> Failure {
    // SAFETY: any number of days is a date, or infinite.
    let day = unsafe { pgrx::datum::Date::from_pg_epoch_days(day) };
    Failure::new(
        PgSqlErrorCode::ERRCODE_DATETIME_FIELD_OVERFLOW,
        format!("day {day} of a movement is out of range"),
    )
    .detail("Days from 4713-01-01 BC to 294276-11-30 can be summed.")
    .hint(
        "Correct the day, or attach the ledger with a filter that leaves such rows out, \
         such as isfinite(moved_at).",
    )
}
