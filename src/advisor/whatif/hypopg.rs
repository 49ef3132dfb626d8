//! Hypothetical indexes of the extension hypopg.
//!
//! hypopg shows all of a session's hypothetical indexes to the planner, those that the caller made
//! among them, and guesses their sizes. So each is made once, kept as the planner sees it (see
//! `templates`) and taken from hypopg again; which of them a plan sees, and how large they are, is
//! decided for each plan (see `planning`).

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::panic::AssertUnwindSafe;

use super::planning;
use super::templates::Templates;
use super::{Hypothetical, PlanCost, Scenario, WhatIf};
use crate::advisor::analysis::shape::QueryShape;
use crate::advisor::index::IndexDefinition;
use crate::advisor::size::SizeEstimate;
use crate::advisor::statement::{Source, Statement};
use crate::advisor::subtransaction::{Refusal, rolled_back, rolled_back_with};
use crate::error::Failure;
use crate::security;
use crate::sql::qualified;

pub struct HypoPg {
    /// Call of hypopg_create_index() with its statement as $1.
    create: String,
    /// hypopg_drop_index(), looked up in time, so that removing needs no catalog.
    remove: pg_sys::FmgrInfo,
    /// Indexes that hypopg still has.
    made: Vec<u32>,
    templates: Templates,
    /// Numbers given so far.
    numbers: u32,
}

impl HypoPg {
    /// Gives `work` hypothetical indexes, and removes every one that it made, on errors too.
    pub fn with<R>(work: impl FnOnce(&mut Self) -> R) -> Result<R, Failure> {
        let mut session = Self::start()?;
        let session = &raw mut session;
        // SAFETY: both closures run one after the other on this thread, within the life of the
        // variable they point to.
        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| work(unsafe { &mut *session })))
            .finally(|| unsafe {
                (*session).remove_all();
                (*session).templates.clear();
            })
            .execute();
        planning::forget_explain();
        Ok(outcome)
    }

    fn start() -> Result<Self, Failure> {
        let (schema, remove) = security::with_safe_path(|| {
            Spi::connect(|client| {
                client
                    .select(
                        "SELECT n.nspname::text, p.oid \
                     FROM pg_catalog.pg_extension e \
                     JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
                     LEFT JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid \
                        AND p.proname = 'hypopg_drop_index' \
                        AND p.proargtypes = '26'::pg_catalog.oidvector \
                     WHERE e.extname = 'hypopg'",
                        Some(1),
                        &[],
                    )?
                    .first()
                    .get_two::<String, pg_sys::Oid>()
            })
        })
        .or_else(|error| match error {
            pgrx::spi::Error::InvalidPosition => Ok((None, None)),
            other => Err(other),
        })?;
        let (Some(schema), Some(remove)) = (schema, remove) else {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "index advice needs the extension \"hypopg\", which is not installed in this database",
            )
            .hint(
                "Run CREATE EXTENSION hypopg (Debian and Ubuntu: package postgresql-15-hypopg).",
            ));
        };
        let mut session = Self {
            create: format!(
                "SELECT indexrelid FROM {}($1)",
                qualified(&schema, "hypopg_create_index")
            ),
            remove: pg_sys::FmgrInfo::default(),
            made: Vec::new(),
            templates: Templates::new(),
            numbers: 0,
        };
        // SAFETY: the function exists; its call information lives as long as the transaction.
        unsafe {
            pg_sys::fmgr_info_cxt(remove, &mut session.remove, pg_sys::TopTransactionContext);
        }
        Ok(session)
    }

    /// Keeps the index that hypopg calls `oid` for plans to come; under a number, which no real
    /// index has as its OID.
    fn take(&mut self, definition: &IndexDefinition, oid: u32) -> Result<u32, Refusal> {
        self.numbers += 1;
        let number = u32::MAX - self.numbers;
        let statement = plain(format!("SELECT FROM {}", definition.relation.qualified()));
        rolled_back_with(
            || planning::take(&statement, &mut self.templates, number, oid),
            planning::forget_explain,
        )??;
        if self.templates.has(number) {
            Ok(number)
        } else {
            Err(internal("hypopg did not show its index to the planner"))
        }
    }

    fn remove_all(&mut self) {
        for oid in self.made.drain(..) {
            // SAFETY: the function takes an OID; it takes an entry off a list of the session,
            // and returns false for one that is not there.
            unsafe {
                pg_sys::FunctionCall1Coll(
                    &mut self.remove,
                    pg_sys::InvalidOid,
                    pg_sys::Datum::from(oid),
                );
            }
        }
    }
}

impl WhatIf for HypoPg {
    fn create(
        &mut self,
        definition: &IndexDefinition,
        size: SizeEstimate,
    ) -> Result<Hypothetical, Refusal> {
        let ddl = definition.nameless_ddl();
        let make = || {
            security::with_safe_path(|| {
                Spi::connect(|client| {
                    client
                        .select(&self.create, Some(1), &[ddl.as_str().into()])?
                        .first()
                        .get_one::<pg_sys::Oid>()
                })
            })
        };
        let oid = match rolled_back(make)? {
            Ok(Some(oid)) => oid.to_u32(),
            Ok(None) => return Err(internal("hypopg_create_index() returned no index")),
            Err(error) => return Err(internal(&error.to_string())),
        };
        self.made.push(oid);
        let taken = self.take(definition, oid);
        self.remove_all();
        Ok(Hypothetical { oid: taken?, size })
    }

    fn cost(&mut self, statement: &Statement, scenario: Scenario) -> Result<PlanCost, Refusal> {
        security::on_behalf_of(statement.role.map(pg_sys::Oid::from), || {
            rolled_back_with(
                || planning::cost(statement, &self.templates, scenario),
                planning::forget_explain,
            )
        })?
    }

    fn rows(&mut self, query: &str) -> Result<f64, Refusal> {
        let statement = plain(query.to_owned());
        let plan = security::with_safe_path(|| self.cost(&statement, Scenario::default()))?;
        Ok(plan.rows)
    }
}

/// A query without parameters that is no part of a workload.
fn plain(text: String) -> Statement {
    Statement {
        number: 0,
        text,
        calls: 1.0,
        total_time_ms: None,
        weight: 0.0,
        parameters: Vec::new(),
        typical: Vec::new(),
        source: Source::Argument,
        role: None,
        shape: QueryShape::default(),
    }
}

fn internal(message: &str) -> Refusal {
    Refusal {
        code: PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        message: message.into(),
        detail: None,
        hint: None,
    }
}
