//! Carries deltas into the openings of the months after theirs.

use pgrx::pg_sys;

use super::deltas::{Delta, Sorted};
use crate::amount::Amount;
use crate::calendar::Month;
use crate::error::Failure;
use crate::ledger::capture::check_interrupts;
use crate::ledger::registry::Ledger;
use crate::ledger::storage_row::{self, StorageRow};
use crate::ledger::stored_table::StoredTable;

/// What deltas of earlier months amount to, or an opening.
#[derive(Clone, Copy, Default)]
struct Balance {
    quantity: Amount,
    in_quantity: Amount,
    value: Amount,
    move_count: i64,
}

impl Balance {
    fn of(delta: &Delta) -> Self {
        Self {
            quantity: delta.net(),
            in_quantity: delta.in_quantity,
            value: delta.value_change,
            move_count: delta.move_count,
        }
    }

    fn add(&mut self, other: &Self) {
        self.quantity.add(other.quantity);
        self.in_quantity.add(other.in_quantity);
        self.value.add(other.value);
        self.move_count += other.move_count;
    }

    fn is_zero(&self) -> bool {
        self.move_count == 0
            && self.quantity.is_zero()
            && self.in_quantity.is_zero()
            && self.value.is_zero()
    }
}

/// `months` are those that have openings, in their order.
pub fn carry(ledger: &Ledger, deltas: &Sorted, months: &[Month]) -> Result<(), Failure> {
    let Some(first) = deltas.first_month() else {
        return Ok(());
    };
    if months.last().is_none_or(|last| *last <= first) {
        return Ok(());
    }
    let has_value = ledger.mapping.value.is_some();
    let types = storage_row::opening_types(&deltas.keys, has_value);
    let width = ledger.mapping.keys.len();
    let mut table = StoredTable::open(ledger.openings, &types, width)?;
    let mut row = StorageRow::default();
    let mut balances = vec![Balance::default(); deltas.keys.len()];
    let mut earlier = deltas.in_order().peekable();
    for month in months.iter().filter(|month| **month > first) {
        while let Some((_, delta)) = earlier.next_if(|(other, _)| other < month) {
            balances[delta.key as usize].add(&Balance::of(delta));
        }
        for (key, balance) in balances.iter().enumerate() {
            if balance.is_zero() {
                continue;
            }
            check_interrupts();
            let key = deltas.keys.datums(key as u32);
            // SAFETY: the key's datums live as long as the deltas.
            unsafe { table.search(month.first_day(), key) };
            let mut opening = *balance;
            let mut place = None;
            if let Some(stored) = table.previous() {
                place = Some(stored.place);
                // SAFETY: the columns are those of openings.
                opening.add(&unsafe { balance_of(&stored.columns[width + 1..], has_value) });
            }
            put_together(&mut row, month.first_day(), key, &opening, has_value);
            match place {
                Some(place) => table.replace(place, &mut row),
                None => table.add(&mut row),
            }
        }
    }
    table.finish();
    Ok(())
}

unsafe fn balance_of(columns: &[pg_sys::Datum], has_value: bool) -> Balance {
    // SAFETY: numerics and a count, none of them NULL.
    unsafe {
        Balance {
            quantity: Amount::read(columns[0]),
            in_quantity: Amount::read(columns[1]),
            value: if has_value {
                Amount::read(columns[2])
            } else {
                Amount::default()
            },
            move_count: columns[columns.len() - 1].value() as i64,
        }
    }
}

fn put_together(
    row: &mut StorageRow,
    month: i32,
    key: &[pg_sys::Datum],
    opening: &Balance,
    has_value: bool,
) {
    row.begin(key);
    row.day(month);
    row.amount(opening.quantity);
    row.amount(opening.in_quantity);
    if has_value {
        row.amount(opening.value);
    }
    row.count(opening.move_count);
}
