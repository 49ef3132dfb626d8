//! What this transaction has said already: the same once more would change nothing, as all of it
//! takes effect at commit.
//!
//! A savepoint may undo what was said after it. So what was said is known for one subtransaction
//! only, and forgotten in another one.

use std::collections::{HashMap, HashSet};

/// Longer rows, and more of them, are not remembered.
const SIZE_LIMIT: usize = 1024;
const ROWS_LIMIT: usize = 2048;

/// A transaction and a subtransaction of it.
pub type Scope = (u64, u32);

#[derive(Default)]
pub struct Recent {
    scope: Scope,
    /// The first row that was said in this scope; empty if none was. Most transactions say no other.
    first: Vec<u8>,
    /// The others.
    rows: HashSet<Vec<u8>>,
    /// Rows that each trigger has written.
    written: HashMap<u32, usize>,
}

impl Recent {
    /// Says whether this row was said before in this scope, and remembers it.
    pub fn is_repeated(&mut self, scope: Scope, row: &[u8]) -> bool {
        self.enter(scope);
        if row.len() > SIZE_LIMIT {
            return false;
        }
        if self.first.is_empty() {
            self.first.extend_from_slice(row);
            return false;
        }
        if self.first == row || self.rows.contains(row) {
            return true;
        }
        if self.rows.len() + 1 < ROWS_LIMIT {
            self.rows.insert(row.to_vec());
        }
        false
    }

    /// How many rows a trigger that is fired for each row has written, this one included.
    pub fn count(&mut self, scope: Scope, trigger: u32) -> usize {
        self.enter(scope);
        let written = self.written.entry(trigger).or_default();
        *written += 1;
        *written
    }

    fn enter(&mut self, scope: Scope) {
        if self.scope != scope {
            self.scope = scope;
            self.first.clear();
            // Clearing a table costs even where nothing is in it.
            if !self.rows.is_empty() {
                self.rows.clear();
            }
            if !self.written.is_empty() {
                self.written.clear();
            }
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_same_is_known_in_the_same_subtransaction_only() {
        let mut recent = Recent::default();
        assert!(!recent.is_repeated((7, 1), b"a"));
        assert!(recent.is_repeated((7, 1), b"a"));
        assert!(!recent.is_repeated((7, 1), b"b"));
        assert!(!recent.is_repeated((7, 2), b"a"));
        assert!(!recent.is_repeated((7, 1), b"a"));
        assert!(!recent.is_repeated((8, 1), b"a"));
    }

    #[test]
    fn long_rows_and_too_many_are_not_remembered() {
        let mut recent = Recent::default();
        let long = vec![0; SIZE_LIMIT + 1];
        assert!(!recent.is_repeated((1, 1), &long));
        assert!(!recent.is_repeated((1, 1), &long));
        for number in 0..ROWS_LIMIT + 1 {
            assert!(!recent.is_repeated((1, 1), &number.to_ne_bytes()));
        }
        assert!(!recent.is_repeated((1, 1), &ROWS_LIMIT.to_ne_bytes()));
        assert!(recent.is_repeated((1, 1), &0_usize.to_ne_bytes()));
    }

    #[test]
    fn rows_of_a_trigger_are_counted_in_a_subtransaction() {
        let mut recent = Recent::default();
        assert_eq!(recent.count((1, 1), 5), 1);
        assert_eq!(recent.count((1, 1), 5), 2);
        assert_eq!(recent.count((1, 1), 6), 1);
        assert_eq!(recent.count((1, 2), 5), 1);
    }
}
