//! Builds a `text[]` without repetitions, in the very bytes that PostgreSQL stores.
//!
//! The text is that of the database's encoding, so it is bytes here.

use hashbrown::HashTable;
use std::ops::Range;

const TEXT_OID: u32 = 25;
/// Length, dimensions, data offset, element type; then size and lower bound of the one dimension.
const HEADER: usize = 24;

/// As long as there are no more elements than this, looking at each is faster than a table of them.
const FEW: usize = 8;
/// Bytes that the first element makes room for.
const ROOM: usize = 128;

/// A growing one-dimensional array of distinct texts.
#[derive(Default)]
pub struct TextArray {
    /// The elements: each with its length word, padded to four bytes.
    elements: Vec<u8>,
    count: usize,
    /// Where each element begins, with its hash, once there are more than a few.
    places: HashTable<(u64, usize)>,
    last: Option<usize>,
}

/// Some elements that follow one another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Piece {
    pub bytes: Range<usize>,
    pub count: usize,
}

impl TextArray {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that the elements take.
    pub fn size(&self) -> usize {
        self.elements.len()
    }

    /// Makes room for that many more elements to be found.
    pub fn reserve(&mut self, elements: usize) {
        if self.count + elements > FEW {
            self.places.reserve(elements, |(hash, _)| *hash);
        }
    }

    /// Adds an element unless it is there already; says whether it was added.
    pub fn add(&mut self, text: &[u8]) -> bool {
        // Rows of one statement often belong together.
        if self.last.is_some_and(|place| self.element(place) == text) {
            return false;
        }
        let hash = if self.count < FEW { 0 } else { hash(text) };
        if let Some(place) = self.find(text, hash) {
            self.last = Some(place);
            return false;
        }
        let place = self.elements.len();
        if place == 0 {
            self.elements.reserve(ROOM.max(text.len() + 8));
        }
        self.elements
            .extend_from_slice(&varlena_header(text.len() + 4));
        self.elements.extend_from_slice(text);
        let padding = self.elements.len().next_multiple_of(4) - self.elements.len();
        self.elements.extend_from_slice(&[0; 3][..padding]);
        self.count += 1;
        self.last = Some(place);
        if self.count > FEW {
            self.places
                .insert_unique(hash, (hash, place), |(hash, _)| *hash);
        } else if self.count == FEW {
            self.fill_places();
        }
        true
    }

    /// Where the text is already; `hash` is only looked at when there is a table.
    fn find(&self, text: &[u8], hash: u64) -> Option<usize> {
        if self.count < FEW {
            return self.starts().find(|place| self.element(*place) == text);
        }
        let found = self.places.find(hash, |(other, place)| {
            *other == hash && self.element(*place) == text
        });
        found.map(|(_, place)| *place)
    }

    fn fill_places(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        for place in self.starts() {
            let hash = hash(self.element(place));
            places.insert_unique(hash, (hash, place), |(hash, _)| *hash);
        }
        self.places = places;
    }

    fn element(&self, place: usize) -> &[u8] {
        element(&self.elements, place)
    }

    /// Where each element begins.
    fn starts(&self) -> impl Iterator<Item = usize> {
        let mut place = 0;
        std::iter::from_fn(move || {
            let start = place;
            (start < self.elements.len()).then(|| {
                place = end_of(&self.elements, start);
                start
            })
        })
    }

    pub fn add_all(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        for text in other.iter() {
            self.add(text);
        }
    }

    /// The elements in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.starts().map(|place| self.element(place))
    }

    /// All elements.
    pub fn whole(&self) -> Piece {
        Piece {
            bytes: 0..self.elements.len(),
            count: self.len(),
        }
    }

    /// As many elements from this byte on, where one begins, as take no more than `room` bytes.
    pub fn piece(&self, begin: usize, room: usize) -> Piece {
        let mut piece = Piece {
            bytes: begin..begin,
            count: 0,
        };
        while piece.bytes.end < self.elements.len() {
            let end = end_of(&self.elements, piece.bytes.end);
            if end - begin > room {
                break;
            }
            piece.bytes.end = end;
            piece.count += 1;
        }
        piece
    }

    /// The element at this byte.
    pub fn one(&self, begin: usize) -> Piece {
        Piece {
            bytes: begin..end_of(&self.elements, begin),
            count: 1,
        }
    }

    /// Appends an array of these elements, of which there are some, as a complete varlena. Its length
    /// is a multiple of four.
    pub fn write(&self, piece: &Piece, varlena: &mut Vec<u8>) {
        let elements = &self.elements[piece.bytes.clone()];
        let mut header = [0; HEADER];
        for (word, value) in header.chunks_exact_mut(4).zip([
            varlena_header(HEADER + elements.len()),
            // One dimension, and no NULL bitmap.
            1_i32.to_ne_bytes(),
            0_i32.to_ne_bytes(),
            TEXT_OID.to_ne_bytes(),
            (piece.count as i32).to_ne_bytes(),
            1_i32.to_ne_bytes(),
        ]) {
            word.copy_from_slice(&value);
        }
        varlena.extend_from_slice(&header);
        varlena.extend_from_slice(elements);
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for TextArray {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut array = Self::default();
        for text in texts {
            array.add(text.as_ref());
        }
        array
    }
}

/// The length word of an uncompressed varlena in line.
fn varlena_header(size: usize) -> [u8; 4] {
    let size = size as u32;
    if cfg!(target_endian = "little") {
        (size << 2).to_ne_bytes()
    } else {
        size.to_ne_bytes()
    }
}

fn element(elements: &[u8], place: usize) -> &[u8] {
    let (header, rest) = elements[place..].split_at(4);
    let mut word = [0; 4];
    word.copy_from_slice(header);
    let word = u32::from_ne_bytes(word);
    let size = if cfg!(target_endian = "little") {
        word >> 2
    } else {
        word
    };
    &rest[..size as usize - 4]
}

/// Where the next element begins.
fn end_of(elements: &[u8], place: usize) -> usize {
    (place + 4 + element(elements, place).len()).next_multiple_of(4)
}

/// Eight bytes at a time, each folded in by a wide multiplication.
fn hash(text: &[u8]) -> u64 {
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15;
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word).wrapping_mul(FACTOR);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut hash = 0x517c_c1b7_2722_0a95 ^ text.len() as u64;
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        hash = fold(hash, u64::from_ne_bytes(*word));
    }
    // One by one: a copy of unknown length is a call.
    let rest = rest
        .iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte));
    hash = fold(hash, rest);
    fold(hash, 0xa076_1d64_78bd_642f)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn texts(array: &TextArray) -> Vec<&[u8]> {
        array.iter().collect()
    }

    #[test]
    fn repetitions_are_left_out_and_the_order_stays() {
        let array: TextArray = ["b", "a", "", "a", "b", ""].into_iter().collect();
        assert_eq!(texts(&array), [&b"b"[..], b"a", b""]);
        assert_eq!(array.len(), 3);
    }

    #[test]
    fn few_and_many_texts_are_told_apart_alike() {
        for count in 1..3 * FEW {
            let all: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            let mut array: TextArray = all.iter().collect();
            for text in &all {
                assert!(!array.add(text.as_bytes()));
            }
            assert_eq!(array.len(), count);
            assert!(array.add(b"another"));
        }
    }

    #[test]
    fn many_texts_of_any_length_come_back() {
        let all: Vec<String> = (0..5_000)
            .map(|n| "x".repeat(n % 70) + &n.to_string())
            .collect();
        let mut array: TextArray = all.iter().collect();
        for text in &all {
            assert!(!array.add(text.as_bytes()));
        }
        assert_eq!(array.len(), all.len());
        assert!(
            texts(&array)
                .into_iter()
                .eq(all.iter().map(String::as_bytes))
        );
    }

    #[test]
    fn the_bytes_are_those_of_an_array() {
        let array: TextArray = ["abcde"].into_iter().collect();
        let mut bytes = Vec::new();
        array.write(&array.whole(), &mut bytes);
        assert_eq!(bytes.len(), 24 + 12);
        assert_eq!(bytes[..4], varlena_header(36));
        assert_eq!(bytes[24..28], varlena_header(9));
        assert_eq!(&bytes[28..36], b"abcde\0\0\0");
    }

    #[test]
    fn pieces_follow_one_another_and_are_arrays_themselves() {
        let array: TextArray = ["a", "bc", "defgh"].into_iter().collect();
        assert_eq!(array.piece(0, 7).count, 0);
        let first = array.piece(0, 27);
        assert_eq!((first.count, first.bytes.clone()), (2, 0..16));
        let second = array.piece(first.bytes.end, 12);
        assert_eq!((second.count, second.bytes.clone()), (1, 16..28));
        assert_eq!(array.piece(28, 100).count, 0);
        let mut bytes = Vec::new();
        array.write(&first, &mut bytes);
        let mut expected = Vec::new();
        let alone: TextArray = ["a", "bc"].into_iter().collect();
        alone.write(&alone.whole(), &mut expected);
        assert_eq!(bytes, expected);
    }
}
