//! Adds the deltas of one month and key after another to the stored days.

use pgrx::pg_sys;

use super::deltas::Delta;
use crate::amount::Amount;
use crate::calendar::Month;
use crate::error::Failure;
use crate::ledger::keys::KeyInterner;
use crate::ledger::registry::Ledger;
use crate::ledger::storage_row::{self, StorageRow};
use crate::ledger::stored_table::{StoredRow, StoredTable};

/// What the row of a key and day says, its month and key aside.
#[derive(Clone, Copy)]
struct Day {
    day: i32,
    in_quantity: Amount,
    out_quantity: Amount,
    value_change: Amount,
    move_count: i64,
    in_month: InMonth,
}

/// Sums from the first of the month to some day.
#[derive(Clone, Copy, Default)]
struct InMonth {
    quantity: Amount,
    value: Amount,
}

impl InMonth {
    fn add(&mut self, other: InMonth) {
        self.quantity.add(other.quantity);
        self.value.add(other.value);
    }

    fn is_zero(&self) -> bool {
        self.quantity.is_zero() && self.value.is_zero()
    }
}

pub struct Days {
    table: StoredTable,
    has_value: bool,
    row: StorageRow,
    /// Stored days of the run at hand, the last one first.
    stored: Vec<(pg_sys::ItemPointerData, Day)>,
}

impl Days {
    pub fn open(ledger: &Ledger, keys: &KeyInterner) -> Result<Self, Failure> {
        let has_value = ledger.mapping.value.is_some();
        let types = storage_row::day_types(keys, has_value);
        Ok(Self {
            table: StoredTable::open(ledger.days, &types, ledger.mapping.keys.len())?,
            has_value,
            row: StorageRow::default(),
            stored: Vec::new(),
        })
    }

    /// Adds deltas, in the order of their days. A new day follows the stored day before it; stored
    /// days at or after a delta get the sum of the deltas up to them.
    ///
    /// # Safety
    /// `key` has one datum of each key column's type.
    pub unsafe fn add(&mut self, month: Month, key: &[pg_sys::Datum], deltas: &[Delta]) {
        let Some(first) = deltas.first() else {
            return;
        };
        let month = month.first_day();
        // SAFETY: as the caller promises.
        let mut before = unsafe { self.read(month, key, first.day) };
        let mut running = InMonth::default();
        for delta in deltas {
            while let Some((place, stored)) = self.stored.pop_if(|(_, day)| day.day < delta.day) {
                before = stored.in_month;
                self.shift(month, key, place, stored, running);
            }
            running.add(InMonth {
                quantity: delta.net(),
                value: delta.value_change,
            });
            if let Some((place, mut stored)) = self.stored.pop_if(|(_, day)| day.day == delta.day) {
                before = stored.in_month;
                stored.in_quantity.add(delta.in_quantity);
                stored.out_quantity.add(delta.out_quantity);
                stored.value_change.add(delta.value_change);
                stored.move_count += delta.move_count;
                stored.in_month.add(running);
                self.put_together(month, key, &stored);
                self.table.replace(place, &mut self.row);
            } else {
                let mut in_month = running;
                in_month.add(before);
                let day = Day {
                    day: delta.day,
                    in_quantity: delta.in_quantity,
                    out_quantity: delta.out_quantity,
                    value_change: delta.value_change,
                    move_count: delta.move_count,
                    in_month,
                };
                self.put_together(month, key, &day);
                self.table.add(&mut self.row);
            }
        }
        while let Some((place, stored)) = self.stored.pop() {
            self.shift(month, key, place, stored, running);
        }
    }

    /// Reads the stored days from `first` on, and returns the sums of the last one before it.
    unsafe fn read(&mut self, month: i32, key: &[pg_sys::Datum], first: i32) -> InMonth {
        // SAFETY: as the caller of `add` promises; the columns are those of days.
        unsafe {
            self.table.search(month, key);
            self.stored.clear();
            while let Some(row) = self.table.previous() {
                let (place, day) = day_of(&row, key.len(), self.has_value);
                if day.day < first {
                    return day.in_month;
                }
                self.stored.push((place, day));
            }
        }
        InMonth::default()
    }

    /// A stored day after deltas, with no delta of its own.
    fn shift(
        &mut self,
        month: i32,
        key: &[pg_sys::Datum],
        place: pg_sys::ItemPointerData,
        mut stored: Day,
        running: InMonth,
    ) {
        if running.is_zero() {
            return;
        }
        stored.in_month.add(running);
        self.put_together(month, key, &stored);
        self.table.replace(place, &mut self.row);
    }

    fn put_together(&mut self, month: i32, key: &[pg_sys::Datum], day: &Day) {
        let row = &mut self.row;
        row.begin(key);
        row.day(month);
        row.day(day.day);
        row.amount(day.in_quantity);
        row.amount(day.out_quantity);
        row.amount(day.in_month.quantity);
        if self.has_value {
            row.amount(day.value_change);
            row.amount(day.in_month.value);
        }
        row.count(day.move_count);
    }

    /// Returns how many days were added or changed.
    pub fn finish(self) -> u64 {
        self.table.finish()
    }
}

unsafe fn day_of(row: &StoredRow, keys: usize, has_value: bool) -> (pg_sys::ItemPointerData, Day) {
    let columns = &row.columns[keys + 1..];
    // SAFETY: the columns are those of days, none of them NULL.
    let day = unsafe {
        let (value_change, value) = if has_value {
            (Amount::read(columns[4]), Amount::read(columns[5]))
        } else {
            (Amount::default(), Amount::default())
        };
        Day {
            day: columns[0].value() as i32,
            in_quantity: Amount::read(columns[1]),
            out_quantity: Amount::read(columns[2]),
            value_change,
            move_count: columns[columns.len() - 1].value() as i64,
            in_month: InMonth {
                quantity: Amount::read(columns[3]),
                value,
            },
        }
    };
    (row.place, day)
}
