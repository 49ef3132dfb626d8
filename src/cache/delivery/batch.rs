//! A batch of the outbox: what it says is invalid, and how large the next one may be.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use std::cell::RefCell;
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
    /// What tells of statements that say more than one row holds.
    heads: Vec<Head>,
    /// Whether any row is one of several of its statement.
    pub has_parts: bool,
    /// Rows that went back, as others deliver the rest of their statements.
    pub postponed: u64,
    /// There may be more rows.
    pub is_full: bool,
}

/// The first of several rows of a statement.
struct Head {
    captured: i64,
    captured_at: TimestampWithTimeZone,
    event: events::Row,
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
    let taken = batch.rows;
    if !batch.heads.is_empty() {
        batch.complete(tells)?;
    }
    batch.is_full = taken >= limit && batch.postponed < taken;
    Ok(batch)
}

fn postpone(
    Head {
        captured_at, event, ..
    }: Head,
) -> Result<(), Failure> {
    Spi::connect_mut(|client| {
        client
            .update(
                include_str!("../../../sql/delivery/postpone.sql"),
                None,
                &[
                    captured_at.into(),
                    event.relation.into(),
                    event.operation.into(),
                    event.keys.into(),
                    event.tags.into(),
                    event.channels.into(),
                    event.changes.map(pgrx::JsonB).into(),
                ],
            )
            .map(|_| ())
    })?;
    Ok(())
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
        self.has_parts |= part > 0;
        // Of several rows of a statement the first tells of all.
        if tells && part <= 1 {
            let captured_at = row.captured_at();
            let event = events::Row {
                captured_at: captured_at
                    .and_then(|at| serde_json::to_value(at).ok())
                    .unwrap_or_default(),
                relation: row.relation(),
                operation: row.operation(),
                keys: row.texts(Texts::Keys),
                tags: row.texts(Texts::Tags),
                is_part: part > 0,
                channels: row.texts(Texts::Channels),
                changes: row.changes(),
                flush: row.flush(),
            };
            match captured_at {
                Some(captured_at) if part > 0 => self.heads.push(Head {
                    captured: row.captured(),
                    captured_at,
                    event,
                }),
                _ => self.events.push(event),
            }
        }
    }

    /// Takes the other rows of statements that it has the first row of. What is told of a statement
    /// waits until all of it is delivered: if others have some of its rows, the first goes back.
    fn complete(&mut self, tells: bool) -> Result<(), Failure> {
        let wanted: HashSet<i64> = self.heads.iter().map(|head| head.captured).collect();
        // What others are delivering is there until they commit.
        let left = RefCell::new(Vec::new());
        rows::take(
            u64::MAX,
            0,
            |row| {
                let is_wanted = row.part() != 0 && wanted.contains(&row.captured());
                if is_wanted {
                    left.borrow_mut().push(row.captured());
                }
                is_wanted
            },
            |row| {
                left.borrow_mut().pop();
                self.add(row, tells);
            },
        )?;
        let left = left.into_inner();
        for head in std::mem::take(&mut self.heads) {
            if left.contains(&head.captured) {
                self.postponed += 1;
                postpone(head)?;
            } else {
                self.events.push(head.event);
            }
        }
        Ok(())
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
