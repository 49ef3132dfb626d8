//! A statement of the workload, as it is costed.

use super::analysis::shape::QueryShape;

/// A statement that counts. Its text is one statement, a query or a command with a query in it.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its place in the workload, as `workload_coverage()` numbers it.
    pub number: usize,
    pub text: String,
    pub calls: f64,
    /// Milliseconds of all calls together, where that was measured.
    pub total_time_ms: Option<f64>,
    /// Its share of the whole workload, counted ones and skipped ones: time where that was
    /// measured, else calls. All together are at most 1.
    pub weight: f64,
    /// Type OIDs of $1, $2 …
    pub parameters: Vec<u32>,
    /// Sets of values to cost it with. Empty: it has no parameters, or nothing typical is known
    /// for one of them.
    pub typical: Vec<TypicalValues>,
    pub source: Source,
    /// OID of the role that ran it, with whose rights it is planned; `None`: the caller's.
    pub role: Option<u32>,
    pub shape: QueryShape,
}

/// One value for each parameter, as text that the parameter's type reads. `None` is NULL.
#[derive(Debug, Clone, PartialEq)]
pub struct TypicalValues {
    pub values: Vec<Option<String>>,
    /// How often the values are like this. The weights of all sets together are 1.
    pub weight: f64,
    /// The values were seen in the workload; otherwise they come from column statistics.
    pub observed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Passed as an argument.
    Argument,
    /// Read from pg_stat_statements.
    Statistics,
    /// The check of a foreign key that the statement of the same number causes.
    ForeignKey,
}

impl Statement {
    pub fn is_parameterised(&self) -> bool {
        !self.parameters.is_empty()
    }
}
