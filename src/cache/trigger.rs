//! `invalidate_cache()`: the trigger that writes down what a statement makes invalid.
//!
//! It is on the path of every write, so it reads the transition tables directly and appends to the
//! outbox: no query, no shared row, nothing to wait for. Capture of a ledger reads the same
//! transition tables, which PostgreSQL fills once for both, and hands over the keys whose levels it
//! has just worked out. Each trigger takes its own columns out of a row: passing those on would cost
//! as much, as the mapping of a ledger need not name the columns of the templates.

mod collected;
mod plan;
pub mod values;

use pgrx::pg_sys;

use super::invalidate::RESERVED_PREFIX;
use super::outbox::{self, Invalidation};
use super::template::Target;
use super::text;
use crate::error::{Failure, OrRaise};
use crate::executor::raw_function;
use crate::ledger::capture::changes;
use crate::transition_rows::{self, work_out};
use crate::trigger_call::{is_after, is_for_each_row, misused, trigger_data};
use crate::{security, settings};
use collected::{Collected, Everything};
use plan::{BoundPart, Plan, trigger_name};

raw_function!(
    /// `inventory_perf.invalidate_cache(templates…)`: the trigger function.
    pg_finfo_inventory_perf_invalidate,
    inventory_perf_invalidate,
    invalidate
);

unsafe fn invalidate(call: pg_sys::FunctionCallInfo) -> Result<(), Failure> {
    // SAFETY: the call that PostgreSQL makes.
    let trigger = unsafe { trigger_data(call, "invalidate_cache()") }.map_err(|failure| {
        failure
            .hint("Create a trigger that calls it, or run inventory_perf.invalidate_on_change().")
    })?;
    // SAFETY: the trigger manager keeps trigger and relation during the call.
    unsafe {
        let definition = &*trigger.tg_trigger;
        if !is_after(trigger) {
            return Err(misused(format!(
                "trigger \"{}\" must be an AFTER trigger",
                trigger_name(definition)
            ))
            .detail("Before a statement it is not known which rows it changes.")
            .hint("Create it with AFTER."));
        }
        let plan = Plan::of(definition, trigger.tg_relation)?;
        if plan.depends_on_settings {
            security::with_plain_text(|| changed(trigger, &plan))
        } else {
            changed(trigger, &plan)
        }
    }
}

/// What a statement did.
#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Insert,
    Update,
    Delete,
    Truncate,
}

impl Operation {
    fn of(trigger: &pg_sys::TriggerData) -> Self {
        match trigger.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => Self::Insert,
            pg_sys::TRIGGER_EVENT_UPDATE => Self::Update,
            pg_sys::TRIGGER_EVENT_DELETE => Self::Delete,
            _ => Self::Truncate,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
        }
    }

    fn has_old_rows(self) -> bool {
        matches!(self, Self::Update | Self::Delete)
    }

    fn has_new_rows(self) -> bool {
        matches!(self, Self::Insert | Self::Update)
    }
}

unsafe fn changed(trigger: &pg_sys::TriggerData, plan: &Plan) -> Result<(), Failure> {
    let operation = Operation::of(trigger);
    let limit = settings::OUTBOX_KEYS_LIMIT.get() as usize;
    let mut rows = Rows {
        plan,
        collected: Collected::new(plan.templates.len(), limit),
        any: false,
        text: Vec::with_capacity(64),
        are_many: false,
        previous: Vec::new(),
        memory: RowMemory::new(plan.allocates),
    };
    // SAFETY: the trigger manager's tuples and transition tables are rows of the relation.
    unsafe {
        if operation == Operation::Truncate {
            rows.all();
        } else if is_for_each_row(trigger) {
            if outbox::count_row((*trigger.tg_trigger).tgoid) > limit {
                // Further rows say the same, and that only once.
                rows.collected.pass_limit();
                rows.all();
            }
            // An UPDATE has the old row here and the new one in the other slot.
            match operation {
                Operation::Update => rows.pair(trigger.tg_trigslot, trigger.tg_newslot),
                _ => rows.row(trigger.tg_trigslot),
            }
        } else {
            rows.statement(trigger, operation)?;
        }
    }
    if rows.collected.is_past_limit() {
        plan::tell_of_limit(plan.root, limit);
    }
    if rows.any {
        append(trigger, plan, operation, rows.collected)
    } else {
        Ok(())
    }
}

fn append(
    trigger: &pg_sys::TriggerData,
    plan: &Plan,
    operation: Operation,
    collected: Collected,
) -> Result<(), Failure> {
    let sorted = collected.sort(plan.templates.iter().map(|template| Everything {
        target: template.target,
        name: &template.everything,
    }));
    let mut tags = sorted.tags;
    for tag in &plan.relation_tags {
        tags.add(tag.as_bytes());
    }
    outbox::append(&Invalidation {
        relation: Some(plan.root),
        operation: Some(operation.name()),
        keys: sorted.keys,
        tags,
        patterns: sorted.key_patterns,
        tag_patterns: sorted.tag_patterns,
        channels: sorted.channels,
        // SAFETY: the trigger manager keeps the relation open.
        changes: unsafe { changes::take(trigger) },
        flush: false,
        broadened: sorted.broadened,
    })
}

/// The rows of one statement, and what they make invalid.
struct Rows<'a> {
    plan: &'a Plan,
    collected: Collected,
    any: bool,
    /// Reused from name to name.
    text: Vec<u8>,
    /// Whether there are more rows than one, which often have columns in common.
    are_many: bool,
    /// The row before, if there was one: its columns in `Plan::words`.
    previous: Vec<(pg_sys::Datum, bool)>,
    memory: RowMemory,
}

impl Rows<'_> {
    unsafe fn statement(
        &mut self,
        trigger: &pg_sys::TriggerData,
        operation: Operation,
    ) -> Result<(), Failure> {
        let (old, new) = (trigger.tg_oldtable, trigger.tg_newtable);
        let missing =
            operation.has_old_rows() && old.is_null() || operation.has_new_rows() && new.is_null();
        if missing {
            if self.plan.has_columns() {
                // SAFETY: the trigger manager keeps the trigger.
                return Err(unsafe { no_rows(&*trigger.tg_trigger, operation) });
            }
            // Which rows changed does not matter, and whether any did is not known.
            self.all();
            return Ok(());
        }
        // SAFETY: as the caller promises.
        unsafe {
            if self.plan.when.is_some() && operation == Operation::Update {
                self.pairs(trigger, old, new);
            } else {
                for table in [old, new] {
                    if !table.is_null() {
                        self.table(trigger, table);
                    }
                }
            }
        }
        Ok(())
    }

    unsafe fn table(&mut self, trigger: &pg_sys::TriggerData, table: *mut pg_sys::Tuplestorestate) {
        // SAFETY: as the caller promises.
        unsafe {
            let mut reader = transition_rows::Rows::open(trigger, table, self.plan.columns);
            self.collected.reserve(reader.count);
            self.are_many |= reader.count > 1;
            while (!self.any || self.collected.is_any_open()) && reader.next() {
                self.row(reader.slot);
            }
            reader.close();
        }
    }

    /// Old and new rows stand in the same order, unless a row was moved to a partition that a
    /// trigger kept it out of: then there are fewer new ones.
    unsafe fn pairs(
        &mut self,
        trigger: &pg_sys::TriggerData,
        old: *mut pg_sys::Tuplestorestate,
        new: *mut pg_sys::Tuplestorestate,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            if pg_sys::tuplestore_tuple_count(old) != pg_sys::tuplestore_tuple_count(new) {
                self.table(trigger, old);
                self.table(trigger, new);
                return;
            }
            self.are_many = true;
            let columns = self.plan.columns;
            let mut old = transition_rows::Rows::open(trigger, old, columns);
            let mut new = transition_rows::Rows::open(trigger, new, columns);
            while (!self.any || self.collected.is_any_open()) && old.next() && new.next() {
                self.pair(old.slot, new.slot);
            }
            old.close();
            new.close();
        }
    }

    unsafe fn pair(&mut self, old: *mut pg_sys::TupleTableSlot, new: *mut pg_sys::TupleTableSlot) {
        // SAFETY: as the caller promises.
        unsafe {
            self.memory.enter();
            let counts = self.counts(old, new);
            self.memory.leave();
            // Whoever depends on the table as a whole is told in any case.
            self.any = true;
            if counts {
                self.row(old);
                self.row(new);
            }
        }
    }

    unsafe fn counts(
        &self,
        old: *mut pg_sys::TupleTableSlot,
        new: *mut pg_sys::TupleTableSlot,
    ) -> bool {
        let Some(when) = &self.plan.when else {
            return true;
        };
        // SAFETY: both slots hold rows of the relation that the plan was made for.
        unsafe {
            work_out(old, self.plan.columns);
            work_out(new, self.plan.columns);
            when.iter().any(|column| {
                let (left, left_is_null) = value(old, column.index);
                let (right, right_is_null) = value(new, column.index);
                left_is_null != right_is_null
                    || !left_is_null && !values::same(left, right, column.by_value, column.length)
            })
        }
    }

    unsafe fn row(&mut self, slot: *mut pg_sys::TupleTableSlot) {
        self.any = true;
        // SAFETY: the slot holds a row of the relation that the plan was made for.
        unsafe {
            self.memory.enter();
            work_out(slot, self.plan.columns);
            for position in 0..self.plan.templates.len() {
                if !self.is_as_before(position, slot) {
                    self.name(position, slot);
                }
            }
            if self.are_many {
                self.remember(slot);
            }
            self.memory.leave();
        }
    }

    /// Whether the row before made the same name of this template.
    unsafe fn is_as_before(&self, position: usize, slot: *mut pg_sys::TupleTableSlot) -> bool {
        let Some(words) = &self.plan.templates[position].words else {
            return false;
        };
        // SAFETY: as the caller promises.
        let is_same = |column: &usize| self.previous[*column] == unsafe { value(slot, *column) };
        !self.previous.is_empty() && words.iter().all(is_same)
    }

    unsafe fn remember(&mut self, slot: *mut pg_sys::TupleTableSlot) {
        let nothing = (pg_sys::Datum::from(0), true);
        self.previous.resize(self.plan.columns as usize, nothing);
        for column in &self.plan.words {
            // SAFETY: as the caller promises.
            self.previous[*column] = unsafe { value(slot, *column) };
        }
    }

    unsafe fn name(&mut self, position: usize, slot: *mut pg_sys::TupleTableSlot) {
        let template = &self.plan.templates[position];
        if !self.collected.is_open(position) {
            return;
        }
        if template.is_broken {
            self.collected.broaden(position);
            return;
        }
        if let Some(only) = template.only() {
            self.collected.add_only(position, only);
            return;
        }
        self.text.clear();
        for part in &template.parts {
            match part {
                BoundPart::Text(text) => self.text.extend_from_slice(text),
                // SAFETY: as the caller promises.
                BoundPart::Column { index, format } => unsafe {
                    let (datum, is_null) = value(slot, *index);
                    if is_null {
                        return;
                    }
                    values::write(&mut self.text, *format, datum);
                },
            }
        }
        if !text::is_shared(&self.text) {
            self.collected.broaden(position);
            return;
        }
        // A value cannot name what is the extension's own.
        if template.target == Target::Tag || !self.text.starts_with(RESERVED_PREFIX.as_bytes()) {
            self.collected.add(position, &self.text);
        }
    }

    /// Rows that are not known.
    fn all(&mut self) {
        self.any = true;
        for (position, template) in self.plan.templates.iter().enumerate() {
            match template.only() {
                Some(only) => self.collected.add_only(position, only),
                None => self.collected.broaden(position),
            }
        }
    }
}

unsafe fn value(slot: *mut pg_sys::TupleTableSlot, index: usize) -> (pg_sys::Datum, bool) {
    // SAFETY: the caller has had the slot's columns worked out up to this one.
    unsafe {
        (
            *(*slot).tts_values.add(index),
            *(*slot).tts_isnull.add(index),
        )
    }
}

fn no_rows(trigger: &pg_sys::Trigger, operation: Operation) -> Failure {
    let tables = match operation {
        Operation::Insert => "REFERENCING NEW TABLE AS new_rows",
        Operation::Delete => "REFERENCING OLD TABLE AS old_rows",
        _ => "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    };
    misused(format!(
        "trigger \"{}\" does not see the rows that its templates name columns of",
        trigger_name(trigger)
    ))
    .hint(format!(
        "Create it with {tables} FOR EACH STATEMENT, or FOR EACH ROW."
    ))
}

/// Memory for what one row leaves behind.
struct RowMemory {
    context: Option<pg_sys::MemoryContext>,
    previous: pg_sys::MemoryContext,
}

impl RowMemory {
    fn new(is_needed: bool) -> Self {
        Self {
            // SAFETY: a child of the context that the trigger manager resets after the call.
            context: is_needed.then(|| unsafe {
                pg_sys::AllocSetContextCreateInternal(
                    pg_sys::CurrentMemoryContext,
                    c"inventory_perf row".as_ptr(),
                    0,
                    8 * 1024,
                    1024 * 1024,
                )
            }),
            previous: std::ptr::null_mut(),
        }
    }

    unsafe fn enter(&mut self) {
        if let Some(context) = self.context {
            // SAFETY: leave() puts it back.
            self.previous = unsafe { pg_sys::MemoryContextSwitchTo(context) };
        }
    }

    unsafe fn leave(&mut self) {
        if let Some(context) = self.context {
            // SAFETY: nothing points into the context any more.
            unsafe {
                pg_sys::MemoryContextSwitchTo(self.previous);
                pg_sys::MemoryContextReset(context);
            }
        }
    }
}
