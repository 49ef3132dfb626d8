//! The mapping view as compiled code reads it.
//!
//! Its owner may replace it by any other view. So nothing is taken from it before it was seen to be
//! what attaching creates: the ledger's rows, all of them or those of a condition, each worked out
//! from its own columns. Whether it still is the *same* view is what [`MappingView::matches`] tells.

use pgrx::pg_sys;
use pgrx::prelude::*;
use sha2::{Digest, Sha256};
use std::ffi::CStr;

use super::mapping::Layout;
use crate::error::Failure;
use crate::relcache::Entry;
use crate::security;

/// A copy of the view's query whose form was checked, in the memory context that it was read in.
pub struct MappingView {
    /// The ledger among the tables of the query.
    pub variable: i32,
    pub columns: Vec<Column>,
    /// The condition on rows that count; null if all of them do.
    pub filter: *mut pg_sys::Node,
    ledger: pg_sys::Oid,
}

#[derive(Clone, Copy)]
pub struct Column {
    pub expression: *mut pg_sys::Node,
    pub type_oid: pg_sys::Oid,
    pub modifier: i32,
    pub collation: pg_sys::Oid,
}

/// What the mapping was when the ledger was attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    pub expressions: Vec<String>,
    pub fingerprint: String,
}

impl MappingView {
    /// Reads the view if it is one over the ledger with a column for each part of a movement; else
    /// says what it is not.
    pub fn read(view: pg_sys::Oid, ledger: pg_sys::Oid, layout: Layout) -> Result<Self, String> {
        let query = Entry::of(view)
            .ok_or("it is gone")?
            .view_query()
            .ok_or("it is not a view")?;
        // SAFETY: the copy of an analysed query; tags of nodes say what they are.
        unsafe {
            let query = &*query;
            let mut view = Self {
                variable: only_table(query, ledger)
                    .ok_or("it does not read the rows of the ledger one by one")?,
                columns: Vec::new(),
                filter: (*query.jointree).quals,
                ledger,
            };
            for entry in list::<pg_sys::TargetEntry>(query.targetList) {
                let expression = (*entry).expr.cast::<pg_sys::Node>();
                if (*entry).resjunk || !view.reads_one_row(expression) {
                    return Err("a column is not worked out from the columns of one row".into());
                }
                view.columns.push(Column {
                    expression,
                    type_oid: pg_sys::exprType(expression),
                    modifier: pg_sys::exprTypmod(expression),
                    collation: pg_sys::exprCollation(expression),
                });
            }
            if !view.filter.is_null() && !view.reads_one_row(view.filter) {
                return Err("its condition is not about the columns of one row".into());
            }
            view.check_types(layout)?;
            Ok(view)
        }
    }

    /// # Safety
    /// `node` is an expression of the view's query.
    unsafe fn reads_one_row(&self, node: *mut pg_sys::Node) -> bool {
        // SAFETY: read-only walks over an analysed expression.
        unsafe {
            if pg_sys::checkExprHasSubLink(node)
                || pg_sys::contain_agg_clause(node)
                || pg_sys::contain_window_function(node)
                || pg_sys::expression_returns_set(node)
            {
                return false;
            }
            let mut used = std::ptr::null_mut();
            pg_sys::pull_varattnos(node, self.variable as pg_sys::Index, &mut used);
            let first = pg_sys::bms_next_member(used, -1);
            first < 0 || first + pg_sys::FirstLowInvalidHeapAttributeNumber > 0
        }
    }

    fn check_types(&self, layout: Layout) -> Result<(), String> {
        let measures = 1 + usize::from(layout.value.is_some());
        if self.columns.len() != layout.quantity + measures {
            return Err("it has more or fewer columns".into());
        }
        let wrong = |column: usize| Err(format!("its column {} has another type", column + 1));
        if self.columns[layout.day].type_oid != pg_sys::DATEOID {
            return wrong(layout.day);
        }
        for column in [Some(layout.quantity), layout.value].into_iter().flatten() {
            if super::legs::MeasureType::of(self.columns[column].type_oid).is_none() {
                return wrong(column);
            }
        }
        if let Some(second) = layout.second_leg {
            let (from, to) = (
                &self.columns[second.location_key],
                &self.columns[second.to_location],
            );
            if from.type_oid != to.type_oid || from.collation != to.collation {
                return wrong(second.to_location);
            }
        }
        Ok(())
    }

    /// Every column of the ledger that the view reads.
    pub fn columns_read(&self) -> Vec<i16> {
        let mut used = std::ptr::null_mut();
        let mut columns = Vec::new();
        // SAFETY: read-only walks over expressions of the query.
        unsafe {
            for node in self.nodes() {
                pg_sys::pull_varattnos(node, self.variable as pg_sys::Index, &mut used);
            }
            let mut member = -1;
            loop {
                member = pg_sys::bms_next_member(used, member);
                if member < 0 {
                    return columns;
                }
                columns.push((member + pg_sys::FirstLowInvalidHeapAttributeNumber) as i16);
            }
        }
    }

    fn nodes(&self) -> impl Iterator<Item = *mut pg_sys::Node> {
        let filter = (!self.filter.is_null()).then_some(self.filter);
        self.columns
            .iter()
            .map(|column| column.expression)
            .chain(filter)
    }

    /// The expressions and the condition as they are now, to be registered.
    pub fn registered(&self) -> Registered {
        Registered {
            expressions: self.expressions(),
            fingerprint: self.fingerprint(),
        }
    }

    /// Whether the view is what was registered: by its stored form, or, in a restored database, by
    /// its text.
    pub fn matches(&self, registered: &Registered) -> bool {
        self.fingerprint() == registered.fingerprint || self.expressions() == registered.expressions
    }

    fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for node in self.nodes() {
            // SAFETY: a string with the stored form of an expression.
            let stored = unsafe { CStr::from_ptr(pg_sys::nodeToString(node.cast())) };
            digest.update(stored.to_bytes_with_nul());
        }
        digest.update([u8::from(self.filter.is_null())]);
        digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Each column as SQL writes it, without the name of the ledger, then the condition.
    fn expressions(&self) -> Vec<String> {
        security::with_safe_path(|| {
            // SAFETY: the expressions are copied before their variables are numbered for a query
            // of this one table, as deparsing wants it.
            unsafe {
                let name = pg_sys::get_rel_name(self.ledger);
                let context = pg_sys::deparse_context_for(name, self.ledger);
                self.nodes()
                    .map(|node| {
                        let copy = pg_sys::copyObjectImpl(node.cast()).cast::<pg_sys::Node>();
                        pg_sys::ChangeVarNodes(copy, self.variable, 1, 0);
                        let text = pg_sys::deparse_expression(copy, context, false, false);
                        CStr::from_ptr(text).to_string_lossy().into_owned()
                    })
                    .collect()
            }
        })
    }
}

/// An error about a mapping view that is another one by now.
pub fn changed(ledger: &str, how: &str) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("mapping view of ledger {ledger} was changed: {how}"),
    )
    .hint("Detach the ledger with drop_data => true and attach it again.")
}

/// The number of the ledger in a query that selects from it and nothing else, row by row.
///
/// # Safety
/// The query is an analysed SELECT.
unsafe fn only_table(query: &pg_sys::Query, ledger: pg_sys::Oid) -> Option<i32> {
    let is_plain = query.commandType == pg_sys::CmdType::CMD_SELECT
        && query.setOperations.is_null()
        && query.cteList.is_null()
        && query.groupClause.is_null()
        && query.groupingSets.is_null()
        && query.havingQual.is_null()
        && query.windowClause.is_null()
        && query.distinctClause.is_null()
        && query.sortClause.is_null()
        && query.limitOffset.is_null()
        && query.limitCount.is_null()
        && query.rowMarks.is_null()
        && !query.hasAggs
        && !query.hasWindowFuncs
        && !query.hasTargetSRFs
        && !query.hasSubLinks
        && !query.hasForUpdate
        && !query.jointree.is_null();
    if !is_plain {
        return None;
    }
    // SAFETY: as the caller promises; a reference counts from one and is in the range table.
    unsafe {
        let mut from = list::<pg_sys::Node>((*query.jointree).fromlist);
        let (Some(only), None) = (from.next(), from.next()) else {
            return None;
        };
        if (*only).type_ != pg_sys::NodeTag::T_RangeTblRef {
            return None;
        }
        let variable = (*only.cast::<pg_sys::RangeTblRef>()).rtindex;
        let entry = &*pg_sys::list_nth(query.rtable, variable - 1).cast::<pg_sys::RangeTblEntry>();
        let is_ledger = entry.rtekind == pg_sys::RTEKind::RTE_RELATION
            && entry.relid == ledger
            && entry.inh
            && entry.tablesample.is_null();
        is_ledger.then_some(variable)
    }
}

/// # Safety
/// A list of pointers, or null, that stays as it is.
unsafe fn list<T>(list: *mut pg_sys::List) -> impl Iterator<Item = *mut T> {
    // SAFETY: as the caller promises.
    let length = if list.is_null() {
        0
    } else {
        unsafe { (*list).length }
    };
    // SAFETY: below the list's length.
    (0..length as usize)
        .map(move |position| unsafe { (*(*list).elements.add(position)).ptr_value.cast() })
}
