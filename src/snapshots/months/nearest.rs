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
}
