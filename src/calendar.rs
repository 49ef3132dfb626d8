//! Days and months as PostgreSQL counts them: a day is the number of days since 2000-01-01.

/// Days before this one are refused, as `timestamp` does not reach them: 4713-01-01 BC.
pub const FIRST_DAY: i32 = -2_451_507;
/// Days after this one are refused; the month after it must still be a `timestamp`: 294276-11-30.
pub const LAST_DAY: i32 = 106_751_951;

const DAYS_TO_2000_03_01: i32 = 60;
const DAYS_OF_400_YEARS: i32 = 146_097;

/// A month of the Gregorian calendar, counted from January of the year 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Month(pub i32);

impl Month {
    /// The month of a day, and the day's number in it, from 1.
    ///
    /// Years begin in March here, so that the leap day is the last one (Howard Hinnant,
    /// "chrono-compatible low-level date algorithms").
    pub fn of_day(day: i32) -> (Month, u8) {
        let shifted = day - DAYS_TO_2000_03_01;
        let era = shifted.div_euclid(DAYS_OF_400_YEARS);
        let day_of_era = shifted.rem_euclid(DAYS_OF_400_YEARS);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
        let months = (2_000 + era * 400 + year_of_era) * 12 + march_month + 2;
        (Month(months), day_of_month as u8)
    }

    pub fn first_day(self) -> i32 {
        let months = self.0 - 2;
        let year = months.div_euclid(12) - 2_000;
        let march_month = months.rem_euclid(12);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * march_month + 2) / 5;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * DAYS_OF_400_YEARS + day_of_era + DAYS_TO_2000_03_01
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn month(year: i32, month: i32) -> Month {
        Month(year * 12 + month - 1)
    }

    #[test]
    fn known_days() {
        assert_eq!(Month::of_day(0), (month(2000, 1), 1));
        assert_eq!(Month::of_day(59), (month(2000, 2), 29));
        assert_eq!(Month::of_day(60), (month(2000, 3), 1));
        assert_eq!(Month::of_day(-1), (month(1999, 12), 31));
        assert_eq!(Month::of_day(8_826), (month(2024, 3), 1));
        assert_eq!(Month::of_day(LAST_DAY), (month(294_276, 11), 30));
        assert_eq!(Month::of_day(FIRST_DAY), (month(-4_712, 1), 1));
    }

    #[test]
    fn every_day_of_eight_centuries_round_trips() {
        let mut previous = Month::of_day(-150_000);
        for day in -150_000..150_000 {
            let (month, day_of_month) = Month::of_day(day);
            assert_eq!(month.first_day() + i32::from(day_of_month) - 1, day);
            if day_of_month == 1 {
                assert!(month.0 == previous.0.0 + 1 || day == -150_000);
            } else {
                assert!(month == previous.0 && day_of_month == previous.1 + 1 || day == -150_000);
            }
            previous = (month, day_of_month);
        }
    }
}
