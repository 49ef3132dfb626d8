//! The statements that this backend has prepared lately.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::dependencies::Dependencies;
use super::statement::{Plan, Statement};
use crate::error::Failure;

/// Statements kept per backend.
const KEPT: usize = 128;

pub struct Prepared {
    pub statement: Statement,
    names: u64,
    dependencies: RefCell<Option<Rc<Dependencies>>>,
}

thread_local! {
    /// The one used last is at the end.
    static STATEMENTS: RefCell<Vec<Rc<Prepared>>> = const { RefCell::new(Vec::new()) };
    static NAMES: Cell<u64> = const { Cell::new(0) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

impl Prepared {
    /// Whether its names still mean what they meant when it was prepared.
    pub fn is_current(&self) -> bool {
        self.statement.is_valid() && self.names == NAMES.get()
    }

    /// What the plan depends on; read anew only if it is another plan.
    pub fn dependencies(&self, plan: &Plan) -> Result<Rc<Dependencies>, Failure> {
        let known = self.dependencies.borrow().clone();
        if let Some(known) = known
            && known.are_of(plan)
        {
            return Ok(known);
        }
        let dependencies = Rc::new(Dependencies::of(&self.statement, plan)?);
        *self.dependencies.borrow_mut() = Some(dependencies.clone());
        Ok(dependencies)
    }
}

/// The statement of a query, prepared anew if what its names mean may have changed.
pub fn prepare(query: &str) -> Result<Rc<Prepared>, Failure> {
    watch_names();
    // Nothing was locked yet that would bring news of other backends.
    // SAFETY: a look at shared memory when there is nothing new.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    let known = STATEMENTS.with_borrow_mut(|statements| {
        let position = statements
            .iter()
            .rposition(|known| known.statement.text().to_bytes() == query.as_bytes())?;
        let known = statements.remove(position);
        known.is_current().then(|| {
            statements.push(known.clone());
            known
        })
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let names = NAMES.get();
    let prepared = Rc::new(Prepared {
        statement: Statement::new(query)?,
        names,
        dependencies: RefCell::new(None),
    });
    if prepared.statement.names_a_moment() {
        return Ok(prepared);
    }
    let oldest = STATEMENTS.with_borrow_mut(|statements| {
        statements.push(prepared.clone());
        (statements.len() > KEPT).then(|| statements.remove(0))
    });
    drop(oldest);
    Ok(prepared)
}

/// A new relation or function may take a name over, a constant such as 'a'::regtype was looked up by
/// its name, and a new member of a role may come under another policy. PostgreSQL's plans do not
/// notice.
fn watch_names() {
    if REGISTERED.replace(true) {
        return;
    }
    for cache in [
        pg_sys::SysCacheIdentifier::RELNAMENSP,
        pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP,
        pg_sys::SysCacheIdentifier::TYPENAMENSP,
        pg_sys::SysCacheIdentifier::NAMESPACENAME,
        pg_sys::SysCacheIdentifier::OPERNAMENSP,
        pg_sys::SysCacheIdentifier::COLLNAMEENCNSP,
        pg_sys::SysCacheIdentifier::TSCONFIGNAMENSP,
        pg_sys::SysCacheIdentifier::TSDICTNAMENSP,
        pg_sys::SysCacheIdentifier::AUTHOID,
        pg_sys::SysCacheIdentifier::AUTHMEMMEMROLE,
    ] {
        // SAFETY: the callback is a static function and may run at any time from now on; it
        // neither allocates nor raises errors.
        unsafe {
            pg_sys::CacheRegisterSyscacheCallback(
                cache as i32,
                Some(on_invalidation),
                pg_sys::Datum::from(0),
            );
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn on_invalidation(
    _argument: pg_sys::Datum,
    _cache: i32,
    _hash: pg_sys::uint32,
) {
    NAMES.set(NAMES.get() + 1);
}
