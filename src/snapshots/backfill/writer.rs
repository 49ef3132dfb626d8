//! Writes movements, in order of month, key and day, to the tables of a ledger.

use pgrx::pg_sys;

use crate::calendar::Month;
use crate::error::Failure;
use crate::ledger::capture::check_interrupts;
use crate::ledger::keys::KeyInterner;
use crate::ledger::legs::Movement;
use crate::ledger::registry::Ledger;
use crate::ledger::storage_row::{self, StorageRow};
use crate::ledger::table_writer::TableWriter;
use crate::sum::Sum;

/// What one key has amounted to so far.
#[derive(Clone, Copy, Default)]
struct Balance {
    quantity: Sum,
    in_quantity: Sum,
    value: Sum,
    move_count: i64,
}

pub struct StorageWriter<'a> {
    keys: &'a KeyInterner,
    has_value: bool,
    days: TableWriter,
    openings: TableWriter,
    months: TableWriter,
    balances: Vec<Balance>,
    month: Option<Month>,
    /// The key that the last movement was of, with its sums of the month.
    key: Option<u32>,
    month_quantity: Sum,
    month_value: Sum,
    row: StorageRow,
}

impl<'a> StorageWriter<'a> {
    pub fn open(ledger: &Ledger, has_value: bool, keys: &'a KeyInterner) -> Result<Self, Failure> {
        let days = storage_row::day_types(keys, has_value);
        let openings = storage_row::opening_types(keys, has_value);
        Ok(Self {
            keys,
            has_value,
            days: TableWriter::open(ledger.days, &days, true)?,
            openings: TableWriter::open(ledger.openings, &openings, true)?,
            months: TableWriter::open(ledger.months, &[pg_sys::DATEOID], true)?,
            balances: vec![Balance::default(); keys.len()],
            month: None,
            key: None,
            month_quantity: Sum::default(),
            month_value: Sum::default(),
            row: StorageRow::default(),
        })
    }

    pub fn write(&mut self, movement: &Movement) {
        if self.month != Some(movement.month) {
            self.open_month(movement.month);
        }
        if self.key != Some(movement.key) {
            self.key = Some(movement.key);
            self.month_quantity = Sum::default();
            self.month_value = Sum::default();
        }
        let mut net = movement.in_quantity;
        net.subtract(movement.out_quantity);
        self.month_quantity.add(net);
        self.month_value.add(movement.value_change);
        let balance = &mut self.balances[movement.key as usize];
        balance.quantity.add(net);
        balance.in_quantity.add(movement.in_quantity);
        balance.value.add(movement.value_change);
        balance.move_count += movement.move_count;

        let row = &mut self.row;
        row.begin(self.keys.datums(movement.key));
        row.day(movement.month.first_day());
        row.day(movement.day());
        row.sum(movement.in_quantity);
        row.sum(movement.out_quantity);
        row.sum(self.month_quantity);
        if self.has_value {
            row.sum(movement.value_change);
            row.sum(self.month_value);
        }
        row.count(movement.move_count);
        self.days.push_row(row);
    }

    fn open_month(&mut self, month: Month) {
        check_interrupts();
        self.month = Some(month);
        self.key = None;
        let row = &mut self.row;
        row.begin(&[]);
        row.day(month.first_day());
        self.months.push_row(row);
        for (key, balance) in self.balances.iter().enumerate() {
            if balance.move_count == 0 {
                continue;
            }
            row.begin(self.keys.datums(key as u32));
            row.day(month.first_day());
            row.sum(balance.quantity);
            row.sum(balance.in_quantity);
            if self.has_value {
                row.sum(balance.value);
            }
            row.count(balance.move_count);
            self.openings.push_row(row);
        }
    }

    pub fn finish(self) {
        // In reverse order of opening.
        self.months.finish();
        self.openings.finish();
        self.days.finish();
    }
}
