//! What capturing one relation's changes needs, prepared once per backend.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::changes::{self, Told};
use super::{MAX_KEYS, pending_types};
use crate::error::Failure;
use crate::invalidation;
use crate::ledger::keys::{KeyInterner, KeyType};
use crate::ledger::legs::{LegBuffer, MeasureType};
use crate::ledger::mapping::Layout;
use crate::ledger::members;
use crate::ledger::registry::Ledger;
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
    /// The buffer of the last statement, if it was a small one.
    spare: Cell<Option<LegBuffer>>,
    /// Holds the expressions.
    memory: pg_sys::MemoryContext,
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: nothing else points into the plan's own context.
        unsafe { pg_sys::MemoryContextDelete(self.memory) }
    }
}

impl Plan {
    /// The plan for a relation with a capture trigger; none if its ledger is not registered.
    pub fn of(relation: pg_sys::Oid) -> Result<Option<Rc<Plan>>, Failure> {
        let cached = PLANS.with_borrow(|plans| plans.get(&relation).cloned());
        if let Some(plan) = cached
            && plan.epoch == invalidation::epoch()
        {
            return Ok(Some(plan));
        }
        PLANS.with_borrow_mut(|plans| plans.remove(&relation));
        let Some(ledger) = members::ledger_of(relation)? else {
            return Ok(None);
        };
        for dependency in [relation, ledger.oid, ledger.mapped_moves] {
            invalidation::watch(dependency);
        }
        // What is invalidated while the plan is made makes it outdated.
        let epoch = invalidation::epoch();
        let plan = Rc::new(Self::prepare(relation, &ledger, epoch)?);
        PLANS.with_borrow_mut(|plans| plans.insert(relation, plan.clone()));
        Ok(Some(plan))
    }

    fn prepare(relation: pg_sys::Oid, ledger: &Ledger, epoch: u64) -> Result<Self, Failure> {
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
            let view = pg_sys::table_open(
                ledger.mapped_moves,
                pg_sys::AccessShareLock as pg_sys::LOCKMODE,
            );
            let member = pg_sys::table_open(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            let query = &*pg_sys::get_view_query(view);
            let translation = Translation::new(query, ledger.oid, relation)?;

            let mut columns = 0;
            let mut outputs = Vec::new();
            let mut measures = Vec::new();
            let mut key_types = Vec::new();
            let layout = ledger.mapping.layout();
            for position in 0..(*query.targetList).length {
                let entry = list_item::<pg_sys::TargetEntry>(query.targetList, position);
                let node = (*entry).expr.cast::<pg_sys::Node>();
                let type_oid = pg_sys::exprType(node);
                if (position as usize) < layout.keys {
                    key_types.push(KeyType::new(type_oid, pg_sys::exprCollation(node))?);
                }
                measures.push(MeasureType::of(type_oid));
                outputs.push(translation.output(node, &mut columns));
            }
            let quals = (*query.jointree).quals;
            let filter = (!quals.is_null()).then(|| translation.expression(quals, &mut columns));
            let measure = |column: usize| {
                measures.get(column).copied().flatten().ok_or_else(|| {
                    Failure::new(
                        PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                        format!("mapping view of ledger {} was changed", ledger.name),
                    )
                    .hint("Detach the ledger and attach it again.")
                })
            };
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
                quantity_type: measure(layout.quantity)?,
                value_type: match layout.value {
                    Some(column) => measure(column)?,
                    None => MeasureType::BigInteger,
                },
                key_types,
                outputs,
                filter,
                columns,
                expression_context: pg_sys::CreateStandaloneExprContext(),
                spare: Cell::new(None),
                memory,
            };
            pg_sys::table_close(member, pg_sys::NoLock as pg_sys::LOCKMODE);
            pg_sys::table_close(view, pg_sys::NoLock as pg_sys::LOCKMODE);
            pg_sys::MemoryContextSwitchTo(previous);
            pg_sys::MemoryContextSetParent(memory, pg_sys::CacheMemoryContext);
            Ok(plan)
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

unsafe fn list_item<T>(list: *mut pg_sys::List, position: i32) -> *mut T {
    // SAFETY: the caller stays below the list's length.
    unsafe { (*(*list).elements.add(position as usize)).ptr_value.cast() }
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
        query: &pg_sys::Query,
        ledger: pg_sys::Oid,
        member: pg_sys::Oid,
    ) -> Result<Self, Failure> {
        // SAFETY: catalog look-ups by value; the map is as long as the ledger has columns.
        unsafe {
            let from = list_item::<pg_sys::RangeTblRef>((*query.jointree).fromlist, 0);
            let ledger_variable = (*from).rtindex;
            if ledger == member {
                return Ok(Self {
                    ledger_variable,
                    member,
                    columns: std::ptr::null_mut(),
                });
            }
            let relation = pg_sys::table_open(ledger, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
            let count = (*(*relation).rd_att).natts;
            let columns = pg_sys::make_attrmap(count);
            for column in 1..=count as i16 {
                let name = pg_sys::get_attname(ledger, column, true);
                if name.is_null() {
                    continue;
                }
                let number = pg_sys::get_attnum(member, name);
                *(*columns).attnums.add(column as usize - 1) = number;
            }
            pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
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
