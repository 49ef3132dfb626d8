//! A batch of the outbox: what it says is invalid, and how large the next one may be.

use std::collections::HashSet;

use super::Delivered;
use super::rows::{self, Row, Texts};
use crate::cache::events;
use crate::cache::names::{PatternKind, RESERVED};
use crate::cache::text_array::TextArray;
use crate::error::Failure;
use crate::settings;

#[derive(Default)]
pub struct Batch {
    pub rows: u64,
    /// The last block that a row came from.
    pub last_block: u32,
    keys: TextArray,
    tags: TextArray,
    pub patterns: HashSet<(PatternKind, String)>,
    pub flush: bool,
    pub events: Vec<events::Row>,
    /// When statements were captured that say more than one row holds.
    in_parts: HashSet<i64>,
}

/// Takes up to `limit` rows out of the outbox, from a block on.
pub fn take(limit: i64, first_block: u32) -> Result<Batch, Failure> {
    let tells = settings::PUBLISH_EVENTS.get() || settings::NOTIFY_EVENTS.get();
    let limit = limit.max(0) as u64;
    let mut batch = Batch::default();
    rows::take(
        limit,
        first_block,
        |_| true,
        |row| {
            batch.last_block = batch.last_block.max(row.block);
            batch.add(row, tells);
        },
    )?;
    if batch.rows >= limit && !batch.in_parts.is_empty() {
        // The other rows of statements that it has some rows of, so that an event is not told before
        // all that it stands for is delivered.
        let in_parts = batch.in_parts.clone();
        rows::take(
            u64::MAX,
            0,
            |row| row.part() != 0 && in_parts.contains(&row.captured()),
            |row| batch.add(row, tells),
        )?;
    }
    Ok(batch)
}

impl Batch {
    fn add(&mut self, row: &Row, tells: bool) {
        self.rows += 1;
        row.for_each(Texts::Keys, |key| {
            self.keys.add(key);
        });
        row.for_each(Texts::Tags, |tag| {
            self.tags.add(tag);
        });
        for (texts, kind) in [
            (Texts::Patterns, PatternKind::Key),
            (Texts::TagPatterns, PatternKind::Tag),
        ] {
            let patterns = row.texts(texts).into_iter().map(|pattern| (kind, pattern));
            self.patterns.extend(patterns);
        }
        self.flush |= row.flush();
        let part = row.part();
        if part > 0 {
            self.in_parts.insert(row.captured());
        }
        // Of several rows of a statement the first tells of all.
        if tells && part <= 1 {
            self.events.push(events::Row {
                captured_at: row
                    .captured_at()
                    .and_then(|at| serde_json::to_value(at).ok())
                    .unwrap_or_default(),
                relation: row.relation(),
                operation: row.operation(),
                keys: row.texts(Texts::Keys),
                tags: row.texts(Texts::Tags),
                is_part: part > 0,
                channels: row.texts(Texts::Channels),
                changes: row.changes(),
            });
        }
    }

    /// How many keys and tags it names.
    pub fn names(&self) -> usize {
        self.keys.len() + self.tags.len()
    }

    pub fn keys(&self) -> Vec<&[u8]> {
        self.keys.iter().collect()
    }

    pub fn tags(&self) -> Vec<&[u8]> {
        self.tags.iter().collect()
    }

    /// Keys of users. One that looks like one of our own is none.
    pub fn entries(&self) -> Vec<&[u8]> {
        self.keys
            .iter()
            .filter(|key| !key.starts_with(RESERVED.as_bytes()))
            .collect()
    }
}

/// How many rows the next batch takes, which is more as long as they say little each, and where it
/// begins: a long backlog is not passed again for every batch of it.
pub struct BatchSize {
    rows: i64,
    full_in_a_row: u32,
    first_block: u32,
}

impl Default for BatchSize {
    fn default() -> Self {
        Self {
            rows: Self::FIRST,
            full_in_a_row: 0,
            first_block: 0,
        }
    }
}

impl BatchSize {
    pub const FIRST: i64 = 1_000;
    const FEWEST: i64 = 10;
    const MOST: i64 = 10_000;
    const NAMES: usize = 50_000;

    pub fn rows(&self) -> i64 {
        self.rows
    }

    pub fn first_block(&self) -> u32 {
        self.first_block
    }

    pub fn learn(&mut self, delivered: &Delivered) {
        self.first_block = delivered.next_block;
        self.full_in_a_row = if delivered.is_full {
            self.full_in_a_row.wrapping_add(1)
        } else {
            0
        };
        if delivered.names > Self::NAMES {
            self.rows = (self.rows / 4).max(Self::FEWEST);
        } else if delivered.is_full && delivered.names < Self::NAMES / 4 {
            self.rows = (self.rows * 2).min(Self::MOST);
        }
    }

    /// Whether it is time to see how long the backlog is: after the first full batch, and now and
    /// then while they go on.
    pub fn looks_behind(&self) -> bool {
        self.full_in_a_row % 64 == 1
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn delivered(names: usize, is_full: bool) -> Delivered {
        Delivered {
            rows: 1,
            names,
            is_full,
            ..Delivered::default()
        }
    }

    #[test]
    fn batches_grow_while_rows_are_small_and_shrink_when_they_are_not() {
        let mut size = BatchSize::default();
        for _ in 0..10 {
            size.learn(&delivered(1_000, true));
        }
        assert_eq!(size.rows(), BatchSize::MOST);
        size.learn(&delivered(10_000_000, true));
        assert_eq!(size.rows(), BatchSize::MOST / 4);
        for _ in 0..10 {
            size.learn(&delivered(10_000_000, true));
        }
        assert_eq!(size.rows(), BatchSize::FEWEST);
    }

    #[test]
    fn the_backlog_is_counted_when_full_batches_begin() {
        let mut size = BatchSize::default();
        assert!(!size.looks_behind());
        size.learn(&delivered(1, true));
        assert!(size.looks_behind());
        size.learn(&delivered(1, true));
        assert!(!size.looks_behind());
        size.learn(&delivered(1, false));
        assert!(!size.looks_behind());
    }
}
