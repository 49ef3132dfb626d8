//! What a few blocks of a table tell of an index: which rows it would have, how wide they are as it
//! stores them, and how often its keys repeat together. Statistics know columns one by one.

mod read;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::groups::Group;
use super::layout::Layout;

pub use read::Samples;

/// Width of what is NULL.
const NULL: u16 = u16::MAX;
const TUPLE_HEADER: usize = 8;
/// With the null bitmap.
const TUPLE_HEADER_NULLS: usize = 16;
/// A longer value keeps a header of four bytes, and their alignment.
const LONGEST_SHORT: usize = 127;
/// Groups of more rows are counted by their order of magnitude.
const EXACT: u64 = 40;

/// A column or an expression of every row of a sample.
#[derive(Debug, Default)]
pub struct Values {
    /// Its type lets a B-tree merge equal keys.
    merged: bool,
    /// Values of other types are packed.
    fixed: bool,
    alignment: u8,
    /// Equal for values of equal bytes.
    images: Vec<u64>,
    /// Bytes in an index, of values of varying length with their header.
    widths: Vec<u16>,
}

impl Values {
    pub fn new(layout: &Layout) -> Self {
        Self {
            merged: layout.merged,
            fixed: layout.is_fixed(),
            alignment: layout.alignment,
            ..Self::default()
        }
    }

    /// A value that is not NULL.
    pub fn set(&mut self, row: usize, image: u64, width: usize) {
        if row >= self.images.len() {
            self.images.resize(row + 1, 0);
            self.widths.resize(row + 1, NULL);
        }
        self.images[row] = image;
        self.widths[row] = u16::try_from(width).unwrap_or(NULL - 1);
    }

    /// Whether a value is true, if it is boolean.
    fn holds(&self, row: usize) -> bool {
        self.width(row).is_some() && self.images[row] != 0
    }

    fn width(&self, row: usize) -> Option<usize> {
        let width = *self.widths.get(row)?;
        (width != NULL).then_some(usize::from(width))
    }
}

/// The rows of some blocks.
#[derive(Debug, Default)]
pub struct Sample {
    /// The block of each row, numbered as they came.
    blocks: Vec<u32>,
    /// Every block of the table.
    whole: bool,
    /// Columns and expressions by their SQL; `None` for what must not be worked out here.
    values: BTreeMap<String, Option<Values>>,
}

/// What a sample shows of an index.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Rows looked at, and those of them that the index would have.
    pub looked_at: f64,
    pub rows: f64,
    /// Blocks in which it would have any.
    pub blocks: usize,
    /// Standard error of the share of rows, as blocks differ.
    pub error: f64,
    /// Average bytes of an index tuple.
    pub tuple: f64,
    /// Combinations of keys; and the same, counted anew in each block: rows that lie together often
    /// are alike.
    pub distinct: f64,
    pub apart: f64,
    /// Of each key alone, how many values those rows have.
    pub alone: Vec<f64>,
    /// All the groups of equal keys, where the whole table was read.
    pub groups: Option<Vec<Group>>,
    /// Every key's type lets equal keys be merged.
    pub merged: bool,
}

impl Seen {
    pub fn share(&self) -> f64 {
        self.rows / self.looked_at.max(1.0)
    }
}

impl Sample {
    /// How many values a key has in the rows that satisfy the predicate.
    fn distinct(&self, key: &String, predicate: Option<&String>) -> Option<f64> {
        let key = self.values.get(key)?.as_ref()?;
        let predicate = match predicate {
            Some(predicate) => Some(self.values.get(predicate)?.as_ref()?),
            None => None,
        };
        let images: HashSet<u64> = (0..self.blocks.len())
            .filter(|row| predicate.is_none_or(|predicate| predicate.holds(*row)))
            .map(|row| image(&[key], row))
            .collect();
        Some(images.len() as f64)
    }

    /// What it shows of an index with these keys, that carries these columns, over the rows that
    /// satisfy the predicate. All of them have been read.
    pub fn seen(
        &self,
        keys: &[String],
        include: &[String],
        predicate: Option<&String>,
    ) -> Option<Seen> {
        let values = |names: &[String]| -> Option<Vec<&Values>> {
            names
                .iter()
                .map(|name| self.values.get(name)?.as_ref())
                .collect()
        };
        let keys_alone = values(keys)?;
        let mut stored = keys_alone.clone();
        stored.extend(values(include)?);
        let predicate = match predicate {
            Some(predicate) => Some(self.values.get(predicate)?.as_ref()?),
            None => None,
        };
        let there: Vec<usize> = (0..self.blocks.len())
            .filter(|row| predicate.is_none_or(|predicate| predicate.holds(*row)))
            .collect();
        let bytes: usize = there.iter().map(|row| tuple_bytes(&stored, *row)).sum();
        let mut images: Vec<(u64, u32)> = there
            .iter()
            .map(|row| (image(&keys_alone, *row), self.blocks[*row]))
            .collect();
        images.sort_unstable();
        let groups = self.whole.then(|| groups(&images));
        let rows = images.len();
        images.dedup();
        let apart = images.len();
        images.dedup_by_key(|(image, _)| *image);
        let (blocks, error) = self.error(&there);
        Some(Seen {
            looked_at: self.blocks.len() as f64,
            rows: rows as f64,
            blocks,
            error,
            tuple: bytes as f64 / rows.max(1) as f64,
            distinct: images.len() as f64,
            apart: apart as f64,
            alone: Vec::new(),
            groups,
            merged: keys_alone.iter().all(|key| key.merged),
        })
    }

    /// Blocks with such rows, and the standard error of their share: of a ratio of sums over
    /// clusters (Cochran 1977, chapter 9).
    fn error(&self, there: &[usize]) -> (usize, f64) {
        let count = self
            .blocks
            .iter()
            .max()
            .map_or(0, |last| *last as usize + 1);
        let mut all = vec![0.0_f64; count];
        let mut some = vec![0.0_f64; count];
        for block in &self.blocks {
            all[*block as usize] += 1.0;
        }
        for row in there {
            some[self.blocks[*row] as usize] += 1.0;
        }
        let rows = self.blocks.len().max(1) as f64;
        let share = there.len() as f64 / rows;
        let squares: f64 = all
            .iter()
            .zip(&some)
            .map(|(all, some)| (some - share * all).powi(2))
            .sum();
        let blocks = some.iter().filter(|some| **some > 0.0).count();
        let error = if self.whole {
            0.0
        } else {
            let correction = count as f64 / (count as f64 - 1.0).max(1.0);
            (squares * correction).sqrt() / rows
        };
        (blocks, error)
    }
}

/// One number for the keys of a row.
fn image(keys: &[&Values], row: usize) -> u64 {
    keys.iter().fold(0, |all: u64, key| {
        let own = match key.width(row) {
            Some(_) => key.images[row].wrapping_add(1),
            None => 0,
        };
        // Steps of a multiplicative hash, which tells the order of the keys.
        (all.rotate_left(23) ^ own).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    })
}

/// Bytes of the index tuple of a row.
fn tuple_bytes(stored: &[&Values], row: usize) -> usize {
    let any_null = stored.iter().any(|values| values.width(row).is_none());
    let header = if any_null {
        TUPLE_HEADER_NULLS
    } else {
        TUPLE_HEADER
    };
    stored
        .iter()
        .filter_map(|values| Some((values, values.width(row)?)))
        .fold(header, |bytes, (values, width)| {
            let start = if values.fixed {
                bytes.next_multiple_of(usize::from(values.alignment))
            } else if width > LONGEST_SHORT {
                bytes.next_multiple_of(4)
            } else {
                bytes
            };
            start + width
        })
        .next_multiple_of(8)
}

/// How many groups there are of each size, of images in order.
fn groups(images: &[(u64, u32)]) -> Vec<Group> {
    let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
    for group in images.chunk_by(|(a, _), (b, _)| a == b) {
        *sizes.entry(group.len() as u64).or_default() += 1;
    }
    let mut groups: Vec<(u64, Group)> = Vec::new();
    for (size, count) in sizes {
        let magnitude = if size > EXACT {
            u64::from(size.ilog2()) + EXACT
        } else {
            size
        };
        let rows = (size * count) as f64;
        let count = count as f64;
        match groups.last_mut() {
            Some((same, group)) if *same == magnitude => {
                let all = group.rows * group.count + rows;
                group.count += count;
                group.rows = all / group.count;
            }
            _ => groups.push((
                magnitude,
                Group {
                    count,
                    rows: rows / count,
                    exact: true,
                },
            )),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Names and expressions that an index needs read, each once.
fn wanted(keys: &[String], include: &[String], predicate: Option<&String>) -> BTreeSet<String> {
    keys.iter()
        .chain(include)
        .chain(predicate)
        .cloned()
        .collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    fn four_bytes() -> Values {
        Values {
            merged: true,
            fixed: true,
            alignment: 4,
            ..Values::default()
        }
    }

    fn column(values: impl Iterator<Item = Option<u64>>) -> Option<Values> {
        let mut column = four_bytes();
        for (row, value) in values.enumerate() {
            if let Some(value) = value {
                column.set(row, value, 4);
            }
        }
        Some(column)
    }

    /// Ten rows in each block.
    fn sample(rows: u64, whole: bool) -> Sample {
        Sample {
            blocks: (0..rows).map(|row| (row / 10) as u32).collect(),
            whole,
            values: BTreeMap::from([
                ("pair".into(), column((0..rows).map(|row| Some(row / 2)))),
                ("seven".into(), column((0..rows).map(|row| Some(row % 7)))),
                (
                    "early".into(),
                    column((0..rows).map(|row| Some(u64::from(row < rows / 2)))),
                ),
                (
                    "sparse".into(),
                    column((0..rows).map(|row| (row % 2 == 0).then_some(row))),
                ),
                ("secret".into(), None),
            ]),
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn rows_that_lie_together_are_counted_once() {
        let seen = sample(1000, false)
            .seen(&names(&["pair"]), &[], None)
            .unwrap();
        assert_eq!(
            (seen.rows, seen.distinct, seen.apart),
            (1000.0, 500.0, 500.0)
        );
        let seen = sample(1000, false)
            .seen(&names(&["seven"]), &[], None)
            .unwrap();
        assert_eq!((seen.distinct, seen.apart), (7.0, 700.0));
        assert_eq!(seen.groups, None);
    }

    #[test]
    fn keys_count_together_and_in_their_order() {
        let sample = sample(1000, false);
        let both = |keys: &[&str]| sample.seen(&names(keys), &[], None).unwrap().distinct;
        assert_eq!(both(&["pair", "seven"]), 1000.0);
        assert_eq!(both(&["seven", "early"]), 14.0);
        let swapped = Values {
            images: vec![1, 2],
            widths: vec![4, 4],
            ..four_bytes()
        };
        let other = Values {
            images: vec![2, 1],
            widths: vec![4, 4],
            ..four_bytes()
        };
        assert_ne!(image(&[&swapped, &other], 0), image(&[&swapped, &other], 1));
    }

    #[test]
    fn the_predicate_leaves_rows_and_blocks_say_how_sure_that_is() {
        let sample = sample(1000, false);
        let seen = |predicate: &str| {
            sample
                .seen(&names(&["pair"]), &[], Some(&predicate.into()))
                .unwrap()
        };
        assert_eq!((seen("early").rows, seen("early").blocks), (500.0, 50));
        // All in the first blocks: as if there were a hundred rows, not a thousand.
        assert!((seen("early").error - (0.25_f64 / 100.0).sqrt()).abs() < 0.001);
        assert_eq!(
            sample.seen(&names(&["pair"]), &[], Some(&"secret".into())),
            None
        );
        assert_eq!(sample.seen(&names(&["unread"]), &[], None), None);
    }

    #[test]
    fn tuples_are_laid_out_as_the_server_does() {
        let sample = sample(10, false);
        let tuple = |keys: &[&str]| sample.seen(&names(keys), &[], None).unwrap().tuple;
        assert_eq!(tuple(&["pair"]), 16.0);
        assert_eq!(tuple(&["pair", "seven", "early"]), 24.0);
        // With a null the header is twice as long: 16, or 8 and 4.
        assert_eq!(tuple(&["sparse"]), 16.0);
        assert_eq!(tuple(&["sparse", "seven"]), (16.0 + 24.0) / 2.0);
    }

    #[test]
    fn a_table_that_was_read_whole_has_its_groups() {
        let seen = sample(1000, true)
            .seen(&names(&["pair"]), &[], None)
            .unwrap();
        let pairs = Group {
            count: 500.0,
            rows: 2.0,
            exact: true,
        };
        assert_eq!(seen.groups, Some(vec![pairs]));
        let seen = sample(1000, true)
            .seen(&names(&["seven"]), &[], None)
            .unwrap();
        let groups = seen.groups.unwrap();
        assert_eq!(
            groups
                .iter()
                .map(|group| group.count * group.rows)
                .sum::<f64>(),
            1000.0
        );
        assert_eq!(groups.iter().map(|group| group.count).sum::<f64>(), 7.0);
    }
}
