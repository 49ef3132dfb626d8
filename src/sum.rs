//! Exact sums of quantities as integers.
//!
//! Adding integers is many times faster than PostgreSQL's variable-length arithmetic. A quantity
//! that could ever make a sum overflow is not narrow, and is left to that arithmetic.

use crate::decimal::{Decimal, EncodedNumeric};

/// Digits after the point that sums are kept with. A narrow quantity is below 10^11, so that
/// 10^15 of them add up within an `i128`.
const SCALE: u8 = 12;
const NARROW_LIMIT: i128 = 10_i128.pow(11 + SCALE as u32);

const POWERS: [i128; SCALE as usize + 1] = {
    let mut powers = [1; SCALE as usize + 1];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// The number as an integer of its own scale, if it is narrow.
pub fn narrow(number: Decimal) -> Option<i64> {
    let factor = POWERS.get(usize::from(SCALE.checked_sub(number.scale)?))?;
    let unscaled = i64::try_from(number.unscaled).ok()?;
    // i64::MIN has no negative.
    let is_narrow = unscaled != i64::MIN && i128::from(unscaled).abs() * factor < NARROW_LIMIT;
    is_narrow.then_some(unscaled)
}

/// An exact sum, with the number of digits to show after the point: the largest of its terms'.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    unscaled: i128,
    scale: u8,
}

impl Sum {
    /// A narrow number.
    pub fn of(unscaled: i64, scale: u8) -> Self {
        Self {
            unscaled: i128::from(unscaled) * POWERS[usize::from(SCALE - scale)],
            scale,
        }
    }

    /// A number that fits, however large; none that has more digits after the point.
    pub fn of_decimal(number: Decimal) -> Option<Self> {
        let factor = POWERS.get(usize::from(SCALE.checked_sub(number.scale)?))?;
        Some(Self {
            unscaled: number.unscaled.checked_mul(*factor)?,
            scale: number.scale,
        })
    }

    pub fn checked_add(self, other: Sum) -> Option<Self> {
        Some(Self {
            unscaled: self.unscaled.checked_add(other.unscaled)?,
            scale: self.scale.max(other.scale),
        })
    }

    pub fn checked_subtract(self, other: Sum) -> Option<Self> {
        Some(Self {
            unscaled: self.unscaled.checked_sub(other.unscaled)?,
            scale: self.scale.max(other.scale),
        })
    }

    pub fn add(&mut self, other: Sum) {
        self.unscaled += other.unscaled;
        self.scale = self.scale.max(other.scale);
    }

    pub fn subtract(&mut self, other: Sum) {
        self.unscaled -= other.unscaled;
        self.scale = self.scale.max(other.scale);
    }

    pub fn is_zero(self) -> bool {
        self.unscaled == 0
    }

    pub fn to_numeric(self) -> EncodedNumeric {
        let divisor = POWERS[usize::from(SCALE - self.scale)];
        // Division of 128 bits is slow.
        let unscaled = match (i64::try_from(self.unscaled), i64::try_from(divisor)) {
            (Ok(unscaled), Ok(divisor)) => i128::from(unscaled / divisor),
            _ => self.unscaled / divisor,
        };
        Decimal {
            unscaled,
            scale: self.scale,
        }
        .to_numeric()
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn number(unscaled: i128, scale: u8) -> Decimal {
        Decimal { unscaled, scale }
    }

    #[test]
    fn narrow_ends_at_ten_to_the_eleventh_and_twelve_digits() {
        assert_eq!(narrow(number(99_999_999_999, 0)), Some(99_999_999_999));
        assert_eq!(narrow(number(100_000_000_000, 0)), None);
        assert_eq!(narrow(number(-99_999_999_999, 0)), Some(-99_999_999_999));
        assert_eq!(narrow(number(1, 12)), Some(1));
        assert_eq!(narrow(number(1, 13)), None);
        assert_eq!(narrow(number(i128::from(i64::MIN), 12)), None);
        assert_eq!(narrow(number(i128::MAX, 0)), None);
    }

    #[test]
    fn what_does_not_fit_is_no_sum() {
        let large = i128::MAX / 10_i128.pow(12);
        let sum = Sum::of_decimal(number(large, 0)).expect("the largest");
        assert_eq!(Sum::of_decimal(number(large + 1, 0)), None);
        assert_eq!(Sum::of_decimal(number(1, 13)), None);
        assert_eq!(sum.checked_add(Sum::of(1, 0)), None);
        assert_eq!(
            Sum::of_decimal(number(-large, 0)).and_then(|sum| sum.checked_subtract(Sum::of(1, 0))),
            None
        );
        let expected = Sum::of_decimal(number(large - 1, 0));
        assert_eq!(sum.checked_subtract(Sum::of(1, 0)), expected);
    }

    #[test]
    fn sums_show_the_digits_of_the_finest_term() {
        let mut sum = Sum::of(15, 1);
        sum.subtract(Sum::of(250, 3));
        let expected = number(1_250, 3).to_numeric();
        assert_eq!(sum.to_numeric().as_bytes(), expected.as_bytes());
    }

    #[test]
    fn what_is_added_and_taken_away_leaves_nothing() {
        let mut sum = Sum::default();
        for (unscaled, scale) in [(99_999_999_999, 0), (-1, 12), (12_345, 2)] {
            sum.add(Sum::of(unscaled, scale));
        }
        assert!(!sum.is_zero());
        for (unscaled, scale) in [(-1, 12), (12_345, 2), (99_999_999_999, 0)] {
            sum.subtract(Sum::of(unscaled, scale));
        }
        assert!(sum.is_zero());
    }
}
