//! A batch of the outbox: what it says is invalid, and how large the next one may be.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::spi::SpiHeapTupleData;
use std::collections::HashSet;

use super::Delivered;
use crate::cache::events;
use crate::cache::names::{EntryName, PatternKind, RESERVED, StampName};
use crate::error::Failure;
use crate::settings;

#[derive(Default)]
pub struct Batch {
    pub rows: u64,
    /// The last block that a row came from.
    pub last_block: u32,
    keys: HashSet<String>,
    tags: HashSet<String>,
    pub patterns: HashSet<(PatternKind, String)>,
    pub flush: bool,
    pub events: Vec<events::Row>,
    /// When statements were captured that say more than one row holds.
    in_parts: Vec<TimestampWithTimeZone>,
}

/// Takes up to `limit` rows out of the outbox, from a block on.
pub fn take(limit: i64, first_block: u32) -> Result<Batch, Failure> {
    let mut first = pg_sys::ItemPointerData::default();
    pgrx::itemptr::item_pointer_set_all(&mut first, first_block, 0);
    let tells = settings::PUBLISH_EVENTS.get() || settings::NOTIFY_EVENTS.get();
    let batch = Spi::connect_mut(|client| {
        let mut batch = Batch::default();
        let rows = client.update(
            include_str!("../../../sql/delivery/take.sql"),
            None,
            &[limit.into(), first.into()],
        )?;
        let is_full = rows.len() as i64 >= limit;
        for row in rows {
            batch.last_block = batch.last_block.max(block(&row)?);
            batch.add(&row, tells)?;
        }
        if is_full && !batch.in_parts.is_empty() {
            let rows = client.update(
                include_str!("../../../sql/delivery/take_parts.sql"),
                None,
                &[batch.in_parts.clone().into()],
            )?;
            for row in rows {
                batch.add(&row, tells)?;
            }
        }
        Ok::<_, pgrx::spi::Error>(batch)
    })?;
    Ok(batch)
}

fn block(row: &SpiHeapTupleData) -> Result<u32, pgrx::spi::Error> {
    let place = row.get::<pg_sys::ItemPointerData>(11)?.unwrap_or_default();
    // SAFETY: the place of a row, copied out of the result.
    Ok(unsafe { pgrx::itemptr::item_pointer_get_block_number(&place) })
}

impl Batch {
    fn add(&mut self, row: &SpiHeapTupleData, tells: bool) -> Result<(), pgrx::spi::Error> {
        let texts = |column| -> Result<Vec<String>, pgrx::spi::Error> {
            let texts = row.get::<Vec<Option<String>>>(column)?;
            Ok(texts.unwrap_or_default().into_iter().flatten().collect())
        };
        self.rows += 1;
        let (keys, tags) = (texts(4)?, texts(5)?);
        for (column, kind) in [(6, PatternKind::Key), (7, PatternKind::Tag)] {
            let patterns = texts(column)?.into_iter().map(|pattern| (kind, pattern));
            self.patterns.extend(patterns);
        }
        self.flush |= row.get::<bool>(10)?.unwrap_or(false);
        let captured_at = row.get::<TimestampWithTimeZone>(1)?;
        let part = row.get::<i32>(12)?.unwrap_or_default();
        if part > 0 {
            self.in_parts.extend(captured_at);
        }
        // Of several rows of a statement the first tells of all.
        if tells && part <= 1 {
            self.events.push(events::Row {
                captured_at: captured_at
                    .and_then(|at| serde_json::to_value(at).ok())
                    .unwrap_or_default(),
                relation: row.get::<pg_sys::Oid>(2)?,
                operation: row.get::<String>(3)?,
                keys: keys.clone(),
                tags: tags.clone(),
                is_part: part > 0,
                channels: texts(8)?,
                changes: row.get::<pgrx::JsonB>(9)?.map(|changes| changes.0),
            });
        }
        self.keys.extend(keys);
        self.tags.extend(tags);
        Ok(())
    }

    /// How many keys and tags it names.
    pub fn names(&self) -> usize {
        self.keys.len() + self.tags.len()
    }

    pub fn stamps(&self) -> Vec<StampName> {
        let keys = self.keys.iter().cloned().map(StampName::Key);
        keys.chain(self.tags.iter().cloned().map(StampName::Tag))
            .collect()
    }

    /// Values under users' keys. A key that looks like one of our own is none.
    pub fn entries(&self) -> Vec<EntryName> {
        self.keys
            .iter()
            .filter(|key| !key.starts_with(RESERVED))
            .map(|key| EntryName::Key(key.clone()))
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
