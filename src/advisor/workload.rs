//! The statements to advise for, and what became of each.

use super::statement::Statement;

/// What was made of a workload: the statements that count, and one entry for every statement.
#[derive(Debug, Default)]
pub struct Workload {
    pub statements: Vec<Statement>,
    pub coverage: Vec<Entry>,
}

/// A statement as `workload_coverage()` shows it.
#[derive(Debug)]
pub struct Entry {
    pub number: usize,
    pub query: String,
    pub calls: f64,
    /// Milliseconds, or calls where time was not measured.
    pub weight: f64,
    /// `None`: it is used.
    pub skipped: Option<String>,
}
