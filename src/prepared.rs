//! Statements that only read, and that a session plans once, as they run again and again.

use pgrx::PgOid;
use pgrx::spi::{OwnedPreparedStatement, Result, SpiClient};
use std::cell::Cell;

/// A statement, and its plan once there is one. Belongs into a thread-local variable.
pub struct Prepared {
    text: &'static str,
    /// Taken out while it runs, so that an error in the middle leaves it unborrowed.
    plan: Cell<Option<OwnedPreparedStatement>>,
}

impl Prepared {
    pub const fn new(text: &'static str) -> Self {
        Self {
            text,
            plan: Cell::new(None),
        }
    }

    /// Runs `work` with the plan.
    pub fn with_plan<'a, R>(
        &self,
        client: &SpiClient<'a>,
        types: &[PgOid],
        work: impl FnOnce(&SpiClient<'a>, &OwnedPreparedStatement) -> Result<R>,
    ) -> Result<R> {
        let plan = match self.plan.take() {
            Some(plan) => plan,
            None => client.prepare(self.text, types)?.keep(),
        };
        let result = work(client, &plan)?;
        self.plan.set(Some(plan));
        Ok(result)
    }
}
