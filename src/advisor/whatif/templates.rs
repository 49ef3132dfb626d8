//! Hypothetical indexes as the planner sees them, taken from hypopg once each.
//!
//! hypopg makes all indexes of a session anew for each plan, the selectivity of their predicates
//! included. A search has hundreds, and a plan needs few of them: so each is kept in the form that
//! the planner takes, and hypopg forgets it.

use pgrx::pg_sys;
use std::collections::HashMap;
use std::ptr::null_mut;

use super::planning::each;
use crate::advisor::size::SizeEstimate;

/// The index of a number for one relation: the table, or each partition of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    number: u32,
    relation: pg_sys::Oid,
    is_parent: bool,
}

#[derive(Clone, Copy)]
struct Template {
    index: *mut pg_sys::IndexOptInfo,
    /// What its expressions call the relation.
    variable: u32,
}

/// Lives no longer than the transaction.
pub struct Templates {
    context: pg_sys::MemoryContext,
    taken: HashMap<Place, Template>,
}

impl Templates {
    pub fn new() -> Self {
        // SAFETY: the name is a literal; the context ends with the transaction, or before.
        let context = unsafe {
            pg_sys::AllocSetContextCreateInternal(
                pg_sys::TopTransactionContext,
                c"hypothetical indexes".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
                pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        };
        Self {
            context,
            taken: HashMap::new(),
        }
    }

    /// Forgets all of them, with their memory.
    pub fn clear(&mut self) {
        self.taken.clear();
        if !self.context.is_null() {
            // SAFETY: made by `new`, deleted once, and nothing points into it any more.
            unsafe { pg_sys::MemoryContextDelete(self.context) };
            self.context = null_mut();
        }
    }

    pub fn has(&self, number: u32) -> bool {
        self.taken.keys().any(|place| place.number == number)
    }

    /// Runs what adds indexes to a relation so that they outlive the plan.
    pub fn lasting<R>(&self, add: impl FnOnce() -> R) -> R {
        // SAFETY: the context lives as long as `self` is not cleared; the former one is put back.
        // An error in `add` ends the subtransaction, which puts it back, too.
        unsafe {
            let former = pg_sys::MemoryContextSwitchTo(self.context);
            let result = add();
            pg_sys::MemoryContextSwitchTo(former);
            result
        }
    }

    /// Keeps the hypothetical index `oid` of the relation, under a number.
    ///
    /// # Safety
    /// `rel` is a relation that the planner sets up, its indexes added within `lasting`.
    pub unsafe fn take(
        &mut self,
        number: u32,
        oid: u32,
        relation: pg_sys::Oid,
        is_parent: bool,
        rel: *mut pg_sys::RelOptInfo,
    ) {
        let mut found = None;
        // SAFETY: as the caller promises.
        unsafe {
            each((*rel).indexlist, |index| {
                let index: *mut pg_sys::IndexOptInfo = index.cast();
                if (*index).hypothetical && (*index).indexoid.to_u32() == oid {
                    found = Some(index);
                }
            });
            let Some(index) = found else { return };
            self.lasting(|| {
                (*index).indexoid = number.into();
                own(&mut *index);
            });
            let place = Place {
                number,
                relation,
                is_parent,
            };
            let variable = (*rel).relid;
            self.taken.insert(place, Template { index, variable });
        }
    }

    /// Gives the relation the index of this number, as large as `size` says. Nothing happens if it
    /// has none.
    ///
    /// # Safety
    /// `rel` is a relation that the planner sets up.
    pub unsafe fn give(
        &self,
        number: u32,
        size: &SizeEstimate,
        relation: pg_sys::Oid,
        is_parent: bool,
        rel: *mut pg_sys::RelOptInfo,
    ) {
        let place = Place {
            number,
            relation,
            is_parent,
        };
        let Some(template) = self.taken.get(&place) else {
            return;
        };
        // SAFETY: the template is whole. The planner writes to the structure itself and keeps
        // lists of it, which are copied; the arrays it only reads.
        unsafe {
            let index: *mut pg_sys::IndexOptInfo =
                pg_sys::palloc(size_of::<pg_sys::IndexOptInfo>()).cast();
            *index = *template.index;
            (*index).rel = rel;
            (*index).indexprs = named((*index).indexprs, template.variable, (*rel).relid);
            (*index).indpred = named((*index).indpred, template.variable, (*rel).relid);
            (*index).indextlist = named((*index).indextlist, template.variable, (*rel).relid);
            resize(index, size, (*rel).tuples);
            (*rel).indexlist = pg_sys::lcons(index.cast(), (*rel).indexlist);
        }
    }
}

/// Copies what hypopg's own entry has, which goes away.
///
/// # Safety
/// `index` is whole.
unsafe fn own(index: &mut pg_sys::IndexOptInfo) {
    let (all, keys) = (index.ncolumns as usize, index.nkeycolumns as usize);
    // SAFETY: the arrays are as long as the index has columns or keys.
    unsafe {
        index.indexkeys = array(index.indexkeys, all);
        index.canreturn = array(index.canreturn, all);
        index.indexcollations = array(index.indexcollations, keys);
        index.opfamily = array(index.opfamily, keys);
        index.opcintype = array(index.opcintype, keys);
        index.sortopfamily = array(index.sortopfamily, keys);
        index.reverse_sort = array(index.reverse_sort, keys);
        index.nulls_first = array(index.nulls_first, keys);
        index.opclassoptions = null_mut();
        // Predicate and expressions in the form that real indexes have them.
        index.indpred = simple(index.indpred);
        index.indexprs = simple(index.indexprs);
        index.indextlist = pg_sys::copyObjectImpl(index.indextlist.cast()).cast();
    }
}

/// # Safety
/// `from` is null or has so many elements.
unsafe fn array<T: Copy>(from: *mut T, count: usize) -> *mut T {
    if from.is_null() {
        return from;
    }
    // SAFETY: as the caller promises; the copy has the same size.
    unsafe {
        let copy: *mut T = pg_sys::palloc(count * size_of::<T>()).cast();
        std::ptr::copy_nonoverlapping(from, copy, count);
        copy
    }
}

/// # Safety
/// `expressions` is a list of expressions or null.
unsafe fn simple(expressions: *mut pg_sys::List) -> *mut pg_sys::List {
    // SAFETY: as the caller promises.
    unsafe {
        let copy = pg_sys::copyObjectImpl(expressions.cast());
        pg_sys::eval_const_expressions(null_mut(), copy.cast()).cast()
    }
}

/// A copy of expressions that calls the relation by its name in this plan.
///
/// # Safety
/// `expressions` is a list of expressions or null.
unsafe fn named(expressions: *mut pg_sys::List, from: u32, to: u32) -> *mut pg_sys::List {
    if expressions.is_null() {
        return null_mut();
    }
    // SAFETY: as the caller promises.
    unsafe {
        let copy = pg_sys::copyObjectImpl(expressions.cast());
        if from != to {
            pg_sys::ChangeVarNodes(copy.cast(), from as i32, to as i32, 0);
        }
        copy.cast()
    }
}

/// # Safety
/// `index` is one that the planner sets up.
unsafe fn resize(index: *mut pg_sys::IndexOptInfo, size: &SizeEstimate, table_rows: f64) {
    // A partition has its share of the whole.
    let share = if size.table_rows > 0.0 {
        (table_rows / size.table_rows).min(1.0)
    } else {
        1.0
    };
    let pages = (size.pages as f64 * share).ceil().max(1.0);
    // SAFETY: as the caller promises.
    unsafe {
        (*index).pages = pages as u32;
        if let Some(height) = size.height {
            (*index).tree_height = height as i32;
        }
    }
}
