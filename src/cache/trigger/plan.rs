//! What a trigger does with a row, prepared once per backend.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::rc::Rc;

use super::values::{self, Format};
use crate::cache::template::{Argument, Part, Target, Template};
use crate::cache::text;
use crate::cache::tree;
use crate::error::Failure;
use crate::invalidation;
use crate::ledger::registry::relation_name;

thread_local! {
    static PLANS: RefCell<HashMap<pg_sys::Oid, Rc<Plan>>> = RefCell::new(HashMap::new());
    /// Triggers whose templates name columns that are not there, and that this was said of.
    static TOLD: RefCell<HashSet<pg_sys::Oid>> = RefCell::new(HashSet::new());
    /// Tables that were said to make more invalid as a statement named too much.
    static TOLD_OF_LIMIT: RefCell<HashSet<pg_sys::Oid>> = RefCell::new(HashSet::new());
}

pub struct Plan {
    epoch: u64,
    /// The table, or the root of the tree that it belongs to.
    pub root: pg_sys::Oid,
    /// Tags that every change of the table makes invalid.
    pub relation_tags: Vec<String>,
    pub templates: Vec<Bound>,
    /// If it is some, rows of an UPDATE count if one of these changed.
    pub when: Option<Vec<Compared>>,
    /// The columns of `Bound::words`.
    pub words: Vec<usize>,
    /// The last column that anything needs.
    pub columns: i32,
    /// Whether texts depend on the session's settings.
    pub depends_on_settings: bool,
    /// Whether rows leave memory behind.
    pub allocates: bool,
}

/// A template, and the columns that it names.
pub struct Bound {
    pub target: Target,
    pub parts: Vec<BoundPart>,
    /// What stands for all that it can become: a pattern, or a channel.
    pub everything: Vec<u8>,
    pub has_columns: bool,
    /// The columns that it names, if all are such that equal datums make equal names.
    pub words: Option<Vec<usize>>,
    /// Whether it names a column that is not there.
    pub is_broken: bool,
}

impl Bound {
    /// What it is in any row, if it names no column.
    pub fn only(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [BoundPart::Text(text)] if !self.has_columns => Some(text),
            _ => None,
        }
    }
}

pub enum BoundPart {
    Text(Vec<u8>),
    Column { index: usize, format: Format },
}

/// A column whose change counts.
pub struct Compared {
    pub index: usize,
    pub by_value: bool,
    pub length: i16,
}

impl Plan {
    pub fn of(trigger: &pg_sys::Trigger, relation: pg_sys::Relation) -> Result<Rc<Plan>, Failure> {
        let cached = PLANS.with_borrow(|plans| plans.get(&trigger.tgoid).cloned());
        if let Some(plan) = cached
            && plan.epoch == invalidation::epoch()
        {
            return Ok(plan);
        }
        // SAFETY: the trigger manager keeps the relation open.
        let oid = unsafe { (*relation).rd_id };
        invalidation::watch(oid);
        // What is invalidated while the plan is made makes it outdated.
        let epoch = invalidation::epoch();
        let ancestors = tree::ancestors(relation)?;
        for ancestor in &ancestors.all {
            invalidation::watch(*ancestor);
        }
        // SAFETY: as above; the trigger's arguments live as long as the relation is open.
        let plan = Rc::new(unsafe { Self::prepare(trigger, relation, &ancestors, epoch) }?);
        PLANS.with_borrow_mut(|plans| plans.insert(trigger.tgoid, plan.clone()));
        Ok(plan)
    }

    unsafe fn prepare(
        trigger: &pg_sys::Trigger,
        relation: pg_sys::Relation,
        ancestors: &tree::Ancestors,
        epoch: u64,
    ) -> Result<Self, Failure> {
        let mut binder = Binder {
            // SAFETY: the caller keeps the relation open.
            columns: unsafe { pgrx::PgTupleDesc::from_pg_unchecked((*relation).rd_att) }
                .iter()
                .enumerate()
                .filter(|(_, column)| !column.attisdropped && !is_virtual(column))
                .map(|(index, column)| (column.name().as_bytes().to_vec(), (index, *column)))
                .collect(),
            last: 0,
            depends_on_settings: false,
            allocates: false,
            missing: None,
        };
        let mut templates = Vec::new();
        let mut when = None;
        let mut all_count = false;
        for position in 0..trigger.tgnargs as usize {
            // SAFETY: a trigger has that many arguments.
            let argument = unsafe { CStr::from_ptr(*trigger.tgargs.add(position)) }.to_bytes();
            if !text::is_shared(argument) {
                return Err(text::foreign(&format!(
                    "an argument of trigger \"{}\"",
                    trigger_name(trigger)
                )));
            }
            match Argument::parse(argument)
                .map_err(|mistake| wrong_argument(&trigger_name(trigger), argument, mistake))?
            {
                Argument::Template(template) => templates.push(binder.bind(template)),
                Argument::When(column) => match binder.find(&column) {
                    Some((index, attribute)) => when.get_or_insert_with(Vec::new).push(Compared {
                        index,
                        by_value: attribute.attbyval,
                        length: attribute.attlen,
                    }),
                    None => all_count = true,
                },
            }
        }
        if all_count {
            when = None;
        }
        // SAFETY: the caller keeps the relation open.
        let oid = unsafe { (*relation).rd_id };
        tell_of_missing(trigger, oid, binder.missing.as_deref());
        Ok(Self {
            epoch,
            root: ancestors.roots.first().copied().unwrap_or(oid),
            relation_tags: ancestors
                .roots
                .iter()
                .map(|root| tree::tag(*root))
                .collect(),
            words: templates
                .iter()
                .flat_map(|template| template.words.iter().flatten().copied())
                .collect::<HashSet<_>>()
                .into_iter()
                .collect(),
            templates,
            when,
            columns: binder.last,
            depends_on_settings: binder.depends_on_settings,
            allocates: binder.allocates,
        })
    }

    pub fn has_columns(&self) -> bool {
        self.templates.iter().any(|template| template.has_columns)
    }
}

struct Binder {
    columns: HashMap<Vec<u8>, (usize, pg_sys::FormData_pg_attribute)>,
    last: i32,
    depends_on_settings: bool,
    allocates: bool,
    missing: Option<String>,
}

impl Binder {
    fn find(&mut self, name: &[u8]) -> Option<(usize, pg_sys::FormData_pg_attribute)> {
        let found = self.columns.get(name).copied();
        match found {
            Some((index, _)) => self.last = self.last.max(index as i32 + 1),
            None => self.missing = Some(String::from_utf8_lossy(name).into_owned()),
        }
        found
    }

    fn bind(&mut self, template: Template) -> Bound {
        let mut is_broken = false;
        let parts = template
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Text(text) => Some(BoundPart::Text(text.clone())),
                Part::Column(name) => {
                    let Some((index, attribute)) = self.find(name) else {
                        is_broken = true;
                        return None;
                    };
                    let format = Format::of(attribute.atttypid);
                    self.allocates |= format.allocates();
                    self.depends_on_settings |= values::depends_on_settings(attribute.atttypid);
                    Some(BoundPart::Column { index, format })
                }
            })
            .collect::<Vec<_>>();
        Bound {
            target: template.target,
            words: words(&parts),
            parts,
            everything: match template.target {
                Target::Key | Target::Tag => template.pattern(),
                Target::Channel => template.starred(),
            },
            has_columns: template.has_columns(),
            is_broken,
        }
    }
}

fn words(parts: &[BoundPart]) -> Option<Vec<usize>> {
    let mut words = Vec::new();
    for part in parts {
        if let BoundPart::Column { index, format } = part {
            if !format.is_word() {
                return None;
            }
            words.push(*index);
        }
    }
    Some(words)
}

pub fn trigger_name(trigger: &pg_sys::Trigger) -> String {
    // SAFETY: a trigger's name lives as long as its relation is open.
    unsafe { CStr::from_ptr(trigger.tgname) }
        .to_string_lossy()
        .into_owned()
}

/// Whether rows do not hold the column's value, as 18 can have it.
fn is_virtual(column: &pg_sys::FormData_pg_attribute) -> bool {
    column.attgenerated as u8 == b'v'
}

fn wrong_argument(trigger: &str, argument: &[u8], mistake: &str) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        format!(
            "argument {} of trigger \"{trigger}\" is not a template: {mistake}",
            crate::sql::quote_literal(&String::from_utf8_lossy(argument))
        ),
    )
    .hint(
        "Write columns in braces, as in 'stock:{product_id}', and {{ or }} for a brace; \
         begin with \"tag:\" for a tag and with \"channel:\" for a channel.",
    )
}

/// No write fails as a column was dropped or renamed: more becomes invalid than would have to.
fn tell_of_missing(trigger: &pg_sys::Trigger, relation: pg_sys::Oid, missing: Option<&str>) {
    let Some(column) = missing else {
        TOLD.with_borrow_mut(|told| told.remove(&trigger.tgoid));
        return;
    };
    if !TOLD.with_borrow_mut(|told| told.insert(trigger.tgoid)) {
        return;
    }
    let table = relation_name(relation);
    Failure::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        format!(
            "trigger \"{}\" of {table} makes more invalid than it has to",
            trigger_name(trigger)
        ),
    )
    .detail(format!(
        "It names column \"{column}\", which the table's rows do not hold; any value is assumed."
    ))
    .hint(format!(
        "Create the trigger anew, or run SELECT inventory_perf.invalidate_on_change({}, …) with \
         the columns that there are.",
        crate::sql::quote_literal(&table)
    ))
    .warn();
}

/// Says in the server's log, once in a session, that a limit makes more invalid than it has to be.
pub fn tell_of_limit(root: pg_sys::Oid, limit: usize) {
    if !TOLD_OF_LIMIT.with_borrow_mut(|told| told.insert(root)) {
        return;
    }
    let table = relation_name(root);
    Failure::new(
        PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        format!("a statement on {table} makes more invalid in the cache than it has to"),
    )
    .detail(format!(
        "It names more than {limit} different keys or tags of one template, or more text than a \
         megabyte, so everything that the template can name becomes invalid."
    ))
    .hint(
        "Change fewer rows in a statement, use tags of fewer different values, or raise \
         inventory_perf.outbox_keys_limit. This is logged once for a session and table.",
    )
    .log();
}
