//! Builds a `text[]` without repetitions, in the very bytes that PostgreSQL stores.
//!
//! The text is that of the database's encoding, so it is bytes here.

use hashbrown::HashTable;

const TEXT_OID: u32 = 25;
/// Length, dimensions, data offset, element type; then size and lower bound of the one dimension.
const HEADER: usize = 24;
const EMPTY_HEADER: usize = 16;

/// A growing one-dimensional array of distinct texts.
#[derive(Default)]
pub struct TextArray {
    /// The elements: each with its length word, padded to four bytes.
    elements: Vec<u8>,
    /// Where each element begins.
    places: HashTable<u32>,
    last: Option<u32>,
}

impl TextArray {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes that the elements take.
    pub fn size(&self) -> usize {
        self.elements.len()
    }

    /// Adds an element unless it is there already; says whether it was added.
    pub fn add(&mut self, text: &[u8]) -> bool {
        let Self {
            elements,
            places,
            last,
        } = self;
        // Rows of one statement often belong together.
        if last.is_some_and(|place| element(elements, place) == text) {
            return false;
        }
        let hash = hash(text);
        if let Some(place) = places.find(hash, |place| element(elements, *place) == text) {
            *last = Some(*place);
            return false;
        }
        let place = elements.len() as u32;
        elements.extend_from_slice(&varlena_header(text.len() + 4));
        elements.extend_from_slice(text);
        elements.resize(elements.len().next_multiple_of(4), 0);
        let elements = &*elements;
        self.places
            .insert_unique(hash, place, |place| self::hash(element(elements, *place)));
        self.last = Some(place);
        true
    }

    pub fn add_all(&mut self, other: &Self) {
        for text in other.iter() {
            self.add(text);
        }
    }

    /// The elements in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut place = 0;
        std::iter::from_fn(move || {
            if place >= self.elements.len() {
                return None;
            }
            let text = element(&self.elements, place as u32);
            place = (place + 4 + text.len()).next_multiple_of(4);
            Some(text)
        })
    }

    /// Appends the array as a complete varlena. Its length is a multiple of four.
    pub fn write(&self, varlena: &mut Vec<u8>) {
        let size = if self.is_empty() {
            EMPTY_HEADER
        } else {
            HEADER + self.elements.len()
        };
        varlena.extend_from_slice(&varlena_header(size));
        let has_dimension = i32::from(!self.is_empty());
        varlena.extend_from_slice(&has_dimension.to_ne_bytes());
        // No NULL bitmap.
        varlena.extend_from_slice(&0_i32.to_ne_bytes());
        varlena.extend_from_slice(&TEXT_OID.to_ne_bytes());
        if !self.is_empty() {
            varlena.extend_from_slice(&(self.len() as i32).to_ne_bytes());
            varlena.extend_from_slice(&1_i32.to_ne_bytes());
            varlena.extend_from_slice(&self.elements);
        }
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

fn element(elements: &[u8], place: u32) -> &[u8] {
    let (header, rest) = elements[place as usize..].split_at(4);
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

/// Eight bytes at a time, each folded in by a wide multiplication.
fn hash(text: &[u8]) -> u64 {
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15;
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word).wrapping_mul(FACTOR);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut hash = 0x517c_c1b7_2722_0a95 ^ text.len() as u64;
    for chunk in text.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = fold(hash, u64::from_ne_bytes(word));
    }
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
        array.write(&mut bytes);
        assert_eq!(bytes.len(), 24 + 12);
        assert_eq!(bytes[..4], varlena_header(36));
        assert_eq!(bytes[24..28], varlena_header(9));
        assert_eq!(&bytes[28..36], b"abcde\0\0\0");
    }

    #[test]
    fn an_empty_array_has_no_dimension() {
        let mut bytes = Vec::new();
        TextArray::default().write(&mut bytes);
        assert_eq!(bytes.len(), 16);
        assert_eq!(bytes[4..8], [0; 4]);
    }
}
