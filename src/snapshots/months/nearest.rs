//! From which openings a balance is reached over the fewest days.

use crate::calendar::Month;

/// How the balance at the end of a day is put together: the openings of a month, plus the days of
/// a month up to that day or minus the days of a month after it.
#[derive(Debug, PartialEq, Eq, Clone, Copy, Default)]
pub struct Balance {
    pub opening: Option<i32>,
    pub added: Option<i32>,
    pub removed: Option<i32>,
}

impl Balance {
    /// `months` are the first days of the open months, in any order.
    ///
    /// Every movement up to `day` is in the open month that `day` is in or follows, or before it.
    /// So the openings of the next open month are the balance at the end of `day` and what the
    /// rest of that month added.
    pub fn at(day: i32, months: &[i32]) -> Balance {
        let Some(base) = months.iter().copied().filter(|month| *month <= day).max() else {
            return Balance::default();
        };
        let next = months.iter().copied().filter(|month| *month > day).min();
        let following = Month(Month::of_day(base).0.0 + 1).first_day();
        let before = i64::from(day) - i64::from(base) + 1;
        let after = i64::from(following) - 1 - i64::from(day);
        match next {
            Some(next) if after < before => Balance {
                opening: Some(next),
                added: None,
                removed: (after > 0).then_some(base),
            },
            _ => Balance {
                opening: Some(base),
                added: Some(base),
                removed: None,
            },
        }
    }
}

/// How the opening balances of a range of days and the sums over it are put together. Sums are the
/// difference of two openings, as these hold the sums of everything before.
#[derive(Debug, PartialEq, Eq, Clone, Default)]
pub struct Period {
    /// The openings that the balance before the range is reached from.
    pub opening: Option<i32>,
    /// Those that the sums up to its end are reached from; none if those are the same, or if every
    /// day of the range is read.
    pub closing: Option<i32>,
    /// The month whose days before the range count for the balance before it.
    pub added_before: Option<i32>,
    /// The month whose days from the range's first on are taken from that balance.
    pub removed_before: Option<i32>,
    /// The month whose days up to the last of the range count.
    pub added: Option<i32>,
    /// The month whose days after the range are taken away.
    pub removed: Option<i32>,
    /// The months whose days up to the last of the range count, where all of them are read.
    pub all: Vec<i32>,
}

impl Period {
    /// `rows` tells how many rows a read of openings, or of a month's days, comes to.
    pub fn between(from: i32, to: i32, months: &[i32], rows: Rows) -> Period {
        let start = Balance::at(from.saturating_sub(1), months);
        let end = Balance::at(to, months);
        let period = Period {
            opening: start.opening,
            removed_before: start.removed,
            ..Period::default()
        };
        if start.opening == end.opening {
            // What the range and the days before it have of a month is read once.
            return Period {
                added: end.added,
                ..period
            };
        }
        let mut all: Vec<i32> = months.to_vec();
        all.retain(|month| *month <= to && start.opening.is_none_or(|opening| *month >= opening));
        if rows.openings > SORTING * rows.days * all.len() as f64 {
            all.sort_unstable();
            return Period { all, ..period };
        }
        Period {
            closing: end.opening,
            added_before: start.added,
            added: end.added,
            removed: end.removed,
            ..period
        }
    }
}

/// Rows of the openings, and of the days, of a usual month; only their proportion matters.
#[derive(Clone, Copy)]
pub struct Rows {
    pub openings: f64,
    pub days: f64,
}

/// Days of several months have to be sorted by key, openings are read in that order.
const SORTING: f64 = 2.0;

#[cfg(test)]
mod unit {
    use super::*;

    const JANUARY: i32 = 0;
    const FEBRUARY: i32 = 31;
    /// 2000-05-01, two months after the end of February.
    const MAY: i32 = 121;
    const MONTHS: [i32; 3] = [MAY, JANUARY, FEBRUARY];

    fn added(month: i32) -> Balance {
        Balance {
            opening: Some(month),
            added: Some(month),
            removed: None,
        }
    }

    fn removed(opening: i32, month: Option<i32>) -> Balance {
        Balance {
            opening: Some(opening),
            added: None,
            removed: month,
        }
    }

    #[test]
    fn early_in_a_month_its_days_are_added() {
        assert_eq!(Balance::at(JANUARY, &MONTHS), added(JANUARY));
        // 14 days of February before the end of the 14th, 15 after it: 2000 is a leap year
        assert_eq!(Balance::at(FEBRUARY + 13, &MONTHS), added(FEBRUARY));
    }

    #[test]
    fn late_in_a_month_its_days_are_taken_from_the_next_openings() {
        let late = removed(FEBRUARY, Some(JANUARY));
        assert_eq!(Balance::at(JANUARY + 16, &MONTHS), late);
        assert_eq!(Balance::at(JANUARY + 29, &MONTHS), late);
        let late = removed(MAY, Some(FEBRUARY));
        assert_eq!(Balance::at(FEBRUARY + 14, &MONTHS), late);
    }

    #[test]
    fn at_the_end_of_a_month_and_in_a_gap_no_day_is_read() {
        assert_eq!(Balance::at(JANUARY + 30, &MONTHS), removed(FEBRUARY, None));
        assert_eq!(Balance::at(FEBRUARY + 28, &MONTHS), removed(MAY, None));
        assert_eq!(Balance::at(MAY - 1, &MONTHS), removed(MAY, None));
    }

    #[test]
    fn the_last_month_has_nothing_after_it() {
        assert_eq!(Balance::at(MAY + 30, &MONTHS), added(MAY));
        assert_eq!(Balance::at(i32::MAX, &MONTHS), added(MAY));
    }

    #[test]
    fn before_the_first_month_there_is_nothing() {
        assert_eq!(Balance::at(JANUARY - 1, &MONTHS), Balance::default());
        assert_eq!(Balance::at(i32::MIN, &MONTHS), Balance::default());
        assert_eq!(Balance::at(JANUARY, &[]), Balance::default());
    }

    const DENSE: Rows = Rows {
        openings: 1.0,
        days: 3.0,
    };
    const SPARSE: Rows = Rows {
        openings: 9.0,
        days: 1.0,
    };

    #[test]
    fn sums_over_whole_months_are_the_difference_of_two_openings() {
        let period = Period {
            opening: Some(FEBRUARY),
            closing: Some(MAY),
            ..Period::default()
        };
        assert_eq!(Period::between(FEBRUARY, MAY - 1, &MONTHS, DENSE), period);
    }

    #[test]
    fn part_months_are_reached_from_both_sides() {
        let period = Period {
            opening: Some(JANUARY),
            closing: Some(MAY),
            added_before: Some(JANUARY),
            removed: Some(FEBRUARY),
            ..Period::default()
        };
        let (from, to) = (JANUARY + 3, FEBRUARY + 20);
        assert_eq!(Period::between(from, to, &MONTHS, DENSE), period);
        let period = Period {
            opening: Some(FEBRUARY),
            closing: Some(MAY),
            removed_before: Some(JANUARY),
            added: Some(MAY),
            ..Period::default()
        };
        let (from, to) = (JANUARY + 20, MAY + 3);
        assert_eq!(Period::between(from, to, &MONTHS, DENSE), period);
    }

    #[test]
    fn what_one_opening_reaches_needs_no_second_one() {
        let period = Period {
            opening: Some(FEBRUARY),
            removed_before: Some(JANUARY),
            added: Some(FEBRUARY),
            ..Period::default()
        };
        let (from, to) = (JANUARY + 20, FEBRUARY + 3);
        assert_eq!(Period::between(from, to, &MONTHS, DENSE), period);
        let period = Period {
            opening: Some(FEBRUARY),
            removed_before: Some(JANUARY),
            ..Period::default()
        };
        let (from, to) = (JANUARY + 20, JANUARY + 25);
        assert_eq!(Period::between(from, to, &MONTHS, DENSE), period);
    }

    #[test]
    fn few_days_are_read_rather_than_many_openings() {
        let period = Period {
            opening: Some(FEBRUARY),
            removed_before: Some(JANUARY),
            all: vec![FEBRUARY, MAY],
            ..Period::default()
        };
        let (from, to) = (JANUARY + 20, MAY + 3);
        assert_eq!(Period::between(from, to, &MONTHS, SPARSE), period);
        let period = Period {
            all: vec![JANUARY],
            ..Period::default()
        };
        let (from, to) = (JANUARY - 9, JANUARY + 3);
        assert_eq!(Period::between(from, to, &MONTHS, SPARSE), period);
    }

    #[test]
    fn ranges_without_end_reach_everything() {
        let period = Period {
            closing: Some(MAY),
            added: Some(MAY),
            ..Period::default()
        };
        assert_eq!(Period::between(i32::MIN, i32::MAX, &MONTHS, DENSE), period);
        assert_eq!(
            Period::between(i32::MIN, JANUARY - 1, &MONTHS, DENSE),
            Period::default()
        );
    }
}
