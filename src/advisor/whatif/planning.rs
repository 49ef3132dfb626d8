//! Plans a statement as if certain indexes were there and others were not.
//!
//! hypopg shows its indexes to the planner only while EXPLAIN runs. So an EXPLAIN of nothing is
//! started, and the statement is planned in its place: generically, with its parameters as
//! parameters, and with values bound. That needs no prepared statement, and hands over the plan
//! itself, not a text of it.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::panic::AssertUnwindSafe;
use std::ptr::null_mut;

use super::templates::Templates;
use super::{PlanCost, Scenario};
use crate::advisor::analysis::inner;
use crate::advisor::statement::Statement;
use crate::advisor::subtransaction::Refusal;
use crate::versions;

/// How much the generic plan counts where typical values are known, too.
const GENERIC_SHARE: f64 = 0.5;

/// What becomes of the hypothetical indexes of a table.
enum Indexes<'a> {
    /// Those of the scenario are there.
    Give(&'a Templates, Scenario<'a>),
    /// One of hypopg's is kept, under a number.
    Take(&'a mut Templates, u32, u32),
}

impl Indexes<'_> {
    fn are_gone(&self, real: u32) -> bool {
        matches!(self, Self::Give(_, scenario) if scenario.gone.contains(&real))
    }
}

struct Job<'a> {
    statement: &'a Statement,
    indexes: Indexes<'a>,
    outcome: Option<Result<PlanCost, Refusal>>,
    previous: pg_sys::get_relation_info_hook_type,
}

thread_local! {
    /// What the hooks work on: null unless an EXPLAIN of `run` runs.
    static JOB: Cell<*mut Job<'static>> = const { Cell::new(null_mut()) };
}

/// Must run in a subtransaction, as planning may raise an error.
pub fn cost(
    statement: &Statement,
    templates: &Templates,
    scenario: Scenario,
) -> Result<PlanCost, Refusal> {
    run(statement, Indexes::Give(templates, scenario))
}

/// Plans the statement to keep the index that hypopg calls `oid`, wherever it adds it.
///
/// Must run in a subtransaction, as planning may raise an error.
pub fn take(
    statement: &Statement,
    templates: &mut Templates,
    number: u32,
    oid: u32,
) -> Result<(), Refusal> {
    run(statement, Indexes::Take(templates, number, oid)).map(|_| ())
}

fn run(statement: &Statement, indexes: Indexes) -> Result<PlanCost, Refusal> {
    // SAFETY: reads hooks of the backend, on its only thread.
    let (explain, relation_info) =
        unsafe { (pg_sys::ExplainOneQuery_hook, pg_sys::get_relation_info_hook) };
    let mut job = Job {
        statement,
        indexes,
        outcome: None,
        previous: relation_info,
    };
    JOB.set((&raw mut job).cast());
    PgTryBuilder::new(AssertUnwindSafe(|| {
        Spi::connect(|_| {
            // SAFETY: the hooks stand for the one command that runs here; it is a literal.
            unsafe {
                pg_sys::ExplainOneQuery_hook = Some(plan_in_place);
                pg_sys::get_relation_info_hook = Some(choose_indexes);
                pg_sys::SPI_execute(c"EXPLAIN SELECT".as_ptr(), false, 0);
            }
        });
    }))
    .finally(|| {
        JOB.set(null_mut());
        // SAFETY: puts back what was there.
        unsafe {
            pg_sys::ExplainOneQuery_hook = explain;
            pg_sys::get_relation_info_hook = relation_info;
        }
    })
    .execute();
    job.outcome
        .unwrap_or_else(|| Err(refuse("it was not planned")))
}

/// hypopg takes it that EXPLAIN goes on until a query has been executed.
pub fn forget_explain() {
    Spi::connect(|_| {
        // SAFETY: a literal that reads nothing.
        unsafe { pg_sys::SPI_execute(c"SELECT".as_ptr(), true, 0) };
    });
}

fn refuse(message: &str) -> Refusal {
    Refusal {
        code: PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        message: message.into(),
        detail: None,
        hint: None,
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn plan_in_place(
    _query: *mut pg_sys::Query,
    _cursor_options: i32,
    _into: *mut pg_sys::IntoClause,
    _state: *mut pg_sys::ExplainState,
    _text: *const std::ffi::c_char,
    _parameters: pg_sys::ParamListInfo,
    _environment: *mut pg_sys::QueryEnvironment,
) {
    let job = JOB.get();
    if !job.is_null() {
        // SAFETY: `run` waits for this call; planning borrows the job for itself in between.
        unsafe {
            let outcome = cost_all_ways((*job).statement);
            (*job).outcome = Some(outcome);
        }
    }
}

/// # Safety
/// A transaction is there, with a snapshot.
unsafe fn cost_all_ways(statement: &Statement) -> Result<PlanCost, Refusal> {
    let text = CString::new(statement.text.as_str())
        .map_err(|_| refuse("the statement contains a null character"))?;
    let mut used = BTreeSet::new();
    let mut rows = 0.0;
    let mut plan = |values: Option<&[Option<String>]>| {
        // SAFETY: as the caller promises.
        let plan = unsafe { plan(statement, &text, values) }?;
        rows = plan.rows;
        used.extend(plan.used);
        Ok(plan.cost)
    };
    let mut result = PlanCost::default();
    if statement.is_parameterised() {
        result.generic = Some(plan(None)?);
        let mut total = 0.0;
        let mut weights = 0.0;
        for set in &statement.typical {
            total += set.weight * plan(Some(&set.values))?;
            weights += set.weight;
        }
        if weights > 0.0 {
            result.values = Some(total / weights);
        }
    } else {
        result.values = Some(plan(None)?);
    }
    result.cost = match (result.generic, result.values) {
        (Some(generic), Some(values)) => GENERIC_SHARE * generic + (1.0 - GENERIC_SHARE) * values,
        (Some(cost), None) | (None, Some(cost)) => cost,
        (None, None) => return Err(refuse("it was not planned")),
    };
    result.rows = rows;
    result.used = used.into_iter().collect();
    Ok(result)
}

struct Plan {
    cost: f64,
    rows: f64,
    used: BTreeSet<u32>,
}

/// # Safety
/// As for `cost_all_ways`.
unsafe fn plan(
    statement: &Statement,
    text: &CString,
    values: Option<&[Option<String>]>,
) -> Result<Plan, Refusal> {
    // SAFETY: parser, analyser and planner get what each hands to the next; the trees live in
    // the current context, which the subtransaction around this ends.
    unsafe {
        let parsed = pg_sys::pg_parse_query(text.as_ptr());
        if length(parsed) != 1 {
            return Err(refuse("it is not one statement"));
        }
        let mut types: Vec<pg_sys::Oid> = statement
            .parameters
            .iter()
            .map(|oid| pg_sys::Oid::from(*oid))
            .collect();
        let inner = inner::query(nth(parsed, 0).cast()).map_err(|why| refuse(&why))?;
        let queries = versions::analyse_fixed(inner.statement, text, &mut types);
        let bound = match values {
            Some(values) => bind(&types, values)?,
            None => null_mut(),
        };
        let mut result = Plan {
            cost: 0.0,
            rows: 0.0,
            used: BTreeSet::new(),
        };
        for place in 0..length(queries) {
            let query: *mut pg_sys::Query = nth(queries, place).cast();
            if (*query).commandType == pg_sys::CmdType::CMD_UTILITY {
                return Err(refuse("it is a utility statement, which has no plan"));
            }
            let planned = pg_sys::pg_plan_query(
                query,
                text.as_ptr(),
                pg_sys::CURSOR_OPT_PARALLEL_OK as i32,
                bound,
            );
            result.cost += (*(*planned).planTree).total_cost;
            result.rows += written_rows((*planned).planTree);
            collect_indexes((*planned).planTree, &mut result.used);
            each((*planned).subplans, |plan| {
                collect_indexes(plan.cast(), &mut result.used);
            });
        }
        Ok(result)
    }
}

/// The values as the parameters of a custom plan.
///
/// # Safety
/// As for `cost_all_ways`.
unsafe fn bind(
    types: &[pg_sys::Oid],
    values: &[Option<String>],
) -> Result<pg_sys::ParamListInfo, Refusal> {
    if types.len() != values.len() {
        return Err(refuse("there is not one typical value for each parameter"));
    }
    // SAFETY: the list has room for as many parameters as there are types.
    unsafe {
        let list = pg_sys::makeParamList(types.len() as i32);
        let parameters = (*list).params.as_mut_ptr();
        for (place, (type_oid, value)) in types.iter().zip(values).enumerate() {
            let parameter = &mut *parameters.add(place);
            parameter.ptype = *type_oid;
            parameter.pflags = pg_sys::PARAM_FLAG_CONST as u16;
            parameter.isnull = value.is_none();
            let Some(value) = value else { continue };
            let value = CString::new(value.as_str())
                .map_err(|_| refuse("a typical value contains a null character"))?;
            let mut input = pg_sys::InvalidOid;
            let mut io_parameter = pg_sys::InvalidOid;
            pg_sys::getTypeInputInfo(*type_oid, &mut input, &mut io_parameter);
            parameter.value =
                pg_sys::OidInputFunctionCall(input, value.as_ptr().cast_mut(), io_parameter, -1);
        }
        Ok(list)
    }
}

/// Runs for each table of a plan, after hypopg has added its indexes.
#[pg_guard]
unsafe extern "C-unwind" fn choose_indexes(
    root: *mut pg_sys::PlannerInfo,
    relation: pg_sys::Oid,
    is_parent: bool,
    rel: *mut pg_sys::RelOptInfo,
) {
    // SAFETY: `run` waits for this call; the planner hands over a relation that it sets up.
    unsafe {
        let Some(job) = JOB.get().as_mut() else {
            return;
        };
        let add = || {
            if let Some(previous) = job.previous {
                previous(root, relation, is_parent, rel);
            }
        };
        match &mut job.indexes {
            Indexes::Take(templates, number, oid) => {
                templates.lasting(add);
                templates.take(*number, *oid, relation, is_parent, rel);
            }
            Indexes::Give(_, _) => add(),
        }
        for place in (0..length((*rel).indexlist)).rev() {
            let index: *mut pg_sys::IndexOptInfo = nth((*rel).indexlist, place).cast();
            let gone = (*index).hypothetical || job.indexes.are_gone((*index).indexoid.to_u32());
            if gone {
                (*rel).indexlist = pg_sys::list_delete_nth_cell((*rel).indexlist, place as i32);
            }
        }
        if let Indexes::Give(templates, scenario) = &job.indexes {
            for there in scenario.there {
                templates.give(there.oid, &there.size, relation, is_parent, rel);
            }
        }
    }
}

/// Rows that the plan returns or, for a statement that writes, changes.
///
/// # Safety
/// `plan` is a plan tree.
unsafe fn written_rows(plan: *mut pg_sys::Plan) -> f64 {
    // SAFETY: as the caller promises.
    unsafe {
        let is_write = (*plan).type_ == pg_sys::NodeTag::T_ModifyTable;
        if is_write && !(*plan).lefttree.is_null() {
            (*(*plan).lefttree).plan_rows
        } else {
            (*plan).plan_rows
        }
    }
}

/// # Safety
/// `plan` is a plan tree or null.
unsafe fn collect_indexes(plan: *mut pg_sys::Plan, used: &mut BTreeSet<u32>) {
    // SAFETY: the tag of a node says what it is.
    unsafe {
        if plan.is_null() {
            return;
        }
        pg_sys::check_stack_depth();
        let children = match (*plan).type_ {
            pg_sys::NodeTag::T_IndexScan => {
                used.insert((*plan.cast::<pg_sys::IndexScan>()).indexid.to_u32());
                null_mut()
            }
            pg_sys::NodeTag::T_IndexOnlyScan => {
                used.insert((*plan.cast::<pg_sys::IndexOnlyScan>()).indexid.to_u32());
                null_mut()
            }
            pg_sys::NodeTag::T_BitmapIndexScan => {
                used.insert((*plan.cast::<pg_sys::BitmapIndexScan>()).indexid.to_u32());
                null_mut()
            }
            pg_sys::NodeTag::T_Append => (*plan.cast::<pg_sys::Append>()).appendplans,
            pg_sys::NodeTag::T_MergeAppend => (*plan.cast::<pg_sys::MergeAppend>()).mergeplans,
            pg_sys::NodeTag::T_BitmapAnd => (*plan.cast::<pg_sys::BitmapAnd>()).bitmapplans,
            pg_sys::NodeTag::T_BitmapOr => (*plan.cast::<pg_sys::BitmapOr>()).bitmapplans,
            pg_sys::NodeTag::T_CustomScan => (*plan.cast::<pg_sys::CustomScan>()).custom_plans,
            pg_sys::NodeTag::T_SubqueryScan => {
                collect_indexes((*plan.cast::<pg_sys::SubqueryScan>()).subplan, used);
                null_mut()
            }
            _ => null_mut(),
        };
        each(children, |child| collect_indexes(child.cast(), used));
        collect_indexes((*plan).lefttree, used);
        collect_indexes((*plan).righttree, used);
    }
}

/// # Safety
/// `list` is a list or null, which is the empty one.
unsafe fn length(list: *const pg_sys::List) -> usize {
    // SAFETY: as the caller promises.
    unsafe {
        if list.is_null() {
            0
        } else {
            (*list).length as usize
        }
    }
}

/// # Safety
/// `list` is a list of pointers, longer than `place`.
unsafe fn nth(list: *const pg_sys::List, place: usize) -> *mut std::ffi::c_void {
    // SAFETY: as the caller promises.
    unsafe { (*(*list).elements.add(place)).ptr_value }
}

/// # Safety
/// `list` is a list of pointers or null.
pub unsafe fn each(list: *const pg_sys::List, mut visit: impl FnMut(*mut std::ffi::c_void)) {
    // SAFETY: as the caller promises.
    unsafe {
        for place in 0..length(list) {
            visit(nth(list, place));
        }
    }
}
