//! When the next batch of invalidations is looked for.

use std::time::Duration;

/// A batch of so many rows shows that commits come faster than batches.
const BUSY_ROWS: u64 = 8;

/// How long commits gather for the next batch then: a batch costs as much as many rows of it, and
/// the processors are the writers'.
pub const GATHERING: Duration = Duration::from_millis(4);

/// What comes after a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// There is more to deliver.
    AtOnce,
    /// There will be in a moment.
    Gather,
    /// Nothing, until somebody commits.
    Wait,
}

impl Next {
    pub fn after(rows: u64, is_full: bool) -> Self {
        if is_full {
            Self::AtOnce
        } else if rows >= BUSY_ROWS {
            Self::Gather
        } else {
            Self::Wait
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_batch_waits_for_others_only_under_load() {
        assert_eq!(Next::after(0, false), Next::Wait);
        assert_eq!(Next::after(BUSY_ROWS - 1, false), Next::Wait);
        assert_eq!(Next::after(BUSY_ROWS, false), Next::Gather);
        assert_eq!(Next::after(BUSY_ROWS, true), Next::AtOnce);
    }

    /// The latency that is promised at a thousand commits a second is that of batches at once: what
    /// gathers then is less than what makes the next ones gather.
    #[test]
    fn a_thousand_commits_a_second_end_gathering() {
        let gathered = GATHERING.as_millis() as u64;
        assert_eq!(Next::after(gathered, false), Next::Wait);
    }
}
