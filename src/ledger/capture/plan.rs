//! What capturing one relation's changes needs, prepared once per backend.

use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;

use super::changes::{self, Told};
use super::{MAX_KEYS, pending_types};
use crate::error::Failure;
use crate::executor::first_value;
use crate::invalidation;
use crate::ledger::keys::{KeyInterner, KeyType};
use crate::ledger::legs::{LegBuffer, MeasureType};
use crate::ledger::mapping::Layout;
use crate::ledger::mapping_view::MappingView;
use crate::ledger::members;
use crate::ledger::registry::{Ledger, State, relation_name};
use crate::security;
use crate::snapshots::guard;
use crate::transition_rows::work_out;

thread_local! {
    static PLANS: RefCell<HashMap<pg_sys::Oid, Rc<Plan>>> = RefCell::new(HashMap::new());
}

/// Legs that a buffer holds at most to be kept for the next statement.
const SPARE_LEGS: usize = 64;

/// How one column of the mapping view is worked out from a row of the ledger.
enum Output {
    Column(i16),
    Expression(*mut pg_sys::ExprState),
    /// Of one column alone, both passed by value: rows of a statement often have the same time.
    OfColumn(Remembered),
}

/// An immutable expression of one column, and what it was last time.
struct Remembered {
    state: *mut pg_sys::ExprState,
    column: usize,
    last: Cell<Option<(Value, Value)>>,
}

/// A datum, and whether it is NULL.
type Value = (pg_sys::Datum, bool);

impl Remembered {
    /// # Safety
    /// The slot of the context has its columns worked out up to this one.
    unsafe fn evaluate(&self, context: *mut pg_sys::ExprContext) -> Value {
        // SAFETY: as the caller promises.
        unsafe {
            let slot = (*context).ecxt_scantuple;
            let input = (
                *(*slot).tts_values.add(self.column),
                *(*slot).tts_isnull.add(self.column),
            );
            if let Some((last_input, output)) = self.last.get()
                && last_input == input
            {
                return output;
            }
            let mut is_null = false;
            let datum = evaluate(self.state, context, &mut is_null);
            self.last.set(Some((input, (datum, is_null))));
            (datum, is_null)
        }
    }
}

pub struct Plan {
    ledger: String,
    pub pending: pg_sys::Oid,
    pub pending_types: Vec<pg_sys::Oid>,
    pub has_value: bool,
    /// How keys are told to whoever waits for changed levels; none if nobody can be told.
    pub told: Option<Told>,
    epoch: u64,
    layout: Layout,
    quantity_type: MeasureType,
    value_type: MeasureType,
    key_types: Vec<KeyType>,
    outputs: Vec<Output>,
    filter: Option<*mut pg_sys::ExprState>,
    /// The last column of the ledger that anything needs.
    pub columns: i32,
    expression_context: *mut pg_sys::ExprContext,
    /// Whose rights the expressions are evaluated with, where they call what a user has written.
    evaluated_as: Option<pg_sys::Oid>,
    /// The buffer of the last statement, if it was a small one.
    spare: Cell<Option<LegBuffer>>,
    /// Whether a statement is being captured with it. Its expressions and their memory serve one at
    /// a time, and a function in the mapping may write to the ledger itself.
    is_busy: Cell<bool>,
    /// Holds the expressions.
    memory: pg_sys::MemoryContext,
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: nothing else points into the plan's own context.
        unsafe { pg_sys::MemoryContextDelete(self.memory) }
    }
}

/// A plan while a statement is captured with it.
pub struct InUse(Rc<Plan>);

impl InUse {
    fn begin(plan: Rc<Plan>) -> Self {
        plan.is_busy.set(true);
        Self(plan)
    }
}

impl Deref for InUse {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.0
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.is_busy.set(false);
    }
}

impl Plan {
    /// The plan for a relation with a capture trigger; none if its ledger is not registered, or is
    /// stale for damage that keeps its changes from being captured.
    pub fn of(relation: pg_sys::Oid) -> Result<Option<InUse>, Failure> {
        let cached = PLANS.with_borrow(|plans| plans.get(&relation).cloned());
        let is_nested = match cached {
            Some(plan) if plan.epoch == invalidation::epoch() => {
                if !plan.is_busy.get() {
                    return Ok(Some(InUse::begin(plan)));
                }
                true
            }
            _ => false,
        };
        let Some(plan) = Self::make(relation)? else {
            return Ok(None);
        };
        if !is_nested {
            PLANS.with_borrow_mut(|plans| plans.insert(relation, plan.clone()));
        }
        Ok(Some(InUse::begin(plan)))
    }

    fn make(relation: pg_sys::Oid) -> Result<Option<Rc<Plan>>, Failure> {
        let Some(ledger) = members::ledger_of(relation)? else {
            return Ok(None);
        };
        let identity = ledger.identity();
        for dependency in identity.relations().into_iter().chain([relation]) {
            invalidation::watch(dependency);
        }
        // What is invalidated while the plan is made makes it outdated.
        let epoch = invalidation::epoch();
        // SAFETY: everything is allocated in a context of the plan's own. If an error interrupts,
        // the context is a child of the transaction's and goes with it; only a complete plan is
        // moved to where it stays.
        unsafe {
            let memory = pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurTransactionContext,
                c"inventory_perf capture plan".as_ptr(),
                0,
                8 * 1024,
                64 * 1024,
            );
            let previous = pg_sys::MemoryContextSwitchTo(memory);
            // Planning evaluates what is immutable.
            let prepared = security::run_as(ledger.owner, || match identity.check() {
                Ok(view) => Self::prepare(relation, &ledger, &view, epoch, memory).map(Some),
                Err(_) if ledger.state == State::Stale => Ok(None),
                Err(damage) => Err(guard::damaged(&ledger.name, &damage)),
            });
            pg_sys::MemoryContextSwitchTo(previous);
            let Some(plan) = prepared? else {
                return Ok(None);
            };
            pg_sys::MemoryContextSetParent(memory, pg_sys::CacheMemoryContext);
            Ok(Some(Rc::new(plan)))
        }
    }

    /// # Safety
    /// `memory` is the current context, and the plan's.
    unsafe fn prepare(
        relation: pg_sys::Oid,
        ledger: &Ledger,
        view: &MappingView,
        epoch: u64,
        memory: pg_sys::MemoryContext,
    ) -> Result<Self, Failure> {
        // SAFETY: as the caller promises; the view is over the ledger, of which the relation is a
        // part with columns of the same names and types.
        unsafe {
            let member = pg_sys::table_open(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            let translation = Translation::new(view, ledger, relation)?;
            let mut columns = 0;
            let layout = ledger.mapping.layout();
            let key_types = view.columns[..layout.keys]
                .iter()
                .map(|key| KeyType::new(key.type_oid, key.collation))
                .collect::<Result<Vec<_>, _>>()?;
            let outputs = view
                .columns
                .iter()
                .map(|column| translation.output(column.expression, &mut columns))
                .collect();
            let filter =
                (!view.filter.is_null()).then(|| translation.expression(view.filter, &mut columns));
            let measure = |column: usize| MeasureType::of(view.columns[column].type_oid);
            let plan = Self {
                ledger: ledger.name.clone(),
                pending: ledger.pending,
                pending_types: pending_types(
                    key_types.iter().map(KeyType::oid),
                    layout.value.is_some(),
                ),
                has_value: layout.value.is_some(),
                told: changes::is_told(member)
                    .then(|| Told::new(&ledger.mapping.keys, key_types.iter().map(KeyType::oid))),
                epoch,
                layout,
                quantity_type: measure(layout.quantity).unwrap_or(MeasureType::BigInteger),
                value_type: layout
                    .value
                    .and_then(measure)
                    .unwrap_or(MeasureType::BigInteger),
                key_types,
                outputs,
                filter,
                columns,
                expression_context: pg_sys::CreateStandaloneExprContext(),
                evaluated_as: calls_user_code(ledger.mapped_moves)?.then_some(ledger.owner),
                spare: Cell::new(None),
                is_busy: Cell::new(false),
                memory,
            };
            pg_sys::table_close(member, pg_sys::NoLock as pg_sys::LOCKMODE);
            Ok(plan)
        }
    }

    /// Evaluates rows in `work`, with the rights of whoever has written what is called.
    pub fn evaluating<R>(&self, work: impl FnOnce() -> R) -> R {
        match self.evaluated_as {
            Some(owner) => security::run_as(owner, work),
            None => work(),
        }
    }

    /// A buffer for the legs of one statement.
    pub fn buffer(&self) -> LegBuffer {
        if let Some(mut legs) = self.spare.take() {
            legs.start_over();
            return legs;
        }
        LegBuffer::new(
            self.layout,
            self.quantity_type,
            self.value_type,
            KeyInterner::new(self.key_types.clone()),
        )
    }

    /// Keeps a buffer for the next statement, unless it takes much memory.
    pub fn reuse(&self, legs: LegBuffer) {
        if legs.legs.capacity().max(legs.wide.capacity()) <= SPARE_LEGS {
            self.spare.set(Some(legs));
        }
    }

    /// Adds the legs of the row in `slot`.
    ///
    /// # Safety
    /// The row is of the relation that the plan was made for.
    pub unsafe fn collect(
        &self,
        slot: *mut pg_sys::TupleTableSlot,
        legs: &mut LegBuffer,
        retract: bool,
    ) -> Result<(), Failure> {
        let mut values = [pg_sys::Datum::from(0); MAX_OUTPUTS];
        let mut nulls = [false; MAX_OUTPUTS];
        let count = self.outputs.len();
        // SAFETY: expressions read the slot's columns and leave their results in the per-row
        // context, which stays until the next row. The buffer copies what it keeps.
        unsafe {
            work_out(slot, self.columns);
            let context = self.expression_context;
            (*context).ecxt_scantuple = slot;
            let per_row = (*context).ecxt_per_tuple_memory;
            if !(*per_row).isReset {
                pg_sys::MemoryContextReset(per_row);
            }
            if let Some(filter) = self.filter {
                let mut is_null = false;
                let counts = evaluate(filter, context, &mut is_null);
                if is_null || counts.value() == 0 {
                    return Ok(());
                }
            }
            for (index, output) in self.outputs.iter().enumerate() {
                match output {
                    Output::Column(column) => {
                        let column = *column as usize - 1;
                        values[index] = *(*slot).tts_values.add(column);
                        nulls[index] = *(*slot).tts_isnull.add(column);
                    }
                    Output::Expression(state) => {
                        values[index] = evaluate(*state, context, &mut nulls[index]);
                    }
                    Output::OfColumn(expression) => {
                        (values[index], nulls[index]) = expression.evaluate(context);
                    }
                }
            }
            legs.add_row(&mut values[..count], &mut nulls[..count], retract)
                .map_err(|failure| failure.about(format!("ledger {}", self.ledger)))?;
        }
        Ok(())
    }
}

/// The keys, the other location, day, quantity and value.
const MAX_OUTPUTS: usize = MAX_KEYS + 4;

unsafe fn evaluate(
    state: *mut pg_sys::ExprState,
    context: *mut pg_sys::ExprContext,
    is_null: &mut bool,
) -> pg_sys::Datum {
    // SAFETY: a prepared expression and its context.
    unsafe { pg_sys::ExecEvalExprSwitchContext(state, context, is_null) }
}

fn by_value(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up by value.
    unsafe { pg_sys::get_typbyval(type_oid) }
}

/// Whether the mapping calls functions or operators, or makes values of types, that are not
/// PostgreSQL's own. Enums run no code of their users.
fn calls_user_code(mapped_moves: pg_sys::Oid) -> Result<bool, Failure> {
    first_value(
        include_str!("../../../sql/ledger/calls_user_code.sql"),
        &[mapped_moves.into()],
    )
    .map(|calls| calls.unwrap_or(true))
}

/// From the columns of the ledger, which the view names, to those of one of its members, whose
/// columns may stand in another order.
struct Translation {
    ledger_variable: i32,
    member: pg_sys::Oid,
    columns: *mut pg_sys::AttrMap,
}

impl Translation {
    unsafe fn new(
        view: &MappingView,
        ledger: &Ledger,
        member: pg_sys::Oid,
    ) -> Result<Self, Failure> {
        let ledger_variable = view.variable;
        if ledger.oid == member {
            return Ok(Self {
                ledger_variable,
                member,
                columns: std::ptr::null_mut(),
            });
        }
        let read = view.columns_read();
        let count = read.iter().copied().max().unwrap_or(0);
        // SAFETY: catalog look-ups by value; the map is as long as columns are read.
        unsafe {
            let columns = pg_sys::make_attrmap(i32::from(count));
            for column in read {
                let name = pg_sys::get_attname(ledger.oid, column, false);
                let number = pg_sys::get_attnum(member, name);
                if number <= 0
                    || pg_sys::get_atttype(member, number)
                        != pg_sys::get_atttype(ledger.oid, column)
                {
                    return Err(guard::damaged(
                        &ledger.name,
                        &format!(
                            "a mapped column of {} is another one",
                            relation_name(member)
                        ),
                    ));
                }
                *(*columns).attnums.add(column as usize - 1) = number;
            }
            Ok(Self {
                ledger_variable,
                member,
                columns,
            })
        }
    }

    unsafe fn output(&self, node: *mut pg_sys::Node, columns: &mut i32) -> Output {
        // SAFETY: a node's tag says what it is.
        unsafe {
            let translated = self.translate(node);
            let mut plain = translated;
            while (*plain).type_ == pg_sys::NodeTag::T_RelabelType {
                // Another type of the same bytes.
                plain = (*plain.cast::<pg_sys::RelabelType>()).arg.cast();
            }
            if (*plain).type_ == pg_sys::NodeTag::T_Var {
                let column = (*plain.cast::<pg_sys::Var>()).varattno;
                *columns = (*columns).max(i32::from(column));
                return Output::Column(column);
            }
            let (state, only) = self.prepare(translated, columns);
            match only {
                Some(column) if self.is_by_value(column) && by_value(pg_sys::exprType(node)) => {
                    Output::OfColumn(Remembered {
                        state,
                        column: column as usize - 1,
                        last: Cell::new(None),
                    })
                }
                _ => Output::Expression(state),
            }
        }
    }

    fn is_by_value(&self, column: i16) -> bool {
        // SAFETY: a catalog look-up by value.
        by_value(unsafe { pg_sys::get_atttype(self.member, column) })
    }

    unsafe fn expression(
        &self,
        node: *mut pg_sys::Node,
        columns: &mut i32,
    ) -> *mut pg_sys::ExprState {
        // SAFETY: as the callers'.
        unsafe { self.prepare(self.translate(node), columns).0 }
    }

    /// The expression, and the column that it reads if it reads one alone.
    unsafe fn prepare(
        &self,
        node: *mut pg_sys::Node,
        columns: &mut i32,
    ) -> (*mut pg_sys::ExprState, Option<i16>) {
        // SAFETY: planning copies what it changes; the state lives in the current context.
        unsafe {
            let mut used = std::ptr::null_mut();
            pg_sys::pull_varattnos(node, self.ledger_variable as pg_sys::Index, &mut used);
            let mut read = Vec::new();
            let mut member = -1;
            loop {
                member = pg_sys::bms_next_member(used, member);
                if member < 0 {
                    break;
                }
                read.push((member + pg_sys::FirstLowInvalidHeapAttributeNumber) as i16);
            }
            *columns = (*columns).max(read.last().copied().map_or(0, i32::from));
            let only = match read.as_slice() {
                [column] if *column > 0 => Some(*column),
                _ => None,
            };
            let planned = pg_sys::expression_planner(node.cast());
            (pg_sys::ExecInitExpr(planned, std::ptr::null_mut()), only)
        }
    }

    unsafe fn translate(&self, node: *mut pg_sys::Node) -> *mut pg_sys::Node {
        // SAFETY: both calls return a copy.
        unsafe {
            if self.columns.is_null() {
                return pg_sys::copyObjectImpl(node.cast()).cast();
            }
            let mut whole_row = false;
            pg_sys::map_variable_attnos(
                node,
                self.ledger_variable,
                0,
                self.columns,
                pg_sys::InvalidOid,
                &mut whole_row,
            )
        }
    }
}
