use std::sync::atomic::{AtomicU64, Ordering};

/// Few enough that readers meet each other's entries, and writers each other's rows.
pub const COUNTERS: usize = 16;

/// What became of every counter, as its writers were told.
pub struct History {
    attempted: Vec<AtomicU64>,
    committed: Vec<AtomicU64>,
    delivered: Vec<AtomicU64>,
}

impl History {
    pub fn new(counters: usize) -> Self {
        let zeros = || (0..counters).map(|_| AtomicU64::new(0)).collect();
        Self {
            attempted: zeros(),
            committed: zeros(),
            delivered: zeros(),
        }
    }

    pub fn counters(&self) -> usize {
        self.committed.len()
    }

    /// To be noted before the COMMIT is sent.
    pub fn attempt(&self, counter: usize, value: u64) {
        self.attempted[counter].fetch_max(value, Ordering::SeqCst);
    }

    /// To be noted when the COMMIT has been acknowledged.
    pub fn commit(&self, counter: usize, value: u64) {
        self.committed[counter].fetch_max(value, Ordering::SeqCst);
    }

    /// To be noted when the invalidation is known to have reached Redis.
    pub fn deliver(&self, counter: usize, value: u64) {
        self.delivered[counter].fetch_max(value, Ordering::SeqCst);
    }

    pub fn attempted(&self, counter: usize) -> u64 {
        self.attempted[counter].load(Ordering::SeqCst)
    }

    pub fn committed(&self, counter: usize) -> u64 {
        self.committed[counter].load(Ordering::SeqCst)
    }

    pub fn delivered(&self, counter: usize) -> u64 {
        self.delivered[counter].load(Ordering::SeqCst)
    }
}
