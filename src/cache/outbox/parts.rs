//! What one statement says, in rows that fit a page each: moving a long row out of line costs a
//! writer more than writing several.

use crate::cache::text_array::{Piece, TextArray};

/// Bytes of names that a row holds, so that the table's `toast_tuple_target` lets it be.
const ROOM: usize = 7_900;

/// The names that one row holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub keys: Piece,
    pub tags: Piece,
}

/// Splits the names into rows, the first of which holds `others` bytes beside them. Events show names
/// of the first row, so it has some, of each kind, in any case.
pub fn split(keys: &TextArray, tags: &TextArray, others: usize) -> Vec<Part> {
    let room = ROOM.saturating_sub(others).max(ROOM / 2);
    if keys.size() + tags.size() <= room {
        return vec![Part {
            keys: keys.whole(),
            tags: tags.whole(),
        }];
    }
    let mut part = Part {
        keys: Piece::default(),
        tags: tags.piece(0, room / 2),
    };
    part.keys = keys.piece(0, room - part.tags.bytes.len());
    let mut parts = Vec::new();
    loop {
        let (key, tag) = (part.keys.bytes.end, part.tags.bytes.end);
        if part.keys.count + part.tags.count > 0 || parts.is_empty() {
            parts.push(part);
        }
        if key == keys.size() && tag == tags.size() {
            return parts;
        }
        part = Part::default();
        part.keys = keys.piece(key, ROOM);
        part.tags = tags.piece(tag, ROOM - part.keys.bytes.len());
        if part.keys.count + part.tags.count == 0 {
            // A name that is longer has a row of its own.
            if key < keys.size() {
                part.keys = keys.one(key);
            } else {
                part.tags = tags.one(tag);
            }
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn names(count: usize, length: usize) -> TextArray {
        (0..count)
            .map(|number| format!("{number:0length$}"))
            .collect()
    }

    /// The pieces of one array follow one another and are all of it.
    fn assert_complete<'a>(pieces: impl Iterator<Item = &'a Piece>, array: &TextArray) {
        let (mut end, mut count) = (0, 0);
        for piece in pieces.filter(|piece| piece.count > 0) {
            assert_eq!(piece.bytes.start, end);
            end = piece.bytes.end;
            count += piece.count;
        }
        assert_eq!((end, count), (array.size(), array.len()));
    }

    fn assert_split(keys: &TextArray, tags: &TextArray, others: usize) -> Vec<Part> {
        let parts = split(keys, tags, others);
        assert_complete(parts.iter().map(|part| &part.keys), keys);
        assert_complete(parts.iter().map(|part| &part.tags), tags);
        parts
    }

    #[test]
    fn what_fits_is_one_row() {
        let parts = assert_split(&names(300, 16), &names(1, 8), 500);
        assert_eq!(parts.len(), 1);
        assert_eq!(assert_split(&names(0, 1), &names(0, 1), 9_000).len(), 1);
    }

    #[test]
    fn many_names_are_rows_of_bounded_size() {
        for (keys, tags) in [(1_000, 1), (1, 1_000), (1_000, 1_000)] {
            let parts = assert_split(&names(keys, 20), &names(tags, 20), 100);
            assert!(parts.len() > 1 && parts.len() <= (keys + tags) * 24 / ROOM + 2);
            for part in &parts {
                assert!(part.keys.bytes.len() + part.tags.bytes.len() <= ROOM);
            }
            assert!(parts[0].tags.count > 0 && parts[0].keys.count > 0);
        }
    }

    #[test]
    fn long_names_have_rows_of_their_own() {
        let parts = assert_split(&names(3, 10_000), &names(2, 20_000), 0);
        // The first holds neither: it is the one with everything else.
        assert_eq!(parts.len(), 1 + 5);
        assert_split(&names(3, 10_000), &names(2, 20), 20_000);
    }
}
