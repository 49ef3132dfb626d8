//! What a fold has taken, summed by key and day.

use hashbrown::HashTable;
use pgrx::pg_sys;

use crate::amount::Amount;
use crate::calendar::Month;
use crate::ledger::keys::KeyInterner;

/// What is to be added to one key and day.
#[derive(Clone, Copy)]
pub struct Delta {
    pub key: u32,
    pub day: i32,
    pub move_count: i64,
    pub in_quantity: Amount,
    pub out_quantity: Amount,
    pub value_change: Amount,
}

impl Delta {
    pub fn net(&self) -> Amount {
        let mut net = self.in_quantity;
        net.subtract(self.out_quantity);
        net
    }

    fn changes_nothing(&self) -> bool {
        self.move_count == 0
            && self.in_quantity.is_zero()
            && self.out_quantity.is_zero()
            && self.value_change.is_zero()
    }

    fn add(&mut self, other: &Self) {
        self.move_count += other.move_count;
        self.in_quantity.add(other.in_quantity);
        self.out_quantity.add(other.out_quantity);
        self.value_change.add(other.value_change);
    }
}

/// Where a delta belongs. Deltas are ordered as the rows of days are in their index: by month, then
/// by key, then by day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    month: Month,
    key: u32,
    day: i32,
    delta: u32,
}

/// Collects deltas.
pub struct Deltas {
    keys: KeyInterner,
    sums: Vec<Delta>,
    numbers: HashTable<u32>,
}

impl Deltas {
    pub fn new(keys: KeyInterner) -> Self {
        Self {
            keys,
            sums: Vec::new(),
            numbers: HashTable::new(),
        }
    }

    /// # Safety
    /// `key` has one datum, not NULL, of each key column's type.
    pub unsafe fn number_of(&mut self, key: &[pg_sys::Datum]) -> u32 {
        // SAFETY: as the caller promises.
        unsafe { self.keys.intern(key) }
    }

    pub fn add(&mut self, delta: &Delta) {
        let Self { sums, numbers, .. } = self;
        let found = numbers.find(hash(delta), |number| {
            let stored = &sums[*number as usize];
            stored.key == delta.key && stored.day == delta.day
        });
        match found {
            Some(number) => sums[*number as usize].add(delta),
            None => {
                let number = sums.len() as u32;
                sums.push(*delta);
                numbers.insert_unique(hash(delta), number, |number| hash(&sums[*number as usize]));
            }
        }
    }

    /// The deltas that change something, by month and key.
    pub fn sort(mut self) -> Sorted {
        self.numbers = HashTable::new();
        let ranks = self.keys.rank();
        let mut places = Vec::with_capacity(self.sums.len());
        for (number, delta) in self.sums.iter_mut().enumerate() {
            delta.key = ranks[delta.key as usize];
            if !delta.changes_nothing() {
                places.push(Place {
                    month: Month::of_day(delta.day).0,
                    key: delta.key,
                    day: delta.day,
                    delta: number as u32,
                });
            }
        }
        places.sort_unstable();
        Sorted {
            keys: self.keys,
            sums: self.sums,
            places,
        }
    }
}

/// Keys are numbered one after the other, and days lie close together.
fn hash(delta: &Delta) -> u64 {
    let word = u64::from(delta.key) << 32 | u64::from(delta.day as u32);
    let product = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 32)
}

/// Collected deltas in the order of the index of days.
pub struct Sorted {
    pub keys: KeyInterner,
    sums: Vec<Delta>,
    places: Vec<Place>,
}

impl Sorted {
    /// Calls `each` with the deltas of one month and key after another, those in the order of
    /// their days.
    pub fn for_each_run(&self, mut each: impl FnMut(Month, u32, &[Delta])) {
        let mut run = Vec::new();
        let same = |left: &Place, right: &Place| left.month == right.month && left.key == right.key;
        for places in self.places.chunk_by(same) {
            run.clear();
            run.extend(places.iter().map(|place| self.sums[place.delta as usize]));
            each(places[0].month, places[0].key, &run);
        }
    }

    /// The earliest month that there is a delta of.
    pub fn first_month(&self) -> Option<Month> {
        self.places.first().map(|place| place.month)
    }

    /// The deltas with their months, in the order of months and keys.
    pub fn in_order(&self) -> impl Iterator<Item = (Month, &Delta)> {
        self.places
            .iter()
            .map(|place| (place.month, &self.sums[place.delta as usize]))
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn hashed(key: u32, day: i32) -> u64 {
        hash(&Delta {
            key,
            day,
            move_count: 0,
            in_quantity: Amount::default(),
            out_quantity: Amount::default(),
            value_change: Amount::default(),
        })
    }

    #[test]
    fn keys_and_days_spread_over_all_bits() {
        let mut low = std::collections::HashSet::new();
        let mut high = std::collections::HashSet::new();
        for key in 0..64 {
            for day in 9_000..9_016 {
                low.insert(hashed(key, day) & 0x3FF);
                high.insert(hashed(key, day) >> 54);
            }
        }
        // 1,024 thrown into as many boxes leave about a third empty
        assert!(low.len() > 500, "{}", low.len());
        assert!(high.len() > 500, "{}", high.len());
    }
}
