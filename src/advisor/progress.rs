//! How long a search may take, and telling how far it is.

use pgrx::prelude::*;
use std::time::{Duration, Instant};

/// Time between two messages.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Progress {
    started: Instant,
    told: Instant,
    limit: Option<Duration>,
    /// Plans made.
    pub plans: u64,
}

impl Progress {
    pub fn new(limit: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            told: now,
            limit,
            plans: 0,
        }
    }

    pub fn is_over(&self) -> bool {
        self.limit
            .is_some_and(|limit| self.started.elapsed() >= limit)
    }

    /// Lets the statement be cancelled, and says what it does now and then.
    pub fn tick(&mut self, doing: &str) {
        pgrx::check_for_interrupts!();
        if self.told.elapsed() < PAUSE {
            return;
        }
        self.told = Instant::now();
        let of = self
            .limit
            .map(|limit| format!(" of {}", limit.as_secs()))
            .unwrap_or_default();
        ereport!(
            PgLogLevel::NOTICE,
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!(
                "{doing}: {}{of} seconds, {} plans",
                self.started.elapsed().as_secs(),
                self.plans
            )
        );
    }
}
