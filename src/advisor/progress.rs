//! How long a search may take, and telling how far it is.

use pgrx::prelude::*;
use std::time::{Duration, Instant};

use super::search::Phase;

/// Time between two messages.
const PAUSE: Duration = Duration::from_secs(5);
/// Less than this is not worth a word.
const SHORT: Duration = Duration::from_secs(1);

/// Says that advice takes more time than it was given.
fn prolonged(read: Duration, until: Duration) {
    if read < SHORT {
        return;
    }
    ereport!(
        PgLogLevel::NOTICE,
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        format!(
            "the workload alone took {:.1} s: advice takes up to {:.1} s, more than time_limit",
            read.as_secs_f64(),
            until.as_secs_f64()
        )
    );
}

impl Phase {
    /// Share of the limit after which the phase ends; what is left is for the rows.
    fn end(self) -> f64 {
        match self {
            Self::Reading => 0.4,
            Self::Workload => 0.5,
            Self::Candidates => 0.55,
            Self::Picking => 0.65,
            Self::Published => 0.7,
            Self::Seeded => 0.76,
            Self::Shared => 0.78,
            Self::Moving => 0.9,
            Self::Finishing => 0.95,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Reading => "reading the workload",
            Self::Workload => "planning the workload",
            Self::Candidates => "finding candidates",
            Self::Picking => "asking for the planner's choice",
            Self::Published | Self::Seeded | Self::Shared => "choosing indexes",
            Self::Moving => "improving the choice",
            Self::Finishing => "finishing the choice",
        }
    }
}

#[derive(Debug)]
pub struct Progress {
    started: Instant,
    told: Instant,
    limit: Option<Duration>,
    phase: Phase,
    /// When each phase began.
    begun: Vec<(Phase, Duration)>,
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
            phase: Phase::Reading,
            begun: vec![(Phase::Reading, Duration::ZERO)],
            plans: 0,
        }
    }

    pub fn enter(&mut self, phase: Phase) {
        // What a workload takes to be read beyond its share is added, so that there is a search.
        if matches!(self.phase, Phase::Reading | Phase::Workload)
            && let Some(limit) = self.limit
        {
            let read = self.started.elapsed();
            let longer = read.div_f64(self.phase.end());
            if longer > limit {
                prolonged(read, longer);
                self.limit = Some(longer);
            }
        }
        self.phase = phase;
        self.begun.push((phase, self.started.elapsed()));
    }

    /// Whether the time for this phase is up.
    pub fn is_over(&self) -> bool {
        self.limit
            .is_some_and(|limit| self.started.elapsed() >= limit.mul_f64(self.phase.end()))
    }

    /// How long each phase took until now.
    pub fn phases(&self) -> String {
        let ends = self.begun.iter().skip(1).map(|(_, begin)| *begin);
        self.begun
            .iter()
            .zip(ends.chain([self.started.elapsed()]))
            .map(|((phase, begin), end)| format!("{phase:?} {} ms", (end - *begin).as_millis()))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Lets the statement be cancelled, and says what it does now and then.
    pub fn tick(&mut self) {
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
                "{}: {}{of} seconds, {} plans",
                self.phase.words(),
                self.started.elapsed().as_secs(),
                self.plans
            )
        );
    }
}
