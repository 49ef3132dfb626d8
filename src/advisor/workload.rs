//! The statements to advise for, and what became of each.

mod coverage;
mod ledger;
mod observed;
mod references;
mod statistics;
mod typical;

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::collections::{BTreeMap, HashMap};

use self::observed::Observed;
use super::analysis::scope::{Scope, Standing, relation_name};
use super::analysis::{self, Analysed};
use super::facts::{self, TableFacts};
use super::progress::Progress;
use super::statement::{Source, Statement};
use crate::error::Failure;
use crate::security;

/// Statements of pg_stat_statements that are analysed at most, those with most time first.
const STATEMENTS: usize = 1_000;

/// Statements of pg_stat_statements that took a smaller share of all time are left out.
const SMALLEST_SHARE: f64 = 0.000_01;

/// Number of what no statement asks but the statistics of tables tell of.
pub const COUNTED: usize = 0;

/// What was made of a workload: the statements that count, and one entry for every statement.
#[derive(Debug, Default)]
pub struct Workload {
    pub statements: Vec<Statement>,
    pub coverage: Vec<Entry>,
    /// Every table that a counted statement reads or writes.
    pub tables: BTreeMap<u32, TableFacts>,
}

/// A statement as `workload_coverage()` shows it.
#[derive(Debug)]
pub struct Entry {
    pub number: usize,
    pub query: Option<String>,
    pub calls: f64,
    /// Milliseconds, or calls where time was not measured.
    pub weight: f64,
    /// `None`: it is used.
    pub skipped: Option<String>,
}

/// A statement before it is looked at.
#[derive(Default)]
struct Given {
    text: Option<String>,
    /// As pg_stat_statements numbers it.
    query_id: Option<i64>,
    /// Who ran it, for most of the time; `None`: the caller would.
    role: Option<pg_sys::Oid>,
    calls: f64,
    total_time_ms: Option<f64>,
    /// Rows that one call gives, where that was measured.
    rows_per_call: Option<f64>,
}

/// Reads and analyses the workload: the given statements, or those of pg_stat_statements. With
/// `relations`, statements count that use one of them.
pub fn gather(
    texts: Option<Vec<Option<String>>>,
    relations: Option<&[pg_sys::Oid]>,
    progress: &mut Progress,
) -> Result<Workload, Failure> {
    let scope = check_relations(relations)?;
    let (given, source) = match texts {
        Some(texts) => (given(texts), Source::Argument),
        None => (
            security::with_safe_path(statistics::read)?,
            Source::Statistics,
        ),
    };
    let total: f64 = given.iter().map(Given::weight).sum();
    let mut gathering = Gathering {
        scope,
        source,
        total: if total > 0.0 { total } else { 1.0 },
        observed: security::with_safe_path(observed::read)?,
        seen: HashMap::new(),
        workload: Workload::default(),
    };
    for (place, given) in given.into_iter().enumerate() {
        progress.tick();
        gathering.add(place + 1, given)?;
    }
    if source == Source::Statistics {
        gathering.add_deletions(progress)?;
    }
    Ok(gathering.workload)
}

impl Given {
    fn weight(&self) -> f64 {
        self.total_time_ms.unwrap_or(self.calls)
    }
}

fn given(texts: Vec<Option<String>>) -> Vec<Given> {
    texts
        .into_iter()
        .map(|text| Given {
            text,
            calls: 1.0,
            ..Given::default()
        })
        .collect()
}

/// Which relations advice is for; an error for one that no index can be advised for.
pub fn check_relations(relations: Option<&[pg_sys::Oid]>) -> Result<Scope, Failure> {
    let scope = security::with_safe_path(|| Scope::load(relations))?;
    for relation in relations.unwrap_or_default() {
        check_relation(*relation, &scope)?;
    }
    Ok(scope)
}

fn check_relation(relation: pg_sys::Oid, scope: &Scope) -> Result<(), Failure> {
    // SAFETY: a catalog look-up that gives 0 for what does not exist.
    if unsafe { pg_sys::get_rel_relkind(relation) } == 0 {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("relation with OID {} does not exist", relation.to_u32()),
        )
        .hint("Pass tables that exist."));
    }
    let what = match scope.standing(relation) {
        Standing::Eligible => return Ok(()),
        Standing::System => "a system relation",
        Standing::Own => "storage of inventory_perf",
        Standing::Temporary => "a temporary table",
        Standing::Foreign => "a foreign table",
        Standing::Transparent => "a view",
        Standing::Other => "not a table",
    };
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
        format!(
            "cannot advise indexes for {}: it is {what}",
            relation_name(relation)
        ),
    )
    .hint("Pass tables, partitioned tables or materialized views."))
}

struct Gathering {
    scope: Scope,
    source: Source,
    total: f64,
    observed: Observed,
    /// Where the outcome of a text is, and for whom: the same statement is analysed once.
    seen: HashMap<String, (Option<pg_sys::Oid>, Result<usize, String>)>,
    workload: Workload,
}

impl Gathering {
    fn add(&mut self, number: usize, given: Given) -> Result<(), Failure> {
        let skipped = self.outcome(number, &given)?.err();
        self.workload.coverage.push(Entry {
            number,
            weight: given.weight(),
            calls: given.calls,
            query: given.text,
            skipped,
        });
        Ok(())
    }

    /// Adds the statement to those that count, or says why it does not.
    fn outcome(&mut self, number: usize, given: &Given) -> Result<Result<(), String>, Failure> {
        let Some(text) = &given.text else {
            let reason = match self.source {
                Source::Argument => "null",
                _ => "text not available: it is another role's, or was discarded",
            };
            return Ok(Err(reason.to_owned()));
        };
        let share = given.weight() / self.total;
        if self.source == Source::Statistics {
            if share < SMALLEST_SHARE {
                return Ok(Err("below the share that is considered: 0.001 %".to_owned()));
            }
            if number > STATEMENTS {
                return Ok(Err(format!("beyond the first {STATEMENTS} statements")));
            }
        }
        match self.seen.get(text) {
            Some((_, Ok(place))) => {
                let statement = &mut self.workload.statements[*place];
                statement.calls += given.calls;
                statement.weight += share;
                if let (Some(sum), Some(time)) = (&mut statement.total_time_ms, given.total_time_ms)
                {
                    *sum += time;
                }
                return Ok(Ok(()));
            }
            Some((role, Err(reason))) if *role == given.role => return Ok(Err(reason.clone())),
            _ => {}
        }
        let role = match given.role {
            Some(role) if !security::role_exists(role) => {
                return Ok(Err("run by a role that is gone".to_owned()));
            }
            // With nobody else's rights may code of theirs run, as far as planning runs it.
            Some(role) if !security::acts_for(role) => {
                return Ok(Err(
                    "run by a role whose rights the caller has not".to_owned()
                ));
            }
            role => role,
        };
        let outcome = match self.analyse(text, None, role) {
            Ok(analysed) => {
                let place = self.workload.statements.len();
                let statement = self.statement(number, given, share, role, analysed)?;
                let checks = security::with_safe_path(|| references::checks(&statement.shape))?;
                self.workload.statements.push(statement);
                for check in checks {
                    self.add_check(&check, number, given, share)?;
                }
                Ok(place)
            }
            Err(reason) => Err(reason),
        };
        self.seen.insert(text.clone(), (role, outcome.clone()));
        Ok(outcome.map(|_| ()))
    }

    /// What the statement makes PostgreSQL run for each of its rows.
    fn add_check(
        &mut self,
        (relation, check): &(pg_sys::Oid, String),
        number: usize,
        given: &Given,
        share: f64,
    ) -> Result<(), Failure> {
        // PostgreSQL runs it as the owner of the table that it reads.
        let role = security::keeper_of(*relation);
        let Ok(analysed) = self.analyse(check, None, role) else {
            return Ok(());
        };
        let rows = given.rows_per_call.unwrap_or(1.0).max(1.0);
        let given = Given {
            calls: given.calls * rows,
            ..Given::default()
        };
        let mut statement = self.statement(number, &given, share, role, analysed)?;
        statement.source = Source::ForeignKey;
        self.workload.statements.push(statement);
        Ok(())
    }

    /// What deletions made PostgreSQL ask that no statement of the workload accounts for: those of
    /// statements that are forgotten or left out, and of what cascades.
    fn add_deletions(&mut self, progress: &mut Progress) -> Result<(), Failure> {
        for (relation, rows) in security::with_safe_path(references::deletions)? {
            progress.tick();
            let checks = security::with_safe_path(|| references::checks_of_deletion(relation))?;
            for check in checks {
                let known: f64 = self
                    .workload
                    .statements
                    .iter()
                    .filter(|s| s.source == Source::ForeignKey && s.text == check.1)
                    .map(|s| s.calls)
                    .sum();
                let given = Given {
                    calls: rows - known,
                    ..Given::default()
                };
                if given.calls >= 1.0 {
                    self.add_check(&check, COUNTED, &given, 0.0)?;
                }
            }
        }
        Ok(())
    }

    fn statement(
        &mut self,
        number: usize,
        given: &Given,
        share: f64,
        role: Option<pg_sys::Oid>,
        analysed: Analysed,
    ) -> Result<Statement, Failure> {
        let Analysed {
            text,
            parameters,
            mut shape,
        } = analysed;
        let written = shape.written.as_ref().map(|written| written.relation);
        for relation in shape.uses.iter().map(|used| used.relation).chain(written) {
            self.know(relation)?;
        }
        let mut typical = typical::sets(
            &parameters,
            &shape,
            &self.workload.tables,
            &self.observed,
            given,
        );
        let reads = !shape.uses.is_empty();
        typical.retain(|_| reads);
        let tables = shape.tables();
        typical.retain(|set| {
            match self.analyse(&text, Some(&set.values), role) {
                // Values for which a table need not be read at all are not typical ones.
                Ok(with_values) if with_values.shape.tables() == tables => {
                    analysis::add_uses(&mut shape, with_values.shape.uses, set.observed);
                    true
                }
                _ => false,
            }
        });
        typical::level(&mut typical);
        Ok(Statement {
            number,
            text,
            calls: given.calls,
            total_time_ms: given.total_time_ms,
            weight: share,
            parameters,
            typical,
            source: self.source,
            role: role.map(pg_sys::Oid::to_u32),
            shape,
        })
    }

    fn analyse(
        &self,
        text: &str,
        values: Option<analysis::Values>,
        role: Option<pg_sys::Oid>,
    ) -> Result<Analysed, String> {
        security::on_behalf_of(role, || analysis::analyse(text, values, &self.scope))
    }

    fn know(&mut self, relation: u32) -> Result<(), Failure> {
        let eligible = self.scope.standing(relation.into()) == Standing::Eligible;
        if eligible && !self.workload.tables.contains_key(&relation) {
            let facts = security::with_safe_path(|| facts::load(relation, &self.scope))?;
            self.workload.tables.insert(relation, facts);
        }
        Ok(())
    }
}

/// Where an extension has its objects; `None` if this database does not have it.
fn schema_of_extension(name: &str) -> Result<Option<String>, pgrx::spi::Error> {
    Spi::connect(|client| {
        let rows = client.select(
            "SELECT n.nspname::text FROM pg_catalog.pg_extension e \
             JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
             WHERE e.extname OPERATOR(pg_catalog.=) $1",
            Some(1),
            &[name.into()],
        )?;
        if rows.is_empty() {
            return Ok(None);
        }
        rows.first().get_one()
    })
}
