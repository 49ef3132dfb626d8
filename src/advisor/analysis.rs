//! What a statement asks of its tables: the query tree, as the planner has prepared it, made a
//! [`shape::QueryShape`].
//!
//! Statements are parsed, analysed, rewritten and planned by PostgreSQL itself, never executed.

mod collector;
mod conditions;
pub mod inner;
mod matching;
pub mod nodes;
mod parameters;
mod patterns;
mod repair;
pub mod scope;
pub mod shape;

use pgrx::pg_sys;
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;
use std::cell::Cell;
use std::ffi::{CStr, CString};

use self::nodes::{elements, oids};
use self::parameters::Types;
use self::scope::{Scope, Standing, relation_name};
use self::shape::{Command, QueryShape, TableUse, Written};
use super::subtransaction::{Refusal, rolled_back};
use crate::versions;

/// A statement that can be advised for.
#[derive(Debug)]
pub struct Analysed {
    /// Its text, as the parser reads it: one statement, a query or a command with a query in it.
    pub text: String,
    /// Type OIDs of its parameters.
    pub parameters: Vec<u32>,
    pub shape: QueryShape,
}

/// Values for all parameters, as text; `None` is NULL.
pub type Values<'a> = &'a [Option<String>];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Parsing,
    Analysing,
    Planning,
    Permitting,
}

/// The statement's shape, or why it has none, in words for `workload_coverage()`.
pub fn analyse(text: &str, values: Option<Values>, scope: &Scope) -> Result<Analysed, String> {
    let first = analyse_text(text, values, scope);
    let outcome = match &first {
        Err((Phase::Parsing, _)) => match repair::typed_parameters(text) {
            Some(repaired) => match analyse_text(&repaired, values, scope) {
                Err((Phase::Parsing, _)) => first,
                second => second,
            },
            None => first,
        },
        _ => first,
    };
    outcome.map_err(|(_, reason)| reason)
}

fn analyse_text(
    text: &str,
    values: Option<Values>,
    scope: &Scope,
) -> Result<Analysed, (Phase, String)> {
    let c_text = CString::new(text)
        .map_err(|_| (Phase::Analysing, "contains a null character".to_owned()))?;
    let phase = Cell::new(Phase::Parsing);
    let mut types = Types::new();
    let mut outcome = rolled_back(|| {
        // SAFETY: inside a subtransaction; what is returned does not point into its memory.
        unsafe { read(&c_text, values, scope, &phase, &mut types) }
    });
    // `$1 IS NULL OR a = $1`: the type is known too late. A client would have declared it.
    if matches!(&outcome, Err(caught) if is_about_a_parameter(caught)) {
        types.complete();
        outcome = rolled_back(|| {
            // SAFETY: as above.
            unsafe { read(&c_text, values, scope, &phase, &mut types) }
        });
    }
    match outcome {
        Ok(Ok(shape)) => Ok(Analysed {
            text: text.to_owned(),
            parameters: types.get().iter().map(|oid| oid.to_u32()).collect(),
            shape,
        }),
        // Not a syntax error: no other spelling would help.
        Ok(Err(reason)) => Err((Phase::Analysing, reason)),
        Err(caught) => Err((phase.get(), failure(phase.get(), &caught))),
    }
}

fn is_about_a_parameter(caught: &Refusal) -> bool {
    matches!(
        caught.code,
        PgSqlErrorCode::ERRCODE_INDETERMINATE_DATATYPE
            | PgSqlErrorCode::ERRCODE_AMBIGUOUS_PARAMETER
    )
}

fn failure(phase: Phase, caught: &Refusal) -> String {
    let kind = match (phase, caught.code) {
        (Phase::Parsing, _) => "does not parse",
        (_, PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE) => "relation missing",
        (_, PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE) => "no rights",
        (_, PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION) => "writes while it is planned",
        (Phase::Analysing, _) => "cannot be analysed",
        (Phase::Planning | Phase::Permitting, _) => "cannot be planned",
    };
    format!("{kind}: {}", caught.message)
}

unsafe fn read(
    text: &CStr,
    values: Option<Values>,
    scope: &Scope,
    phase: &Cell<Phase>,
    types: &mut Types,
) -> Result<QueryShape, String> {
    let watch = collector::Watch::new(scope);
    // SAFETY: the stages of PostgreSQL's own way of a statement, in their order; lists and nodes
    // are those that the stage before has made.
    unsafe {
        let statements = pg_sys::raw_parser(text.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
        let statements: Vec<*mut pg_sys::RawStmt> = elements(statements).collect();
        let [statement] = statements[..] else {
            return Err(match statements.len() {
                0 => "empty".to_owned(),
                _ => "several statements".to_owned(),
            });
        };
        phase.set(Phase::Analysing);
        let inner = inner::query(statement)?;
        types.declare(&inner.declared);
        let query = parameters::analysed(inner.statement, text, types)?;
        let mut shape = QueryShape {
            command: command(query),
            uses: Vec::new(),
            written: written(query),
        };
        let rewritten = pg_sys::pg_rewrite_query(query);
        let relations = relations_of(rewritten);
        check_relations(&relations, scope)?;

        phase.set(Phase::Planning);
        let bound = match values {
            Some(values) => parameters::bound(types.get(), values)?,
            None => std::ptr::null_mut(),
        };
        for query in elements::<pg_sys::Query>(rewritten) {
            if (*query).commandType == pg_sys::CmdType::CMD_UTILITY {
                continue;
            }
            let plan = pg_sys::pg_plan_query(query, text.as_ptr(), 0, bound);
            phase.set(Phase::Permitting);
            versions::check_table_rights(&*plan);
            phase.set(Phase::Planning);
        }
        for found in watch.take() {
            if !shape.uses.contains(&found) {
                shape.uses.push(found);
            }
        }
        let writes = matches!(&shape.written, Some(written)
            if scope.standing(written.relation.into()) == Standing::Eligible);
        if shape.uses.is_empty() && !writes {
            // A table is named, but nothing of it is read.
            not_eligible(&relations, scope)?;
        }
        Ok(shape)
    }
}

unsafe fn command(query: *mut pg_sys::Query) -> Command {
    // SAFETY: an analysed query.
    match unsafe { (*query).commandType } {
        pg_sys::CmdType::CMD_INSERT => Command::Insert,
        pg_sys::CmdType::CMD_UPDATE => Command::Update,
        pg_sys::CmdType::CMD_DELETE => Command::Delete,
        kind if versions::is_merge_command(kind) => Command::Merge,
        _ => Command::Select,
    }
}

/// The table that the statement writes, and the columns that an UPDATE sets.
unsafe fn written(query: *mut pg_sys::Query) -> Option<Written> {
    // SAFETY: an analysed query; its result relation is an entry of its range table.
    unsafe {
        let place = usize::try_from((*query).resultRelation)
            .ok()?
            .checked_sub(1)?;
        let entry = elements::<pg_sys::RangeTblEntry>((*query).rtable).nth(place)?;
        let relation = (*entry).relid;
        let set = (*query).commandType == pg_sys::CmdType::CMD_UPDATE;
        let columns = elements::<pg_sys::TargetEntry>((*query).targetList)
            .filter(|target| set && !(**target).resjunk)
            .filter_map(|target| {
                nodes::string(pg_sys::get_attname(relation, (*target).resno, true))
            })
            .collect();
        Some(Written {
            relation: relation.to_u32(),
            columns,
        })
    }
}

unsafe fn relations_of(rewritten: *mut pg_sys::List) -> Vec<Oid> {
    let mut relations = std::ptr::null_mut();
    let mut items = std::ptr::null_mut();
    let mut row_security = false;
    // SAFETY: a list of rewritten queries.
    unsafe {
        pg_sys::extract_query_dependencies(
            rewritten.cast(),
            &mut relations,
            &mut items,
            &mut row_security,
        );
        oids(relations)
    }
}

/// Says why none of the statement's relations can be advised for.
fn check_relations(relations: &[Oid], scope: &Scope) -> Result<(), String> {
    let mut eligible = relations
        .iter()
        .filter(|relation| scope.standing(**relation) == Standing::Eligible)
        .peekable();
    if eligible.peek().is_none() {
        not_eligible(relations, scope)?;
        return Err("no relation".to_owned());
    }
    match &scope.only {
        Some(only) if !eligible.any(|relation| only.contains(relation)) => {
            Err("none of the given relations".to_owned())
        }
        _ => Ok(()),
    }
}

/// An error that names what kind of relation there is instead of tables, if there is any.
fn not_eligible(relations: &[Oid], scope: &Scope) -> Result<(), String> {
    let kinds = [
        (Standing::Foreign, "foreign table"),
        (Standing::Temporary, "temporary table"),
        (Standing::Own, "storage of inventory_perf"),
    ];
    for (standing, what) in kinds {
        let found = relations
            .iter()
            .find(|relation| scope.standing(**relation) == standing);
        if let Some(relation) = found {
            return Err(format!("{what}: {}", relation_name(*relation)));
        }
    }
    let is_system = |relation: &Oid| scope.standing(*relation) == Standing::System;
    match relations.iter().any(is_system) {
        true => Err("system relations only".to_owned()),
        false => Ok(()),
    }
}

/// What planning with values shows beside what it shows without them. Values that were not seen
/// in the workload are no ground for a predicate.
pub fn add_uses(shape: &mut QueryShape, more: Vec<TableUse>, observed: bool) {
    for mut found in more {
        if shape.uses.iter().any(|known| known.asks_the_same(&found)) {
            continue;
        }
        if !observed {
            found.forget_constants(&shape.uses);
        }
        shape.uses.push(found);
    }
}
