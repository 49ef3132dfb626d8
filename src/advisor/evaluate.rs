//! `evaluate_indexes()`: what if these were built.

use pgrx::prelude::*;
use std::collections::BTreeMap;

use super::analysis::scope::Scope;
use super::definition;
use super::facts;
use super::index::IndexDefinition;
use super::progress::Progress;
use super::sample::Samples;
use super::sizing;
use super::whatif::{HypoPg, Hypothetical, Scenario, WhatIf};
use super::workload;
use super::world;
use crate::error::{Failure, OrRaise, required};
use crate::security;
use crate::whole_errors::whole;

struct Row {
    statement: i32,
    query: String,
    weight: f64,
    cost_before: f64,
    cost_after: f64,
    saving_percent: f64,
    new_indexes: Vec<String>,
    existing_indexes: Vec<String>,
}

// pgrx reads the columns off the signature, so that no alias can stand for them.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn evaluate_indexes(
    ddl: Option<Vec<Option<String>>>,
    workload: Option<Vec<Option<String>>>,
) -> TableIterator<
    'static,
    (
        name!(statement, i32),
        name!(query, String),
        name!(weight, f64),
        name!(cost_before, f64),
        name!(cost_after, f64),
        name!(saving_percent, f64),
        name!(new_indexes, Vec<String>),
        name!(existing_indexes, Vec<String>),
    ),
> {
    whole(|| {
        let rows = required(ddl, "ddl")
            .and_then(|ddl| HypoPg::with(|whatif| evaluate(whatif, &ddl, workload))?)
            .or_raise();
        TableIterator::new(rows.into_iter().map(|row| {
            (
                row.statement,
                row.query,
                row.weight,
                row.cost_before,
                row.cost_after,
                row.saving_percent,
                row.new_indexes,
                row.existing_indexes,
            )
        }))
    })
}

fn evaluate(
    whatif: &mut HypoPg,
    ddl: &[Option<String>],
    workload: Option<Vec<Option<String>>>,
) -> Result<Vec<Row>, Failure> {
    let indexes = create_all(whatif, ddl)?;
    let there: Vec<Hypothetical> = indexes.iter().map(|(index, _)| *index).collect();
    let names: BTreeMap<u32, &String> = indexes
        .iter()
        .map(|(index, name)| (index.oid, name))
        .collect();
    let mut progress = Progress::new(None);
    let mut rows = Vec::new();
    for statement in workload::gather(workload, None, &mut progress)?.statements {
        progress.tick();
        progress.plans += 2;
        let scenario = Scenario {
            there: &there,
            gone: &[],
        };
        let Ok(before) = whatif.cost(&statement, Scenario::default()) else {
            continue;
        };
        let Ok(after) = whatif.cost(&statement, scenario) else {
            continue;
        };
        let mut row = Row {
            statement: i32::try_from(statement.number).unwrap_or(i32::MAX),
            query: statement.text,
            weight: statement.weight,
            cost_before: before.cost,
            cost_after: after.cost,
            saving_percent: if before.cost > 0.0 {
                100.0 * (1.0 - after.cost / before.cost)
            } else {
                0.0
            },
            new_indexes: Vec::new(),
            existing_indexes: Vec::new(),
        };
        for oid in after.used {
            match names.get(&oid) {
                Some(name) => row.new_indexes.push((*name).clone()),
                None => row.existing_indexes.push(relation_name(oid)),
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Every element as a hypothetical index with its name, or its DDL where it gives none.
fn create_all(
    whatif: &mut HypoPg,
    ddl: &[Option<String>],
) -> Result<Vec<(Hypothetical, String)>, Failure> {
    let scope = Scope::load(None)?;
    let mut samples = Samples::default();
    let mut indexes = Vec::with_capacity(ddl.len());
    for (number, ddl) in (1..).zip(ddl) {
        let of_element = |failure: Failure| failure.about(format!("element {number} of ddl"));
        let ddl = required(ddl.as_deref(), "ddl").map_err(of_element)?;
        let (definition, name) = definition::parse(ddl).map_err(of_element)?;
        let index = create(whatif, &definition, &scope, &mut samples).map_err(of_element)?;
        let name = name.unwrap_or_else(|| ddl.trim().to_owned());
        ereport!(
            PgLogLevel::DEBUG1,
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!("size of {name}: {} bytes", index.size.bytes())
        );
        indexes.push((index, name));
    }
    Ok(indexes)
}

fn create(
    whatif: &mut HypoPg,
    definition: &IndexDefinition,
    scope: &Scope,
    samples: &mut Samples,
) -> Result<Hypothetical, Failure> {
    let table = security::with_safe_path(|| facts::load(definition.relation.oid, scope))?;
    // As whoever would build it.
    let keeper = security::keeper_of(definition.relation.oid.into());
    security::on_behalf_of(keeper, || {
        let planned = world::share(whatif, definition)?;
        let seen = samples.seen(definition, &table);
        let share = sizing::share(planned, seen.as_ref());
        let size = sizing::estimate(definition, &table, share, seen.as_ref());
        Ok(whatif.create(definition, size)?)
    })
}

fn relation_name(oid: u32) -> String {
    // SAFETY: a catalog look-up by value; what is gone has no name.
    unsafe { super::analysis::nodes::string(pg_sys::get_rel_name(oid.into())) }.unwrap_or_default()
}
