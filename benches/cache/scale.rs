//! How much is measured, from the environment.

use crate::report::grouped;
use crate::run::variable;

pub struct Scale {
    /// `INVENTORY_PERF_BENCH_ROUNDS`: repetitions, alternating, of each comparison.
    pub rounds: usize,
    /// `INVENTORY_PERF_BENCH_SECONDS`: length of one pgbench round.
    pub seconds: u32,
    /// `INVENTORY_PERF_BENCH_LATENCIES`: commits whose way to Redis is timed.
    pub latencies: usize,
    /// `INVENTORY_PERF_BENCH_BACKLOG`: rows of the outbox after an outage.
    pub backlog: i64,
    /// `INVENTORY_PERF_BENCH_HITS`: cached answers that are timed.
    pub hits: usize,
    /// `INVENTORY_PERF_BENCH_STALENESS`: answers that are checked.
    pub staleness: u64,
    /// `INVENTORY_PERF_BENCH_LOSS`: failures that are caused.
    pub loss: usize,
}

impl Scale {
    pub fn from_environment() -> Self {
        Self {
            rounds: variable("ROUNDS", 5),
            seconds: variable("SECONDS", 10),
            latencies: variable("LATENCIES", 5_000),
            backlog: variable("BACKLOG", 3_600_000),
            hits: variable("HITS", 20_000),
            staleness: variable("STALENESS", 1_000_000),
            loss: variable("LOSS", 1_000),
        }
    }

    pub fn describe(&self) -> String {
        format!(
            "{} rounds, pgbench rounds of {} s, {} timed commits, a backlog of {} rows, {} timed hits",
            self.rounds,
            self.seconds,
            grouped(self.latencies as f64),
            grouped(self.backlog as f64),
            grouped(self.hits as f64),
        )
    }
}
