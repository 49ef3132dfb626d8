//! How much is measured, from the environment.

use crate::report::grouped;
use crate::run::variable;

pub struct Scale {
    /// `INVENTORY_PERF_BENCH_MOVES`: rows of the reference ledger.
    pub moves: i64,
    /// A hundred moves to a key, as in the reference ledger of 10,000,000.
    pub keys: i64,
    /// `INVENTORY_PERF_BENCH_GROWTH_MOVES`: rows for each year of history in the growth section.
    pub growth_moves: i64,
    /// `INVENTORY_PERF_BENCH_ROUNDS`: repetitions, alternating, of each long comparison.
    pub rounds: usize,
    /// `INVENTORY_PERF_BENCH_SECONDS`: length of one pgbench round.
    pub seconds: u32,
    /// `INVENTORY_PERF_BENCH_COLUMNS`: the ledger's types of quantity and of moved_at.
    pub quantity_type: String,
    pub moved_at_type: String,
    /// `INVENTORY_PERF_BENCH_SYNCHRONOUS_COMMIT`
    pub synchronous_commit: String,
}

impl Scale {
    pub fn from_environment() -> Self {
        let moves = variable("MOVES", 1_000_000);
        let columns = variable("COLUMNS", "numeric(14,3),timestamptz".to_string());
        let (quantity_type, moved_at_type) = columns
            .rsplit_once(',')
            .expect("INVENTORY_PERF_BENCH_COLUMNS is QUANTITY_TYPE,DAY_TYPE");
        Self {
            moves,
            keys: (moves / 100).max(1_000),
            growth_moves: variable("GROWTH_MOVES", moves / 2),
            rounds: variable("ROUNDS", 3),
            seconds: variable("SECONDS", 5),
            quantity_type: quantity_type.to_string(),
            moved_at_type: moved_at_type.to_string(),
            synchronous_commit: variable("SYNCHRONOUS_COMMIT", "on".to_string()),
        }
    }

    pub fn describe(&self) -> String {
        format!(
            "{} moves over two years, {} keys, quantity {}, moved_at {}; \
             {} rounds, pgbench rounds of {} s",
            grouped(self.moves as f64),
            grouped(self.keys as f64),
            self.quantity_type,
            self.moved_at_type,
            self.rounds,
            self.seconds,
        )
    }

    /// The server's settings that are not PostgreSQL's defaults: a modest server of its own, with
    /// vacuum run by the bench at the same moments for both sides rather than in the middle of one.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("shared_buffers", "4GB".to_string()),
            ("effective_cache_size", "12GB".to_string()),
            ("max_wal_size", "8GB".to_string()),
            ("checkpoint_timeout", "30min".to_string()),
            ("random_page_cost", "1.1".to_string()),
            ("autovacuum", "off".to_string()),
            ("synchronous_commit", self.synchronous_commit.clone()),
            ("timezone", "UTC".to_string()),
        ]
    }
}
