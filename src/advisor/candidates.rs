//! Which indexes could help a statement. The planner decides later whether they do.

use super::index::IndexDefinition;

/// What a caller allows.
#[derive(Debug, Clone)]
pub struct Options {
    /// Keys of one index at most.
    pub max_columns: usize,
    /// Candidates that rest on constants or observed values of conditions: partial indexes.
    pub partial: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub definition: IndexDefinition,
    /// What-if planning knows this access method. Otherwise it is advised by rule.
    pub costable: bool,
    pub reason: Reason,
}

/// Why an index could help, in the words of advice.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    pub text: String,
    /// Names of extensions to install before.
    pub needs: Option<String>,
    /// Share of the table's rows that the conditions it answers leave; for advice by rule.
    pub selectivity: f64,
}
