//! What the planner would do if indexes were there, or were not.

mod hypopg;
mod planning;
mod templates;

pub use hypopg::HypoPg;

use super::index::IndexDefinition;
use super::size::SizeEstimate;
use super::statement::Statement;
use super::subtransaction::Refusal;

/// An index that only the planner sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hypothetical {
    /// By which plans name it; no real index has it.
    pub oid: u32,
    pub size: SizeEstimate,
}

/// What plans are made with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scenario<'a> {
    /// The hypothetical indexes that are there; of all others the planner sees none.
    pub there: &'a [Hypothetical],
    /// OIDs of real indexes that are not there.
    pub gone: &'a [u32],
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanCost {
    /// Cost of one execution, over all ways of planning it.
    pub cost: f64,
    /// As parameters, whatever their values; `None` if there are no parameters.
    pub generic: Option<f64>,
    /// With typical values or with the statement's own constants, the mean by weight.
    pub values: Option<f64>,
    /// Rows that it returns or writes, estimated.
    pub rows: f64,
    /// OIDs of the indexes that a plan uses, hypothetical ones and real ones, ascending.
    pub used: Vec<u32>,
}

pub trait WhatIf {
    /// Makes it hypothetically, as large as `size` says.
    fn create(
        &mut self,
        definition: &IndexDefinition,
        size: SizeEstimate,
    ) -> Result<Hypothetical, Refusal>;

    fn cost(&mut self, statement: &Statement, scenario: Scenario) -> Result<PlanCost, Refusal>;

    /// Rows that a query without parameters gives, estimated.
    fn rows(&mut self, query: &str) -> Result<f64, Refusal>;
}
