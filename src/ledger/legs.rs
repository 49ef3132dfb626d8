//! Legs: what one ledger row adds to, or takes from, one key on one day.
//!
//! Capture and backfill both collect legs here, sort them by month, key and day, and get back one
//! movement per key and day. Quantities are added as integers of a fixed scale; a quantity too
//! wide for that is kept apart and is added by PostgreSQL's own `numeric` later, so the sums are
//! exact either way.

mod measure;
mod movement;

use pgrx::pg_sys;
use pgrx::prelude::*;

use self::measure::Measure;
pub use self::measure::{MeasureType, negate_numeric, numeric_datum};
pub use self::movement::{Movement, Movements};
use super::keys::KeyInterner;
use super::mapping::Layout;
use crate::calendar::{FIRST_DAY, LAST_DAY, Month};
use crate::error::Failure;

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
            unsafe { Measure::read(values[self.layout.quantity], self.quantity_type, "quantity")? };
        let value = match self.layout.value {
            Some(column) if !nulls[column] => {
                // SAFETY: as above.
                unsafe { Measure::read(values[column], self.value_type, "value")? }
            }
            _ => Measure::NOTHING,
        };
        // A row that was counted before goes as it came.
        if !retract {
            quantity.require_summable("quantity")?;
            value.require_summable("value")?;
        }
        let known = self.keys.len();
        // SAFETY: no key is NULL here.
        let key = unsafe { self.keys.intern(&values[..self.layout.keys]) };
        if !retract && self.keys.len() > known {
            self.keys.require_indexable(key)?;
        }
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
