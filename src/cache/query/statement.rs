//! One query, parsed and analysed by PostgreSQL, with the plans that PostgreSQL keeps for it.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};

use super::nodes::{self, Mentions};
use crate::error::Failure;
use crate::versions;

/// A saved plan source, as PREPARE makes one, but without a name that a caller could meet.
pub struct Statement {
    source: *mut pg_sys::CachedPlanSource,
    text: CString,
    /// Functions that its text calls, without those of views and policies.
    functions: BTreeSet<u32>,
}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: the source was saved and is dropped once; a plan that still runs is counted by
        // itself.
        unsafe { pg_sys::DropCachedPlan(self.source) }
    }
}

/// A plan that stays while it is held. If an error interrupts, the resource owner releases it.
pub struct Plan {
    plan: *mut pg_sys::CachedPlan,
    owner: pg_sys::ResourceOwner,
}

impl Drop for Plan {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: it was taken for this owner, and the owner is released after this scope.
            unsafe { pg_sys::ReleaseCachedPlan(self.plan, self.owner) }
        }
    }
}

impl Plan {
    pub fn planned(&self) -> &pg_sys::PlannedStmt {
        // SAFETY: a SELECT has one planned statement.
        unsafe { &*list_head::<pg_sys::PlannedStmt>((*self.plan).stmt_list) }
    }

    /// Another number for every plan that was made of the statement.
    pub fn generation(&self) -> i32 {
        // SAFETY: the plan is held.
        unsafe { (*self.plan).generation }
    }
}

impl Statement {
    pub fn new(query: &str) -> Result<Self, Failure> {
        let text = CString::new(query).map_err(|_| refused("query contains a null character"))?;
        // SAFETY: parsing and analysing as PREPARE does. Everything is allocated in a context of
        // its own that goes with the transaction's if an error interrupts, and that the source
        // moves out of when it is saved.
        unsafe {
            let statements =
                pg_sys::raw_parser(text.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
            let raw = only_select(statements)?;
            let functions = functions_of(raw, &text);
            let tag = pg_sys::CommandTag::CMDTAG_SELECT;
            let source = pg_sys::CreateCachedPlan(raw, text.as_ptr(), tag);
            let (mut types, mut count) = (std::ptr::null_mut(), 0);
            let queries = versions::analyse_inferring(raw, &text, &mut types, &mut count);
            check_queries(queries)?;
            check_types(types, count)?;
            pg_sys::CompleteCachedPlan(
                source,
                queries,
                std::ptr::null_mut(),
                types,
                count,
                None,
                std::ptr::null_mut(),
                pg_sys::CURSOR_OPT_PARALLEL_OK as i32,
                false,
            );
            check_columns((*source).resultDesc)?;
            if node_text((*source).query_list.cast()).contains("{ROWMARKCLAUSE ") {
                return Err(refused("query must not lock rows"));
            }
            pg_sys::SaveCachedPlan(source);
            Ok(Self {
                source,
                text,
                functions,
            })
        }
    }

    pub fn text(&self) -> &CStr {
        &self.text
    }

    /// Whether its own text calls the function, not a view or a policy alone.
    pub fn calls(&self, function: pg_sys::Oid) -> bool {
        self.functions.contains(&function.to_u32())
    }

    /// Whether a constant may stand for another moment when the query is analysed later.
    pub fn names_a_moment(&self) -> bool {
        let text = self.text.to_bytes().to_ascii_lowercase();
        // As PostgreSQL does, past the spaces at the start of a string, in quotes or in dollars.
        text.split(|byte| matches!(byte, b'\'' | b'$'))
            .skip(1)
            .map(|rest| rest.trim_ascii_start())
            .any(|rest| {
                ["now", "today", "tomorrow", "yesterday"]
                    .iter()
                    .any(|word| rest.starts_with(word.as_bytes()))
            })
    }

    /// False once something that the query depends on has changed. Making it anew then lets types
    /// be inferred as they are now.
    pub fn is_valid(&self) -> bool {
        // SAFETY: the source lives as long as the statement.
        unsafe { (*self.source).is_valid }
    }

    pub fn parameter_types(&self) -> &[pg_sys::Oid] {
        // SAFETY: the source holds as many types as parameters.
        unsafe {
            let count = (*self.source).num_params as usize;
            if count == 0 {
                &[]
            } else {
                std::slice::from_raw_parts((*self.source).param_types, count)
            }
        }
    }

    /// Types of the columns that it returns.
    pub fn column_types(&self) -> Vec<pg_sys::Oid> {
        // SAFETY: a SELECT has columns; the descriptor is only looked at.
        let columns = unsafe { pgrx::PgTupleDesc::from_pg_unchecked((*self.source).resultDesc) };
        columns.iter().map(|column| column.atttypid).collect()
    }

    /// The plan that serves any parameters, with its relations locked.
    pub fn generic_plan(&self) -> Plan {
        self.plan(std::ptr::null_mut())
    }

    /// The plan for these parameters, with its relations locked.
    pub fn plan(&self, parameters: pg_sys::ParamListInfo) -> Plan {
        // SAFETY: a source that is complete; it outlives the plan's use.
        unsafe {
            let owner = pg_sys::CurrentResourceOwner;
            let plan = pg_sys::GetCachedPlan(self.source, parameters, owner, std::ptr::null_mut());
            Plan { plan, owner }
        }
    }

    /// The analysed and rewritten query in PostgreSQL's text form.
    pub fn tree(&self) -> String {
        // SAFETY: the source holds its rewritten queries while it is valid.
        unsafe { node_text((*self.source).query_list.cast()) }
    }
}

/// # Safety
/// `raw` is what the parser made of `text`.
unsafe fn functions_of(raw: *mut pg_sys::RawStmt, text: &CStr) -> BTreeSet<u32> {
    let mut mentions = Mentions::default();
    // SAFETY: as the caller promises; analysing changes what it is given, so it gets a copy.
    unsafe {
        let (mut types, mut count) = (std::ptr::null_mut(), 0);
        let copy = pg_sys::copyObjectImpl(raw.cast()).cast();
        let query = versions::parse_inferring(copy, text, &mut types, &mut count);
        nodes::scan(&node_text(query.cast()), &mut mentions);
    }
    mentions.functions.into_keys().collect()
}

/// A node tree in PostgreSQL's text form.
///
/// # Safety
/// `node` is a node or a list.
pub unsafe fn node_text(node: *const std::ffi::c_void) -> String {
    // SAFETY: as the caller promises; the text is a C string of our own.
    unsafe {
        let text = pg_sys::nodeToString(node);
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        pg_sys::pfree(text.cast());
        copy
    }
}

/// # Safety
/// The list is not empty, and its items are nodes of type `T`.
unsafe fn list_head<T>(list: *mut pg_sys::List) -> *mut T {
    // SAFETY: as the caller promises.
    unsafe { (*(*list).elements).ptr_value.cast() }
}

/// The OIDs in a list of OIDs.
///
/// # Safety
/// The list is NULL or holds OIDs.
pub unsafe fn oids(list: *const pg_sys::List) -> Vec<pg_sys::Oid> {
    // SAFETY: as the caller promises.
    unsafe {
        let count = if list.is_null() { 0 } else { (*list).length };
        (0..count as usize)
            .map(|index| (*(*list).elements.add(index)).oid_value)
            .collect()
    }
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
        .hint("Pass one SELECT, which may begin with WITH.")
}

/// # Safety
/// A list of raw statements.
unsafe fn only_select(statements: *mut pg_sys::List) -> Result<*mut pg_sys::RawStmt, Failure> {
    // SAFETY: the items of the parser's list are raw statements.
    unsafe {
        let count = if statements.is_null() {
            0
        } else {
            (*statements).length
        };
        match count {
            0 => Err(refused("query is empty")),
            1 => {
                let raw = list_head::<pg_sys::RawStmt>(statements);
                if (*(*raw).stmt).type_ == pg_sys::NodeTag::T_SelectStmt {
                    Ok(raw)
                } else {
                    Err(refused("query is not a SELECT"))
                }
            }
            _ => Err(refused(format!("query has {count} statements"))),
        }
    }
}

/// # Safety
/// A list of queries.
unsafe fn check_queries(queries: *mut pg_sys::List) -> Result<(), Failure> {
    // SAFETY: rewriting a SELECT gives one query.
    let query = unsafe {
        if queries.is_null() || (*queries).length != 1 {
            return Err(refused("query is not one SELECT"));
        }
        &*list_head::<pg_sys::Query>(queries)
    };
    if query.commandType != pg_sys::CmdType::CMD_SELECT {
        return Err(refused("query must not create a table with SELECT INTO"));
    }
    if query.hasModifyingCTE {
        return Err(refused("query must not change data in WITH"));
    }
    Ok(())
}

/// # Safety
/// As many types as `count` says.
unsafe fn check_types(types: *const pg_sys::Oid, count: i32) -> Result<(), Failure> {
    for number in 1..=count {
        // SAFETY: as the caller promises.
        let type_oid = unsafe { *types.add(number as usize - 1) };
        if type_oid == pg_sys::InvalidOid || type_oid == pg_sys::UNKNOWNOID {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_INDETERMINATE_DATATYPE,
                format!("could not determine data type of parameter ${number}"),
            )
            .hint(format!(
                "Use every parameter up to the highest, with a cast where needed, as in ${number}::integer."
            )));
        }
    }
    Ok(())
}

/// Each row becomes a JSON object, which has one value for a name.
///
/// # Safety
/// A row descriptor.
unsafe fn check_columns(columns: pg_sys::TupleDesc) -> Result<(), Failure> {
    // SAFETY: as the caller promises.
    let columns = unsafe { pgrx::PgTupleDesc::from_pg_unchecked(columns) };
    let mut names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Failure::new(
            PgSqlErrorCode::ERRCODE_DUPLICATE_COLUMN,
            format!("query has several columns named \"{}\"", pair[0]),
        )
        .detail("Each row is returned as a jsonb object, which has one value for a name.")
        .hint("Give each column a name of its own with AS.")),
        None => Ok(()),
    }
}
