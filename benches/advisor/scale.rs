//! How much is measured, from the environment.

use crate::report::grouped;
use crate::run::variable;

pub struct Scale {
    /// `INVENTORY_PERF_BENCH_ITEMS`: rows of the inventory that is searched.
    pub items: i64,
    /// `INVENTORY_PERF_BENCH_SEARCHES`: searches timed, and as many others to advise from.
    pub searches: usize,
    /// `INVENTORY_PERF_BENCH_MOVES`: rows of the stock ledger.
    pub moves: i64,
    /// `INVENTORY_PERF_BENCH_WHOLESALE`: the TPC-H-style data, as a share of the benchmark's factor 1.
    pub wholesale: f64,
}

impl Scale {
    pub fn from_environment() -> Self {
        Self {
            items: variable("ITEMS", 1_000_000),
            searches: variable("SEARCHES", 200),
            moves: variable("MOVES", 1_000_000),
            wholesale: variable("WHOLESALE", 0.05),
        }
    }

    pub fn describe(&self) -> String {
        format!(
            "{} searches of {} items; {} stock moves; TPC-H-style factor {}",
            grouped(self.searches as f64),
            grouped(self.items as f64),
            grouped(self.moves as f64),
            self.wholesale,
        )
    }
}

/// The server's settings that are not PostgreSQL's defaults. Vacuum is run by the bench, at the same
/// moments before and after the advice.
pub fn settings() -> Vec<(&'static str, String)> {
    vec![
        ("shared_preload_libraries", "pg_stat_statements".to_string()),
        ("shared_buffers", "2GB".to_string()),
        ("effective_cache_size", "6GB".to_string()),
        ("maintenance_work_mem", "256MB".to_string()),
        ("max_wal_size", "8GB".to_string()),
        ("checkpoint_timeout", "30min".to_string()),
        ("random_page_cost", "1.1".to_string()),
        ("autovacuum", "off".to_string()),
        ("timezone", "UTC".to_string()),
    ]
}
