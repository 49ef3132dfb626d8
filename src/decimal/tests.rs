use super::*;

/// Payloads read from the pages of a table, with the text PostgreSQL shows for them.
const STORED: &[(&str, &str)] = &[
    ("0", "0080"),
    ("0.00", "0081"),
    ("1", "00800100"),
    ("-1", "00a00100"),
    ("9999", "00800f27"),
    ("10000", "01800100"),
    ("10001", "018001000100"),
    ("123456789", "028001002909851a"),
    ("0.1", "ff80e803"),
    ("0.10", "7f81e803"),
    ("-0.0001", "7fa20100"),
    ("0.00001", "fe82e803"),
    ("12.5", "80800c008813"),
    ("12.50", "00810c008813"),
    ("-1234.5678", "00a2d2042e16"),
    ("100000000", "02800100"),
    ("1000000000000", "03800100"),
    ("99999999999999999999", "04800f270f270f270f270f27"),
    ("9223372036854775807", "04809a032c0d70016515af16"),
    ("-9223372036854775808", "04a09a032c0d70016515b016"),
    (
        "170141183460469231731687303715884105727",
        "0980aa0083059a20d5010d09600c871cf61bda205f16",
    ),
    (
        "-170141183460469231731687303715884105728",
        "09a0aa0083059a20d5010d09600c871cf61bda206016",
    ),
    (
        "1.70141183460469231731687303715884105727",
        "00930100661b9f04fc110b1bc306d91a7301fc1621048c0a",
    ),
    (
        "-1.70141183460469231731687303715884105728",
        "00b30100661b9f04fc110b1bc306d91a7301fc162104f00a",
    ),
    ("0.00000000000000000000000000000000000001", "76936400"),
    (
        "0.12345678901234567890123456789012345678",
        "7f93d2042e163423800dd21ed2042e163423800d781e",
    ),
    ("3.14159", "8082030087052823"),
    ("10000.0000", "01820100"),
    ("20000.00050", "8182020000000500"),
    (
        "5000000000000000000000.25",
        "0581320000000000000000000000c409",
    ),
];

/// Likewise, beyond what a `Decimal` holds.
const STORED_TOO_WIDE: &[&str] = &[
    "0980aa0083059a20d5010d09600c871cf61bda206016", // 2^127
    "f6930a00",                                     // 1e-39
    "0a800100",                                     // 1e40
    "4000f0ff0100",                                 // 1e-64, long format
    "40000000",                                     // 0 with 64 digits after the point
    "000041000100",                                 // 1e260, long format
];

/// The vectors are of a little-endian machine; here they become those of this one.
fn payload(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(4)
        .flat_map(|word| {
            let word = u16::from_str_radix(str::from_utf8(word).unwrap(), 16).unwrap();
            word.swap_bytes().to_ne_bytes()
        })
        .collect()
}

fn parse(text: &str) -> Decimal {
    let scale = text
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    Decimal {
        unscaled: text.replace('.', "").parse().unwrap(),
        scale: scale as u8,
    }
}

fn encoded(value: Decimal) -> Vec<u8> {
    let mut out = vec![0xAA];
    out.extend_from_slice(value.to_numeric().as_bytes());
    assert_eq!(out.remove(0), 0xAA, "encoding appends");
    let length = u32::from_ne_bytes(out[..4].try_into().unwrap());
    let length = if cfg!(target_endian = "big") {
        length
    } else {
        length >> 2
    };
    assert_eq!(length as usize, out.len());
    out.split_off(4)
}

/// A fixed sequence, so that a failure can be run again.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Of every width, often with zeros at the end.
    fn unscaled(&mut self) -> i128 {
        let wide = (u128::from(self.next()) << 64 | u128::from(self.next())) as i128;
        let value = wide >> self.below(128);
        let zeros = POWERS[self.below(20) as usize] as i128;
        if self.below(2) == 0 {
            value / zeros * zeros
        } else {
            value
        }
    }
}

/// The payload as numeric.c describes it, made from decimal text with one character per digit.
fn payload_from_text(value: Decimal) -> Vec<u8> {
    let scale = usize::from(value.scale);
    let mut digits = value.unscaled.unsigned_abs().to_string();
    while digits.len() <= scale {
        digits.insert(0, '0');
    }
    let mut whole_digits = digits.len() - scale;
    while !digits.len().is_multiple_of(4) || !whole_digits.is_multiple_of(4) {
        if whole_digits.is_multiple_of(4) {
            digits.push('0');
        } else {
            digits.insert(0, '0');
            whole_digits += 1;
        }
    }
    let mut groups: Vec<u16> = (0..digits.len() / 4)
        .map(|at| digits[4 * at..4 * at + 4].parse().unwrap())
        .collect();
    let mut weight = whole_digits as i16 / 4 - 1;
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    let negative = u16::from(value.unscaled < 0);
    let scale = u16::from(value.scale);
    let mut words = if scale <= 63 {
        vec![0x8000 | negative << 13 | scale << 7 | (weight as u16 & 0x7F)]
    } else {
        vec![negative << 14 | scale, weight as u16]
    };
    words.extend(groups);
    words.into_iter().flat_map(u16::to_ne_bytes).collect()
}

#[test]
fn reads_and_writes_what_postgresql_stores() {
    for (text, hex) in STORED {
        let value = parse(text);
        assert_eq!(decode(&payload(hex)), NumericValue::Finite(value), "{text}");
        assert_eq!(encoded(value), payload(hex), "{text}");
    }
}

#[test]
fn values_beyond_its_range_are_too_wide() {
    for hex in STORED_TOO_WIDE {
        assert_eq!(decode(&payload(hex)), NumericValue::TooWide, "{hex}");
    }
}

#[test]
fn special_values_are_told_apart() {
    assert_eq!(decode(&payload("00c0")), NumericValue::NotANumber);
    assert_eq!(decode(&payload("00d0")), NumericValue::PositiveInfinity);
    assert_eq!(decode(&payload("00f0")), NumericValue::NegativeInfinity);
    assert_eq!(decode(&payload("00e0")), NumericValue::TooWide);
}

#[test]
fn the_long_format_is_read_for_small_values_too() {
    // Nothing forbids it: pos, scale 2, weight 0; neg, scale 2, weight 0.
    assert_eq!(
        decode(&payload("020000000c008813")),
        NumericValue::Finite(parse("12.50"))
    );
    assert_eq!(
        decode(&payload("024000000c008813")),
        NumericValue::Finite(parse("-12.50"))
    );
}

#[test]
fn malformed_payloads_are_too_wide() {
    let malformed = [
        vec![],
        vec![0x00],
        payload("0000"),             // long format without a weight
        payload("00801027"),         // a group of 10000
        payload("0080ffff"),         // a group of 65535
        payload("0081010001000100"), // digits beyond the scale
        payload("00800c008813"),     // 12.5 that shows no fraction
        [payload("00800100"), vec![1]].concat(),
    ];
    for bytes in malformed {
        assert_eq!(decode(&bytes), NumericValue::TooWide, "{bytes:02x?}");
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut sequence = Sequence(1);
    for _ in 0..300_000 {
        let length = sequence.below(40) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| sequence.next() as u8).collect();
        if sequence.below(2) == 0 {
            // Valid groups, so that more than the first check is reached.
            for pair in bytes.chunks_exact_mut(2).skip(1) {
                pair.copy_from_slice(&(sequence.below(10_000) as u16).to_ne_bytes());
            }
        }
        if let NumericValue::Finite(value) = decode(&bytes) {
            let again = value.to_numeric();
            assert_eq!(decode(&again.as_bytes()[4..]), NumericValue::Finite(value));
        }
    }
}

#[test]
fn random_values_are_encoded_as_their_text_says() {
    let mut sequence = Sequence(2);
    for _ in 0..200_000 {
        let value = Decimal {
            unscaled: sequence.unscaled(),
            scale: sequence.below(39) as u8,
        };
        let payload = encoded(value);
        assert_eq!(payload, payload_from_text(value), "{value:?}");
        assert_eq!(decode(&payload), NumericValue::Finite(value), "{value:?}");
    }
}

#[test]
fn extremes_are_encoded_at_every_scale() {
    for scale in 0..=u8::MAX {
        for unscaled in [
            0,
            1,
            -1,
            9999,
            10_000,
            i128::MAX,
            i128::MIN,
            u64::MAX.into(),
        ] {
            let value = Decimal { unscaled, scale };
            assert_eq!(encoded(value), payload_from_text(value), "{value:?}");
            let expected = match scale {
                0..=38 => NumericValue::Finite(value),
                _ => NumericValue::TooWide,
            };
            assert_eq!(decode(&encoded(value)), expected, "{value:?}");
        }
    }
}

#[test]
fn encoded_values_are_aligned() {
    let encoded = parse("7").to_numeric();
    assert_eq!(encoded.as_bytes().as_ptr().addr() % 8, 0);
}
