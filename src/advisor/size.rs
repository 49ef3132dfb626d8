//! How large an index will be when it has been built.
//!
//! B-trees are laid out as PostgreSQL builds them: tuples and line pointers on leaves that are
//! filled to the fill factor, equal keys merged into posting lists, inner levels, meta page. The
//! other methods are estimated roughly.

use super::groups::Group;
use super::index::Method;

const PAGE: f64 = 8192.0;
/// Page without header, special space of a B-tree and the line pointer of the high key.
const ROOM: f64 = 8148.0;
const LINE_POINTER: f64 = 4.0;
const TUPLE_HEADER: f64 = 8.0;
/// With the null bitmap.
const TUPLE_HEADER_NULLS: f64 = 16.0;
const TUPLE_ID: f64 = 6.0;
/// Largest posting list tuple that building an index makes.
const POSTING_MAX: f64 = 808.0;
const INNER_FILL_FACTOR: f64 = 70.0;
/// Average group size from which the spread of sizes does not matter any more.
const MANY: f64 = 40.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizeEstimate {
    pub pages: u64,
    /// Levels above the leaves; of a B-tree.
    pub height: Option<u32>,
    /// Rows in the index, and in the table.
    pub rows: f64,
    pub table_rows: f64,
    /// An order of magnitude only.
    pub rough: bool,
}

impl SizeEstimate {
    /// Of a B-tree that is as many: each has a meta page, a leaf that is not full and, above several
    /// leaves, a root.
    pub fn in_parts(self, parts: u64) -> Self {
        let more = parts.saturating_sub(1);
        let root = u64::from(self.pages > 2 * parts);
        Self {
            pages: self.pages + more * (1 + root) + more / 2,
            ..self
        }
    }

    pub fn bytes(&self) -> u64 {
        self.pages * PAGE as u64
    }
}

/// A column or expression as it is stored in an index tuple.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredKey {
    /// Average bytes of a value that is not null, with the header of a short varlena.
    pub width: f64,
    /// Fixed-length types have one; values of other types are packed.
    pub fixed: bool,
    pub alignment: f64,
    pub null_fraction: f64,
    /// Standard deviation of the width, as a share of it.
    pub spread: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    pub method: Method,
    pub keys: Vec<StoredKey>,
    pub include: Vec<StoredKey>,
    /// Average bytes of an index tuple, where they were seen.
    pub tuple: Option<f64>,
    /// Rows in the index.
    pub rows: f64,
    pub table_rows: f64,
    pub table_pages: f64,
    /// Rows with equal keys.
    pub groups: Vec<Group>,
    /// Every key's operator class lets equal keys be merged.
    pub deduplicates: bool,
    pub fill_factor: f64,
    pub pages_per_range: f64,
}

pub fn estimate(contents: &Contents) -> SizeEstimate {
    match contents.method {
        Method::Btree => btree(contents),
        Method::Hash => hash(contents),
        Method::Brin => brin(contents),
        Method::Gin | Method::Gist => by_width(contents),
    }
}

fn align(bytes: f64, to: f64) -> f64 {
    (bytes / to).ceil() * to
}

/// Bytes of an index tuple with these keys, average over the widths of its packed values.
fn tuple_bytes(header: f64, stored: &[StoredKey]) -> f64 {
    // Rounding up hits packed values of different widths at different places.
    let spread = stored.iter().map(|key| key.spread).fold(0.0, f64::max);
    let scales: Vec<f64> = if spread > 0.0 {
        (-4..=4)
            .map(|step| 1.0 + 0.4 * f64::from(step) * spread)
            .collect()
    } else {
        vec![1.0]
    };
    let sum: f64 = scales
        .iter()
        .map(|scale| {
            let mut bytes = header;
            for key in stored {
                bytes = if key.fixed {
                    align(bytes, key.alignment) + key.width
                } else if key.width > 127.0 {
                    align(bytes, 4.0) + key.width * scale
                } else {
                    bytes + (key.width * scale).round().max(1.0)
                };
            }
            align(bytes, 8.0)
        })
        .sum();
    sum / scales.len() as f64
}

/// Average bytes of a tuple with one row, with and without nulls.
fn average_tuple(stored: &[StoredKey]) -> f64 {
    let none_null: f64 = stored.iter().map(|key| 1.0 - key.null_fraction).product();
    let full = tuple_bytes(TUPLE_HEADER, stored);
    if none_null >= 1.0 {
        return full;
    }
    // One null at least: the others are as they are.
    let mut with_nulls = 0.0;
    let mut weights = 0.0;
    for (place, key) in stored.iter().enumerate() {
        let rest: Vec<StoredKey> = stored
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place)
            .map(|(_, key)| *key)
            .collect();
        with_nulls += key.null_fraction * tuple_bytes(TUPLE_HEADER_NULLS, &rest);
        weights += key.null_fraction;
    }
    none_null * full + (1.0 - none_null) * with_nulls / weights
}

/// Tuples and bytes, line pointers among them, of a group of `rows` equal keys.
fn group(rows: f64, tuple: f64) -> (f64, f64) {
    if rows <= 1.0 {
        return (1.0, tuple + LINE_POINTER);
    }
    let most = ((POSTING_MAX - tuple) / TUPLE_ID).floor().max(1.0);
    if most < 2.0 {
        return (rows, rows * (tuple + LINE_POINTER));
    }
    let whole = (rows / most).floor();
    let rest = rows - whole * most;
    let posting = |rows: f64| {
        let bytes = if rows <= 1.0 {
            tuple
        } else {
            align(tuple + rows * TUPLE_ID, 8.0)
        };
        bytes + LINE_POINTER
    };
    if rest < 0.5 {
        (whole, whole * posting(most))
    } else {
        (whole + 1.0, whole * posting(most) + posting(rest))
    }
}

/// The same for a group of those, of sizes as chance makes them unless they are exact.
fn average_group(of: &Group, tuple: f64) -> (f64, f64) {
    let mean = of.rows;
    if of.exact || mean <= 1.0 + 1e-6 || mean > MANY {
        return group(mean.round().max(1.0), tuple);
    }
    // A Poisson distribution without its zero, with this mean.
    let mut rate = mean;
    for _ in 0..60 {
        rate = mean * (1.0 - (-rate).exp());
    }
    let mut probability = (-rate).exp() / (1.0 - (-rate).exp());
    let (mut tuples, mut bytes, mut rows) = (0.0, 0.0, 0.0);
    for size in 1..160 {
        probability *= rate / f64::from(size);
        let (t, b) = group(f64::from(size), tuple);
        tuples += probability * t;
        bytes += probability * b;
        rows += probability * f64::from(size);
    }
    let scale = mean / rows.max(f64::MIN_POSITIVE);
    (tuples * scale, bytes * scale)
}

fn btree(contents: &Contents) -> SizeEstimate {
    let stored: Vec<StoredKey> = contents
        .keys
        .iter()
        .chain(&contents.include)
        .copied()
        .collect();
    let tuple = contents.tuple.unwrap_or_else(|| average_tuple(&stored));
    let rows = contents.rows.max(0.0).round();
    let several = contents.groups.iter().any(|group| group.rows > 1.0);
    let merged = contents.deduplicates && contents.include.is_empty() && several;
    let (tuples, bytes) = if merged {
        contents
            .groups
            .iter()
            .fold((0.0, 0.0), |(tuples, bytes), group| {
                let (t, b) = average_group(group, tuple);
                (tuples + group.count * t, bytes + group.count * b)
            })
    } else {
        (rows, rows * (tuple + LINE_POINTER))
    };
    let average = if tuples > 0.0 {
        bytes / tuples
    } else {
        tuple + LINE_POINTER
    };
    // A leaf is closed by the tuple that leaves less than the fill factor spares; that tuple then
    // opens the next leaf.
    let spared = PAGE * (100.0 - contents.fill_factor) / 100.0;
    let room = ROOM - LINE_POINTER - spared.floor();
    let leaves = if merged {
        bytes / (room - average.min(100.0) / 2.0).max(average)
    } else {
        tuples / (room / average).floor().max(1.0)
    };
    let mut level = leaves.ceil().max(1.0);
    let mut pages = level + 1.0;
    let mut height = 0;
    let pivot = align(average_tuple(&contents.keys).min(200.0), 8.0) + LINE_POINTER;
    let inner_room = ROOM - LINE_POINTER - PAGE * (100.0 - INNER_FILL_FACTOR) / 100.0;
    let fan_out = (inner_room / pivot).floor().max(2.0);
    while level > 1.0 {
        level = (level / fan_out).ceil();
        pages += level;
        height += 1;
    }
    if rows < 1.0 {
        pages = 1.0;
    }
    SizeEstimate {
        pages: pages as u64,
        height: Some(height),
        rows,
        table_rows: contents.table_rows,
        rough: false,
    }
}

/// Buckets three quarters full of hash codes, their number doubled in four steps.
fn hash(contents: &Contents) -> SizeEstimate {
    let per_bucket = (PAGE * 0.75 / 20.0).floor();
    let wanted = (contents.rows / per_bucket).ceil().max(2.0);
    let doubled = 2f64.powf(wanted.log2().floor());
    let step = (doubled / 4.0).max(1.0);
    let buckets = doubled + ((wanted - doubled) / step).ceil() * step;
    rough(contents, buckets * 1.02 + 3.0)
}

fn brin(contents: &Contents) -> SizeEstimate {
    let ranges = (contents.table_pages / contents.pages_per_range.max(1.0)).ceil();
    let summary: f64 = contents
        .keys
        .iter()
        .map(|key| 2.0 * align(key.width, key.alignment))
        .sum();
    let tuple = align(TUPLE_HEADER + summary, 8.0) + LINE_POINTER;
    let pages = 1.0 + (ranges / 1360.0).ceil().max(1.0) + (ranges * tuple / 8160.0).ceil().max(1.0);
    rough(contents, pages)
}

/// Inverted entries are small, and about as many as the values have bytes.
fn by_width(contents: &Contents) -> SizeEstimate {
    let width: f64 = contents
        .keys
        .iter()
        .map(|key| key.width.min(2000.0) * (1.0 - key.null_fraction))
        .sum();
    rough(contents, contents.rows * width * 2.0 / PAGE + 2.0)
}

fn rough(contents: &Contents, pages: f64) -> SizeEstimate {
    SizeEstimate {
        pages: pages.ceil().max(1.0) as u64,
        height: None,
        rows: contents.rows,
        table_rows: contents.table_rows,
        rough: true,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn fixed(width: f64) -> StoredKey {
        StoredKey {
            width,
            fixed: true,
            alignment: width.min(8.0),
            null_fraction: 0.0,
            spread: 0.0,
        }
    }

    fn contents(keys: Vec<StoredKey>, rows: f64, distinct: f64) -> Contents {
        Contents {
            method: Method::Btree,
            keys,
            include: vec![],
            tuple: None,
            rows,
            table_rows: rows,
            table_pages: rows / 100.0,
            groups: vec![Group {
                count: distinct.max(1.0),
                rows: (rows / distinct.max(1.0)).max(1.0),
                exact: false,
            }],
            deduplicates: true,
            fill_factor: 90.0,
            pages_per_range: 128.0,
        }
    }

    /// Built by PostgreSQL 15.
    #[test]
    fn unique_integers_as_built() {
        let built = estimate(&contents(vec![fixed(4.0)], 1_000_000.0, 1_000_000.0));
        assert_eq!(built.pages, 2745);
        assert_eq!(built.height, Some(2));
        assert_eq!(
            estimate(&contents(vec![fixed(8.0)], 100_000.0, 100_000.0)).pages,
            276
        );
    }

    fn packed(width: f64) -> StoredKey {
        StoredKey {
            width,
            fixed: false,
            alignment: 4.0,
            null_fraction: 0.0,
            spread: 0.0,
        }
    }

    /// A million rows each, built by PostgreSQL 15: keys, distinct keys, pages.
    #[test]
    fn within_seven_percent_of_what_is_built() {
        for (keys, distinct, built) in [
            (vec![fixed(4.0)], 1e6, 2745),
            (vec![fixed(4.0)], 100.0, 852),
            (vec![fixed(4.0)], 5e4, 950),
            (vec![fixed(4.0), fixed(4.0)], 1000.0, 896),
            (vec![fixed(4.0), fixed(4.0)], 632_000.0, 2410),
            (vec![fixed(4.0)], 289_000.0, 1703),
            (vec![fixed(4.0), fixed(8.0)], 1e6, 3853),
            (vec![packed(12.0)], 1e6, 3853),
            (vec![packed(33.0)], 1e6, 7210),
        ] {
            let pages = estimate(&contents(keys.clone(), 1e6, distinct)).pages as f64;
            let error = (pages / f64::from(built) - 1.0).abs();
            assert!(error < 0.07, "{keys:?}: {pages}, not {built}");
        }
    }

    #[test]
    fn a_partitioned_index_has_pages_of_each_of_its_parts() {
        let whole = estimate(&contents(vec![fixed(4.0)], 1e5, 1e5));
        assert_eq!(whole.in_parts(1), whole);
        assert_eq!(whole.in_parts(0), whole);
        assert_eq!(whole.in_parts(5).pages, whole.pages + 4 + 4 + 2);
        let empty = estimate(&contents(vec![fixed(4.0)], 0.0, 0.0));
        assert_eq!(empty.in_parts(3).pages, 1 + 2 + 1);
    }

    #[test]
    fn equal_keys_are_merged() {
        let unique = estimate(&contents(vec![fixed(4.0)], 1e6, 1e6)).pages as f64;
        let merged = estimate(&contents(vec![fixed(4.0)], 1e6, 100.0)).pages as f64;
        assert!((merged / unique - 852.0 / 2745.0).abs() < 0.02, "{merged}");
        let mut carried = contents(vec![fixed(4.0)], 1e6, 100.0);
        carried.include = vec![fixed(4.0)];
        assert_eq!(estimate(&carried).pages as f64, unique);
    }

    #[test]
    fn more_rows_are_never_smaller() {
        let mut last = 0;
        for rows in [0.0, 1.0, 366.0, 367.0, 1e4, 1e5, 1e6, 1e8] {
            let pages = estimate(&contents(vec![fixed(4.0)], rows, rows)).pages;
            assert!(pages >= last);
            last = pages;
        }
        assert_eq!(estimate(&contents(vec![fixed(4.0)], 0.0, 0.0)).pages, 1);
    }

    #[test]
    fn nulls_share_one_posting_list() {
        let mut key = fixed(8.0);
        key.null_fraction = 0.9;
        let mut sparse = contents(vec![key], 1e6, 1e5);
        sparse.groups = vec![
            Group {
                count: 1.0,
                rows: 9e5,
                exact: true,
            },
            Group {
                count: 1e5,
                rows: 1.0,
                exact: true,
            },
        ];
        let sparse = estimate(&sparse).pages;
        let dense = estimate(&contents(vec![fixed(8.0)], 1e6, 1e6)).pages;
        assert!(sparse < dense / 2, "{sparse} {dense}");
    }
}
