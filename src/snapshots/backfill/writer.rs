//! Writes movements, in order of month, key and day, to the tables of a ledger.

use pgrx::pg_sys;

use crate::calendar::Month;
use crate::decimal::EncodedNumeric;
use crate::error::Failure;
use crate::ledger::capture::check_interrupts;
use crate::ledger::keys::KeyInterner;
use crate::ledger::legs::{Movement, numeric_datum};
use crate::ledger::registry::Ledger;
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
    row: Row,
}

impl<'a> StorageWriter<'a> {
    pub fn open(ledger: &Ledger, has_value: bool, keys: &'a KeyInterner) -> Result<Self, Failure> {
        const DATE: pg_sys::Oid = pg_sys::DATEOID;
        const NUMERIC: pg_sys::Oid = pg_sys::NUMERICOID;
        let types = |measures: &[pg_sys::Oid], values: usize| {
            let mut types: Vec<pg_sys::Oid> = keys.type_oids().collect();
            types.extend_from_slice(measures);
            types.extend(std::iter::repeat_n(
                NUMERIC,
                if has_value { values } else { 0 },
            ));
            types.push(pg_sys::INT8OID);
            types
        };
        let days = types(&[DATE, DATE, NUMERIC, NUMERIC, NUMERIC], 2);
        let openings = types(&[DATE, NUMERIC, NUMERIC], 1);
        Ok(Self {
            keys,
            has_value,
            days: TableWriter::open(ledger.days, &days, true)?,
            openings: TableWriter::open(ledger.openings, &openings, true)?,
            months: TableWriter::open(ledger.months, &[DATE], true)?,
            balances: vec![Balance::default(); keys.len()],
            month: None,
            key: None,
            month_quantity: Sum::default(),
            month_value: Sum::default(),
            row: Row::default(),
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
        row.write(&mut self.days);
    }

    fn open_month(&mut self, month: Month) {
        check_interrupts();
        self.month = Some(month);
        self.key = None;
        let row = &mut self.row;
        row.begin(&[]);
        row.day(month.first_day());
        row.write(&mut self.months);
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
            row.write(&mut self.openings);
        }
    }

    pub fn finish(self) {
        // In reverse order of opening.
        self.months.finish();
        self.openings.finish();
        self.days.finish();
    }
}

/// One row that is put together column by column.
#[derive(Default)]
struct Row {
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
    /// What the datums of sums point to. As long as it does not grow, they stay good.
    sums: Vec<EncodedNumeric>,
}

/// Sums that a row has at most: in, out, of the month, and two of the value.
const MAX_SUMS: usize = 5;

impl Row {
    fn begin(&mut self, keys: &[pg_sys::Datum]) {
        self.values.clear();
        self.values.extend_from_slice(keys);
        self.sums.clear();
        self.sums.reserve(MAX_SUMS);
    }

    fn day(&mut self, day: i32) {
        self.values.push(pg_sys::Datum::from(day));
    }

    fn count(&mut self, count: i64) {
        self.values.push(pg_sys::Datum::from(count));
    }

    fn sum(&mut self, sum: Sum) {
        debug_assert!(self.sums.len() < MAX_SUMS);
        self.sums.push(sum.to_numeric());
        self.values.extend(self.sums.last().map(numeric_datum));
    }

    fn write(&mut self, writer: &mut TableWriter) {
        self.nulls.clear();
        self.nulls.resize(self.values.len(), false);
        // SAFETY: the callers push one datum for each column of the table, in order.
        unsafe { writer.push(&mut self.values, &mut self.nulls) }
    }
}
