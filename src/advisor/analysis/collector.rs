//! Looks over the planner's shoulder: when it has prepared a table (conditions pushed down to it,
//! views and sub-queries pulled up, constants folded, equalities derived), what an index could
//! answer is noted.

use pgrx::pg_sys;
use pgrx::pg_sys::NodeTag;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};

use super::conditions::Subject;
use super::nodes::{elements, is, parameter, string};
use super::scope::{Scope, Standing};
use super::shape::{Condition, SortKey, TableUse, Test};
use crate::versions;

thread_local! {
    static FOUND: RefCell<Vec<TableUse>> = const { RefCell::new(Vec::new()) };
    static SCOPE: Cell<*const Scope> = const { Cell::new(std::ptr::null()) };
    /// Planning can run functions, and they can plan.
    static BUSY: Cell<bool> = const { Cell::new(false) };
    static PREVIOUS: Cell<pg_sys::set_rel_pathlist_hook_type> = const { Cell::new(None) };
}

/// The planner's hook is ours while this lives. What other extensions note of analysed statements
/// is off meanwhile: nothing here is a statement of the user.
pub struct Watch<'a> {
    analysed: pg_sys::post_parse_analyze_hook_type,
    _scope: &'a Scope,
}

impl<'a> Watch<'a> {
    pub fn new(scope: &'a Scope) -> Self {
        FOUND.with_borrow_mut(Vec::clear);
        SCOPE.set(scope);
        BUSY.set(false);
        // SAFETY: hooks are plain variables of this single-threaded process; `drop` puts back what
        // was there, however the work ends.
        unsafe {
            let analysed = pg_sys::post_parse_analyze_hook;
            pg_sys::post_parse_analyze_hook = None;
            PREVIOUS.set(pg_sys::set_rel_pathlist_hook);
            pg_sys::set_rel_pathlist_hook = Some(on_table);
            Self {
                analysed,
                _scope: scope,
            }
        }
    }

    /// What was noted since the last call.
    pub fn take(&self) -> Vec<TableUse> {
        FOUND.with_borrow_mut(std::mem::take)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        // SAFETY: as in `new`.
        unsafe {
            pg_sys::post_parse_analyze_hook = self.analysed;
            pg_sys::set_rel_pathlist_hook = PREVIOUS.take();
        }
        SCOPE.set(std::ptr::null());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn on_table(
    root: *mut pg_sys::PlannerInfo,
    table: *mut pg_sys::RelOptInfo,
    entry: pg_sys::Index,
    range_entry: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: the planner's own structures, while it waits; the scope lives as long as the hook.
    unsafe {
        if let Some(previous) = PREVIOUS.get() {
            previous(root, table, entry, range_entry);
        }
        let Some(scope) = SCOPE.get().as_ref() else {
            return;
        };
        if BUSY.replace(true) {
            return;
        }
        let relation = (*range_entry).relid;
        if (*range_entry).rtekind == pg_sys::RTEKind::RTE_RELATION
            && scope.standing(relation) == Standing::Eligible
            && !pg_sys::is_dummy_rel(table)
            && !is_partition(root, entry)
        {
            let subject = Subject {
                root,
                table,
                relation,
                entry,
                scope,
            };
            let found = table_use(&subject);
            FOUND.with_borrow_mut(|all| all.push(found));
        }
        BUSY.set(false);
    }
}

/// Its indexes come with those of the partitioned table.
unsafe fn is_partition(root: *mut pg_sys::PlannerInfo, entry: pg_sys::Index) -> bool {
    // SAFETY: arrays of the planner, as long as its range table.
    unsafe {
        if (*root).append_rel_array.is_null() {
            return false;
        }
        let member = *(*root).append_rel_array.add(entry as usize);
        if member.is_null() {
            return false;
        }
        let parent = *(*root)
            .simple_rte_array
            .add((*member).parent_relid as usize);
        (*parent).rtekind == pg_sys::RTEKind::RTE_RELATION
            && (*parent).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE
    }
}

unsafe fn table_use(subject: &Subject) -> TableUse {
    // SAFETY: the planner's own structures, while it waits.
    unsafe {
        let table = &*subject.table;
        let mut found = TableUse {
            relation: subject.relation.to_u32(),
            rows: table.rows,
            ..TableUse::default()
        };
        for clause in elements(table.baserestrictinfo).chain(elements(table.joininfo)) {
            subject.conditions(clause, &mut found);
        }
        equal_to_others(subject, &mut found.conditions);
        columns(subject, &mut found);
        order(subject, &mut found);
        found
    }
}

/// Equalities with columns of other tables, which the planner keeps as classes.
unsafe fn equal_to_others(subject: &Subject, conditions: &mut Vec<Condition>) {
    // SAFETY: the planner's own structures, while it waits.
    unsafe {
        let rows = (*subject.table).tuples.max(1.0);
        for class in elements::<pg_sys::EquivalenceClass>((*subject.root).eq_classes) {
            let class = &*class;
            if class.ec_has_const || class.ec_has_volatile || !class.ec_merged.is_null() {
                continue;
            }
            let mut own = None;
            let mut other = None;
            for member in members(class, subject.entry) {
                if pg_sys::bms_equal((*member).em_relids, (*subject.table).relids) {
                    own = own.or(Some(member));
                } else if !(*member).em_is_child
                    && !versions::is_empty((*member).em_relids)
                    && !pg_sys::bms_is_member(subject.entry as i32, (*member).em_relids)
                {
                    other = other.or(Some(member));
                }
            }
            let (Some(own), Some(other)) = (own, other) else {
                continue;
            };
            let expression = (*own).em_expr.cast::<pg_sys::Node>();
            let Some(key) = subject.key(expression, class.ec_collation) else {
                continue;
            };
            let distinct = pg_sys::estimate_num_groups(
                subject.root,
                pg_sys::list_make1_impl(
                    NodeTag::T_List,
                    pg_sys::ListCell {
                        ptr_value: expression.cast(),
                    },
                ),
                rows,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            );
            conditions.push(Condition {
                key: Some(key),
                test: Test::Equal,
                value: subject.value((*other).em_expr.cast()),
                selectivity: (1.0 / distinct.max(1.0)).min(1.0),
                predicate: None,
            });
        }
    }
}

/// Its members, with those that are there for a child of a table.
unsafe fn members(
    class: &pg_sys::EquivalenceClass,
    entry: pg_sys::Index,
) -> impl Iterator<Item = *mut pg_sys::EquivalenceMember> {
    // SAFETY: lists of the planner, which waits.
    unsafe { elements(class.ec_members).chain(elements(versions::members_of_child(class, entry))) }
}

/// Columns that a scan must give, which decide whether an index alone can.
unsafe fn columns(subject: &Subject, found: &mut TableUse) {
    // SAFETY: the planner's own structures, while it waits.
    unsafe {
        let table = &*subject.table;
        let mut used = std::ptr::null_mut();
        let target = (*table.reltarget).exprs;
        pg_sys::pull_varattnos(target.cast(), subject.entry, &mut used);
        for info in elements::<pg_sys::RestrictInfo>(table.baserestrictinfo) {
            pg_sys::pull_varattnos((*info).clause.cast(), subject.entry, &mut used);
        }
        let mut bit = -1;
        loop {
            bit = pg_sys::bms_next_member(used, bit);
            if bit < 0 {
                break;
            }
            let attribute = bit + pg_sys::FirstLowInvalidHeapAttributeNumber;
            if attribute <= 0 {
                found.whole_row = true;
            } else if let Some(name) = string(pg_sys::get_attname(
                subject.relation,
                attribute as i16,
                true,
            )) {
                found.columns.insert(name);
            }
        }
    }
}

unsafe fn order(subject: &Subject, found: &mut TableUse) {
    // SAFETY: the planner's own structures, while it waits.
    unsafe {
        let root = &*subject.root;
        let query = &*root.parse;
        let (groups, _) = keys_of(subject, root.group_pathkeys);
        let (distinct, _) = keys_of(subject, root.distinct_pathkeys);
        found.groups = if groups.is_empty() { distinct } else { groups }
            .into_iter()
            .map(|sort| sort.key)
            .collect();
        let (order, whole) = keys_of(subject, root.query_pathkeys);
        found.order_is_whole = whole && !order.is_empty();
        found.order = order;
        let aggregated = query.hasAggs
            || query.hasWindowFuncs
            || query.hasDistinctOn
            || !query.groupClause.is_null()
            || !query.distinctClause.is_null();
        let is_null = |node: *mut pg_sys::Node| {
            is(node, NodeTag::T_Const) && (*node.cast::<pg_sys::Const>()).constisnull
        };
        found.limited = !aggregated && !query.limitCount.is_null() && !is_null(query.limitCount);
        found.limit_parameter = parameter(query.limitCount);
        found.offset_parameter = parameter(query.limitOffset);
    }
}

/// The first keys of an order that are this table's, and whether they are all.
unsafe fn keys_of(subject: &Subject, path_keys: *const pg_sys::List) -> (Vec<SortKey>, bool) {
    // SAFETY: the planner's own structures, while it waits.
    unsafe {
        let mut keys = Vec::new();
        for path_key in elements::<pg_sys::PathKey>(path_keys) {
            let class = &*(*path_key).pk_eclass;
            let own = members(class, subject.entry)
                .find(|member| pg_sys::bms_equal((**member).em_relids, (*subject.table).relids))
                .and_then(|member| subject.key((*member).em_expr.cast(), class.ec_collation));
            let Some(key) = own else {
                return (keys, false);
            };
            keys.push(SortKey {
                key,
                descending: versions::is_descending(&*path_key),
                nulls_first: (*path_key).pk_nulls_first,
            });
        }
        (keys, true)
    }
}
