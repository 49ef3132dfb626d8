//! Fixed-point numbers in PostgreSQL's `numeric` encoding.
//!
//! Quantities are summed for every ledger row that is written, so a value that fits an `i128` is
//! added as an integer instead of through PostgreSQL's variable-length arithmetic. Values that do
//! not fit are told apart, so that the caller can fall back and still be exact.

/// `unscaled / 10^scale`; the scale is also the number of digits shown after the point.
///
/// Equality is that of the representation: 1.0 and 1.00 differ, as they do when shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decimal {
    pub unscaled: i128,
    pub scale: u8,
}

/// What a stored `numeric` holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NumericValue {
    Finite(Decimal),
    /// Finite, but beyond an `i128` or beyond 38 digits after the point; or not well formed.
    TooWide,
    NotANumber,
    PositiveInfinity,
    NegativeInfinity,
}

/// A complete `numeric` value, aligned so that its address can serve as a datum.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct EncodedNumeric {
    bytes: [u8; MAX_ENCODED],
    length: usize,
}

/// Digits after the point up to which a `numeric` is decoded: 10^38 is the last power of ten in an
/// `i128`.
const MAX_SCALE: u8 = 38;

const BASE: u64 = 10_000;
const GROUP_DIGITS: i32 = 4;

/// An `i128` has 39 decimal digits: at most one partial group and ten full ones.
const MAX_GROUPS: usize = 11;
const MAX_ENCODED: usize = VARLENA_HEADER + 2 * size_of::<u16>() + 2 * MAX_GROUPS;
const VARLENA_HEADER: usize = 4;

// The header word of a numeric, as numeric.c lays it out.
const SIGN_MASK: u16 = 0xC000;
const LONG_NEGATIVE: u16 = 0x4000;
const SHORT: u16 = 0x8000;
const SPECIAL: u16 = 0xC000;
const SPECIAL_MASK: u16 = 0xF000;
const NOT_A_NUMBER: u16 = 0xC000;
const POSITIVE_INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
const LONG_SCALE_MASK: u16 = 0x3FFF;
const SHORT_NEGATIVE: u16 = 0x2000;
const SHORT_SCALE_SHIFT: u16 = 7;
const SHORT_SCALE_MAX: u16 = 0x3F;
const SHORT_WEIGHT_MASK: u16 = 0x007F;

const POWERS: [u128; 39] = {
    let mut powers = [1; 39];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// Powers of ten below `BASE`.
const SMALL_POWERS: [u16; 4] = [1, 10, 100, 1000];

impl Decimal {
    pub const ZERO: Decimal = Decimal {
        unscaled: 0,
        scale: 0,
    };

    #[inline]
    fn is_negative(self) -> bool {
        self.unscaled < 0
    }

    /// The complete `numeric`, byte for byte what PostgreSQL makes of this value and scale.
    pub fn to_numeric(self) -> EncodedNumeric {
        let mut groups = [0u16; MAX_GROUPS];
        let first = self.fill_groups(&mut groups);
        let mut kept = &groups[first..];
        // The last group ends at the first multiple of four digits at or after the scale.
        let fraction_groups = i32::from(self.scale.div_ceil(4));
        let mut weight = kept.len() as i32 - 1 - fraction_groups;
        while let [rest @ .., 0] = kept {
            kept = rest;
        }
        if kept.is_empty() {
            weight = 0;
        }

        let mut encoded = EncodedNumeric {
            bytes: [0; MAX_ENCODED],
            length: VARLENA_HEADER,
        };
        let scale = u16::from(self.scale);
        // Weights lie between -64 and 9 here, so only the scale can ask for the long format.
        if scale <= SHORT_SCALE_MAX {
            let sign = if self.is_negative() {
                SHORT_NEGATIVE
            } else {
                0
            };
            let weight_bits = weight as u16 & SHORT_WEIGHT_MASK;
            encoded.push(SHORT | sign | (scale << SHORT_SCALE_SHIFT) | weight_bits);
        } else {
            encoded.push(if self.is_negative() { LONG_NEGATIVE } else { 0 } | scale);
            encoded.push(weight as u16);
        }
        for group in kept {
            encoded.push(*group);
        }
        encoded.finish();
        encoded
    }

    /// Writes the groups of four digits to the end of the array and returns where they begin; the
    /// first one is not zero.
    fn fill_groups(&self, groups: &mut [u16; MAX_GROUPS]) -> usize {
        let mut magnitude = self.unscaled.unsigned_abs();
        let mut first = groups.len();
        // Groups are aligned at the point: the last one may hold fewer digits, then zeros.
        let partial_digits = usize::from(self.scale % 4);
        if partial_digits > 0 && magnitude > 0 {
            let divisor = SMALL_POWERS[partial_digits];
            let padding = SMALL_POWERS[4 - partial_digits];
            let rest = match u64::try_from(magnitude) {
                Ok(narrow) => {
                    magnitude = u128::from(narrow / u64::from(divisor));
                    (narrow % u64::from(divisor)) as u16
                }
                Err(_) => {
                    let rest = (magnitude % u128::from(divisor)) as u16;
                    magnitude /= u128::from(divisor);
                    rest
                }
            };
            first -= 1;
            groups[first] = rest * padding;
        }
        // Division of 128 bits is slow: it cuts sixteen digits at a time, and 64 bits do the rest.
        while magnitude > u128::from(u64::MAX) {
            let mut block = (magnitude % POWERS[16]) as u64;
            magnitude /= POWERS[16];
            for _ in 0..4 {
                first -= 1;
                groups[first] = (block % BASE) as u16;
                block /= BASE;
            }
        }
        let mut narrow = magnitude as u64;
        while narrow > 0 {
            first -= 1;
            groups[first] = (narrow % BASE) as u16;
            narrow /= BASE;
        }
        first
    }
}

impl EncodedNumeric {
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    #[inline]
    fn push(&mut self, word: u16) {
        self.bytes[self.length..self.length + 2].copy_from_slice(&word.to_ne_bytes());
        self.length += 2;
    }

    /// Writes the length word, whose two flag bits lie at the end that is read first.
    fn finish(&mut self) {
        let length = self.length as u32;
        let word = if cfg!(target_endian = "big") {
            length
        } else {
            length << 2
        };
        self.bytes[..VARLENA_HEADER].copy_from_slice(&word.to_ne_bytes());
    }
}

/// Reads the payload of a `numeric`: what follows its length word. It need not be aligned.
pub fn decode(payload: &[u8]) -> NumericValue {
    let Some((header, rest)) = split_word(payload) else {
        return NumericValue::TooWide;
    };
    let (negative, scale, weight, groups) = match header & SIGN_MASK {
        SPECIAL => return decode_special(header),
        SHORT => {
            let scale = (header >> SHORT_SCALE_SHIFT) & SHORT_SCALE_MAX;
            // The weight has seven bits, the highest of them its sign.
            let weight = ((header & SHORT_WEIGHT_MASK) << 9) as i16 >> 9;
            (header & SHORT_NEGATIVE != 0, scale, weight, rest)
        }
        sign => {
            let Some((weight, groups)) = split_word(rest) else {
                return NumericValue::TooWide;
            };
            (
                sign == LONG_NEGATIVE,
                header & LONG_SCALE_MASK,
                weight as i16,
                groups,
            )
        }
    };
    if scale > u16::from(MAX_SCALE) || !groups.len().is_multiple_of(2) {
        return NumericValue::TooWide;
    }
    let finite = magnitude(groups, i32::from(weight), i32::from(scale))
        .and_then(|magnitude| with_sign(magnitude, negative))
        .map(|unscaled| Decimal {
            unscaled,
            scale: scale as u8,
        });
    finite.map_or(NumericValue::TooWide, NumericValue::Finite)
}

/// Digits that a `numeric` has before the point, rounded up to whole groups; of what `decode` finds
/// too wide as well.
pub fn integer_digits(payload: &[u8]) -> u32 {
    let weight = match split_word(payload) {
        Some((header, _)) if header & SIGN_MASK == SPECIAL => -1,
        Some((header, _)) if header & SIGN_MASK == SHORT => {
            i32::from(((header & SHORT_WEIGHT_MASK) << 9) as i16 >> 9)
        }
        Some((_, rest)) => split_word(rest).map_or(-1, |(weight, _)| i32::from(weight as i16)),
        None => -1,
    };
    (GROUP_DIGITS * (weight + 1)).max(0) as u32
}

fn decode_special(header: u16) -> NumericValue {
    match header & SPECIAL_MASK {
        NOT_A_NUMBER => NumericValue::NotANumber,
        POSITIVE_INFINITY => NumericValue::PositiveInfinity,
        NEGATIVE_INFINITY => NumericValue::NegativeInfinity,
        _ => NumericValue::TooWide,
    }
}

/// The digits as an integer at `scale`; `None` when it does not fit or digits lie beyond the scale.
#[inline]
fn magnitude(groups: &[u8], weight: i32, scale: i32) -> Option<u128> {
    let count = groups.len() / 2;
    if count == 0 {
        return Some(0);
    }
    if count > MAX_GROUPS {
        return None;
    }
    // Powers of ten from the end of the last group to the scale: negative when the group is padded.
    let shift = GROUP_DIGITS * (weight - count as i32 + 1) + scale;
    let (leading, last) = groups.split_at(groups.len() - 2);
    let last = group(last)?;
    let (last_factor, last_digits, shift) = if shift >= 0 {
        (BASE, last, *POWERS.get(shift as usize)?)
    } else {
        let padding = u64::from(*SMALL_POWERS.get(-shift as usize)?);
        if !last.is_multiple_of(padding) {
            return None;
        }
        (BASE / padding, last / padding, 1)
    };
    // Four groups are sixteen digits: 64 bits hold them.
    if count <= 4 {
        let mut value = 0;
        for bytes in leading.chunks_exact(2) {
            value = value * BASE + group(bytes)?;
        }
        value = value * last_factor + last_digits;
        return if shift == 1 {
            Some(value.into())
        } else {
            u128::from(value).checked_mul(shift)
        };
    }
    let mut value = 0u128;
    for bytes in leading.chunks_exact(2) {
        value = value
            .checked_mul(BASE.into())?
            .checked_add(group(bytes)?.into())?;
    }
    value = value
        .checked_mul(last_factor.into())?
        .checked_add(last_digits.into())?;
    value.checked_mul(shift)
}

#[inline]
fn group(bytes: &[u8]) -> Option<u64> {
    let digits = u64::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
    (digits < BASE).then_some(digits)
}

fn with_sign(magnitude: u128, negative: bool) -> Option<i128> {
    if negative {
        0i128.checked_sub_unsigned(magnitude)
    } else {
        i128::try_from(magnitude).ok()
    }
}

#[inline]
fn split_word(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_ne_bytes(*word), rest))
}

#[cfg(test)]
mod tests;
