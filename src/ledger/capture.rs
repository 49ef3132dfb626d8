//! The trigger that captures changes of a ledger.
//!
//! It is the hot path of every write: it reads the statement's transition tables directly, works
//! out the legs with the expressions of the mapping view, and appends one row per key and day to
//! the ledger's pending table. No query is run, no row is shared with another writer, nothing
//! waits.

pub mod changes;
mod frozen;
mod plan;
mod truncation;

use pgrx::pg_sys;

use super::legs::{LegBuffer, Movement, Movements, WideLeg, negate_numeric, numeric_datum};
use super::registry::Ledger;
use super::single_row::append_row;
use super::table_writer::{TableWriter, altered_columns};
use crate::error::{Failure, OrRaise};
use crate::executor::raw_function;
use crate::transition_rows::Rows;
use crate::trigger_call::{is_before, require_statement, trigger_data};
use plan::Plan;

/// Key columns that a ledger has at most: an index holds them and the day.
pub const MAX_KEYS: usize = pg_sys::INDEX_MAX_KEYS as usize - 1;

/// Rows of a statement that memory is reserved for before their keys are known.
const MOST_EXPECTED_KEYS: usize = 10_000;

/// Legs collected before they are written, when a whole table is captured.
const WHOLE_TABLE_BATCH: usize = 500_000;

raw_function!(
    /// `inventory_perf.capture_moves()`: the trigger function.
    pg_finfo_inventory_perf_capture,
    inventory_perf_capture,
    capture
);

unsafe fn capture(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    const NAME: &str = "capture_moves()";
    let hint = "inventory_perf.attach_ledger() creates the triggers.";
    // SAFETY: the call that PostgreSQL makes.
    let trigger = unsafe { trigger_data(call, NAME) }.map_err(|failure| failure.hint(hint))?;
    require_statement(trigger, NAME).map_err(|failure| failure.hint(hint))?;
    // SAFETY: the trigger manager keeps the relation open during the call.
    let relation = unsafe { (*trigger.tg_relation).rd_id };
    let operation = trigger.tg_event & pg_sys::TRIGGER_EVENT_OPMASK;
    if operation == pg_sys::TRIGGER_EVENT_TRUNCATE {
        truncation::capture(relation, is_before(trigger))
    } else {
        // SAFETY: transition tables are tuplestores of the relation's row type, or NULL.
        unsafe { capture_statement(trigger, relation)? };
        if operation == pg_sys::TRIGGER_EVENT_INSERT {
            // SAFETY: the trigger manager keeps the relation open during the call.
            unsafe { frozen::note(trigger.tg_relation)? };
        }
        Ok(())
    }
}

unsafe fn capture_statement(
    trigger: &pg_sys::TriggerData,
    relation: pg_sys::Oid,
) -> Result<(), Failure> {
    let Some(plan) = Plan::of(relation)? else {
        return Ok(());
    };
    let mut legs = plan.buffer();
    // SAFETY: as the caller promises.
    plan.evaluating(|| unsafe { collect_statement(trigger, &plan, &mut legs) })?;
    let mut changed = plan
        .told
        .as_ref()
        .filter(|_| changes::are_wanted())
        .map(|told| changes::Changed::new(told, legs.keys.len()));
    append_pending(&plan, &mut legs, changed.as_mut())?;
    if let Some(changed) = changed {
        // SAFETY: the keys are of the types that the plan was made with.
        let keys = unsafe { changed.to_json(&legs.keys) };
        changes::note(trigger, relation, keys);
    }
    plan.reuse(legs);
    Ok(())
}

unsafe fn collect_statement(
    trigger: &pg_sys::TriggerData,
    plan: &Plan,
    legs: &mut LegBuffer,
) -> Result<(), Failure> {
    for (rows, retract) in [(trigger.tg_oldtable, true), (trigger.tg_newtable, false)] {
        if rows.is_null() {
            continue;
        }
        // SAFETY: a transition table of the trigger's relation, which stays open during the call.
        unsafe {
            let mut rows = Rows::open(trigger, rows, plan.columns);
            legs.reserve(rows.count.min(MOST_EXPECTED_KEYS));
            while rows.next() {
                plan.collect(rows.slot, legs, retract)?;
            }
            rows.close();
        }
    }
    Ok(())
}

/// Captures every row of one member of a ledger, as if it were inserted, or deleted. Returns
/// whether there were any.
pub fn capture_whole_table(member: pg_sys::Oid, retract: bool) -> Result<bool, Failure> {
    let Some(plan) = Plan::of(member)? else {
        return Ok(false);
    };
    let mut legs = plan.buffer();
    let mut has_rows = false;
    // SAFETY: an ordinary scan of a table that the caller holds a lock on; on an error PostgreSQL
    // releases what is open.
    unsafe {
        let relation = pg_sys::table_open(member, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let slot = pg_sys::table_slot_create(relation, std::ptr::null_mut());
        let scan = pg_sys::table_beginscan(relation, snapshot, 0, std::ptr::null_mut());
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        while pg_sys::table_scan_getnextslot(scan, forward, slot) {
            check_interrupts();
            has_rows = true;
            plan.collect(slot, &mut legs, retract)?;
            if legs.legs.len() + legs.wide.len() >= WHOLE_TABLE_BATCH {
                append_pending(&plan, &mut legs, None)?;
                legs = plan.buffer();
            }
        }
        pg_sys::table_endscan(scan);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::UnregisterSnapshot(snapshot);
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
    }
    append_pending(&plan, &mut legs, None)?;
    Ok(has_rows)
}

pub fn check_interrupts() {
    // SAFETY: what CHECK_FOR_INTERRUPTS() does.
    unsafe {
        if pg_sys::InterruptPending != 0 {
            pg_sys::ProcessInterrupts();
        }
    }
}

/// Statements with more legs than this write them in the order of the pending table's index, whose
/// pages then stay at hand.
const SORT_KEYS_FROM: usize = 64;

/// Appends what was collected to the pending table. `changed` is told the keys.
fn append_pending(
    plan: &Plan,
    legs: &mut LegBuffer,
    mut changed: Option<&mut changes::Changed>,
) -> Result<(), Failure> {
    if legs.legs.len() > SORT_KEYS_FROM && legs.wide.is_empty() {
        legs.rank_keys();
    }
    legs.sort();
    let mut movements =
        Movements::new(legs.legs.iter().copied()).filter(|movement| !movement.changes_nothing());
    let (first, second) = (movements.next(), movements.next());
    if first.is_none() && legs.wide.is_empty() {
        return Ok(());
    }
    let mut row = PendingRow::new(plan.has_value);
    if let (Some(movement), None, true) = (&first, &second, legs.wide.is_empty()) {
        if let Some(changed) = &mut changed {
            changed.add(movement.key);
        }
        let keys = legs.keys.datums(movement.key);
        // SAFETY: a pending row has one datum for each of these columns.
        return row.write(keys, movement, |values, nulls| unsafe {
            append_row(
                plan.pending,
                &plan.pending_types,
                values,
                nulls,
                altered_columns,
            )
        });
    }
    let mut writer = TableWriter::open(plan.pending, &plan.pending_types, false)?;
    // SAFETY: the table has the columns of a pending row, which open() has checked.
    unsafe {
        for movement in first.into_iter().chain(second).chain(movements) {
            if let Some(changed) = &mut changed {
                changed.add(movement.key);
            }
            let keys = legs.keys.datums(movement.key);
            row.write(keys, &movement, |values, nulls| writer.push(values, nulls));
        }
        for wide in &legs.wide {
            if let Some(changed) = &mut changed {
                changed.add(wide.key);
            }
            row.write_wide(&mut writer, legs.keys.datums(wide.key), wide);
        }
    }
    writer.finish();
    Ok(())
}

/// Appends the legs that are too wide for integers, and forgets them.
pub fn append_wide(ledger: &Ledger, legs: &mut LegBuffer) -> Result<(), Failure> {
    if legs.wide.is_empty() {
        return Ok(());
    }
    let mut row = PendingRow::new(ledger.mapping.value.is_some());
    let types = pending_types(legs.keys.type_oids(), row.has_value);
    let mut writer = TableWriter::open(ledger.pending, &types, false)?;
    for wide in &legs.wide {
        // SAFETY: the table has the columns of a pending row, which open() has checked.
        unsafe { row.write_wide(&mut writer, legs.keys.datums(wide.key), wide) };
    }
    writer.finish();
    legs.forget_wide();
    Ok(())
}

/// The types of a pending table's columns.
pub fn pending_types(keys: impl Iterator<Item = pg_sys::Oid>, has_value: bool) -> Vec<pg_sys::Oid> {
    let mut types: Vec<pg_sys::Oid> = keys.collect();
    types.extend([
        pg_sys::DATEOID,
        pg_sys::NUMERICOID,
        pg_sys::NUMERICOID,
        pg_sys::INT8OID,
    ]);
    types.extend(has_value.then_some(pg_sys::NUMERICOID));
    types.push(pg_sys::TIMESTAMPTZOID);
    types
}

/// The keys, day, two quantities, count, value and time.
const MAX_COLUMNS: usize = MAX_KEYS + 6;

/// One row of a pending table, reused from row to row.
struct PendingRow {
    has_value: bool,
    values: [pg_sys::Datum; MAX_COLUMNS],
    nulls: [bool; MAX_COLUMNS],
    zero: crate::decimal::EncodedNumeric,
    captured_at: pg_sys::Datum,
}

impl PendingRow {
    fn new(has_value: bool) -> Self {
        Self {
            has_value,
            values: [pg_sys::Datum::from(0); MAX_COLUMNS],
            nulls: [false; MAX_COLUMNS],
            zero: crate::decimal::Decimal::ZERO.to_numeric(),
            // SAFETY: reads a backend variable.
            captured_at: pg_sys::Datum::from(unsafe {
                pg_sys::GetCurrentTransactionStartTimestamp()
            }),
        }
    }

    /// Hands the row to `append`, which copies it.
    fn write<R>(
        &mut self,
        keys: &[pg_sys::Datum],
        movement: &Movement,
        append: impl FnOnce(&mut [pg_sys::Datum], &mut [bool]) -> R,
    ) -> R {
        let in_quantity = movement.in_quantity.to_numeric();
        let out_quantity = movement.out_quantity.to_numeric();
        let value_change = if self.has_value {
            movement.value_change.to_numeric()
        } else {
            self.zero
        };
        let (values, nulls) = self.fill(
            keys,
            movement.day(),
            numeric_datum(&in_quantity),
            numeric_datum(&out_quantity),
            movement.move_count,
            numeric_datum(&value_change),
        );
        append(values, nulls)
    }

    unsafe fn write_wide(
        &mut self,
        writer: &mut TableWriter,
        keys: &[pg_sys::Datum],
        wide: &WideLeg,
    ) {
        let zero = numeric_datum(&self.zero);
        // SAFETY: numerics of the current memory context.
        unsafe {
            let negate_if = |datum, negate| if negate { negate_numeric(datum) } else { datum };
            let quantity = negate_if(wide.quantity, wide.is_negative != wide.retract);
            let (in_quantity, out_quantity) = if wide.is_negative {
                (zero, quantity)
            } else {
                (quantity, zero)
            };
            let value = wide
                .value
                .map_or(zero, |value| negate_if(value, wide.retract));
            let move_count = if wide.retract { -1 } else { 1 };
            let (values, nulls) =
                self.fill(keys, wide.day, in_quantity, out_quantity, move_count, value);
            writer.push(values, nulls);
        }
    }

    fn fill(
        &mut self,
        keys: &[pg_sys::Datum],
        day: i32,
        in_quantity: pg_sys::Datum,
        out_quantity: pg_sys::Datum,
        move_count: i64,
        value_change: pg_sys::Datum,
    ) -> (&mut [pg_sys::Datum], &mut [bool]) {
        let mut width = keys.len();
        self.values[..width].copy_from_slice(keys);
        let mut add = |value| {
            self.values[width] = value;
            width += 1;
        };
        add(pg_sys::Datum::from(day));
        add(in_quantity);
        add(out_quantity);
        add(pg_sys::Datum::from(move_count));
        if self.has_value {
            add(value_change);
        }
        add(self.captured_at);
        (&mut self.values[..width], &mut self.nulls[..width])
    }
}
