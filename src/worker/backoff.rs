//! Waiting longer after every failure in a row.

use std::time::Duration;

#[derive(Default, Debug)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure: `first`, then twice as long each time, `longest` at most.
    pub fn next(&mut self, first: Duration, longest: Duration) -> Duration {
        let factor = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = (self.failures + 1).min(31);
        first.saturating_mul(factor).min(longest)
    }

    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let mut next = || {
            backoff
                .next(Duration::from_secs(1), Duration::from_secs(30))
                .as_secs()
        };
        let waits: Vec<u64> = (0..7).map(|_| next()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        for _ in 0..100 {
            assert_eq!(next(), 30);
        }
        backoff.reset();
        assert_eq!(
            backoff.next(Duration::from_millis(100), Duration::from_secs(5)),
            Duration::from_millis(100)
        );
    }
}
