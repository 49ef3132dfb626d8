//! Columns as the text of keys: one text for one value, whatever the session's settings are.

use pgrx::pg_sys;
use std::ffi::CStr;

use crate::calendar::Month;

/// How a column becomes text.
#[derive(Clone, Copy)]
pub enum Format {
    Int2,
    Int4,
    Int8,
    Bool,
    Text,
    Uuid,
    Date,
    /// By the type's output function.
    Other(pg_sys::Oid),
}

impl Format {
    pub fn of(type_oid: pg_sys::Oid) -> Self {
        // SAFETY: catalog look-ups by value.
        let (base, output) = unsafe {
            let mut output = pg_sys::InvalidOid;
            let mut is_varlena = false;
            pg_sys::getTypeOutputInfo(type_oid, &mut output, &mut is_varlena);
            (pg_sys::getBaseType(type_oid), output)
        };
        match base {
            pg_sys::INT2OID => Self::Int2,
            pg_sys::INT4OID => Self::Int4,
            pg_sys::INT8OID => Self::Int8,
            pg_sys::BOOLOID => Self::Bool,
            pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID => Self::Text,
            pg_sys::UUIDOID => Self::Uuid,
            pg_sys::DATEOID => Self::Date,
            _ => Self::Other(output),
        }
    }

    /// Whether equal datums are equal values, so that they have one text.
    pub fn is_word(self) -> bool {
        matches!(
            self,
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Bool | Self::Date
        )
    }

    /// Whether writing a value may take memory of the current context.
    pub fn allocates(self) -> bool {
        matches!(self, Self::Text | Self::Other(_))
    }
}

/// Whether the text of a type may depend on settings: of those that are not known not to.
pub fn depends_on_settings(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups by value.
    let (base, is_enum) = unsafe {
        let base = pg_sys::getBaseType(type_oid);
        (base, pg_sys::type_is_enum(base))
    };
    !is_enum
        && !matches!(
            base,
            pg_sys::INT2OID
                | pg_sys::INT4OID
                | pg_sys::INT8OID
                | pg_sys::OIDOID
                | pg_sys::BOOLOID
                | pg_sys::TEXTOID
                | pg_sys::VARCHAROID
                | pg_sys::BPCHAROID
                | pg_sys::CHAROID
                | pg_sys::NAMEOID
                | pg_sys::UUIDOID
                | pg_sys::NUMERICOID
                | pg_sys::INETOID
                | pg_sys::CIDROID
                | pg_sys::MACADDROID
                | pg_sys::JSONOID
                | pg_sys::JSONBOID
                | pg_sys::DATEOID
        )
}

/// Appends the text of a value that is not NULL.
///
/// # Safety
/// The datum is of the type that the format was made for.
pub unsafe fn write(text: &mut Vec<u8>, format: Format, datum: pg_sys::Datum) {
    match format {
        Format::Int2 => write_integer(text, i64::from(datum.value() as i16)),
        Format::Int4 => write_integer(text, i64::from(datum.value() as i32)),
        Format::Int8 => write_integer(text, datum.value() as i64),
        Format::Bool => text.push(if datum.value() & 0xff == 0 {
            b'f'
        } else {
            b't'
        }),
        // SAFETY: the datum is a varlena that stays as it is during the call.
        Format::Text => unsafe {
            let varlena = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
            let length = pgrx::varsize_any_exhdr(varlena);
            let data = pgrx::vardata_any(varlena).cast::<u8>();
            text.extend_from_slice(std::slice::from_raw_parts(data, length));
        },
        // SAFETY: a uuid has 16 bytes.
        Format::Uuid => unsafe {
            write_uuid(text, &*datum.cast_mut_ptr::<[u8; 16]>());
        },
        Format::Date => write_date(text, datum.value() as i32),
        // SAFETY: the output function of the datum's type.
        Format::Other(output) => unsafe { write_by_function(text, output, datum) },
    }
}

unsafe fn write_by_function(text: &mut Vec<u8>, output: pg_sys::Oid, datum: pg_sys::Datum) {
    // SAFETY: as the caller promises; the result is a C string of the current memory context.
    unsafe {
        let written = pg_sys::OidOutputFunctionCall(output, datum);
        text.extend_from_slice(CStr::from_ptr(written).to_bytes());
        pg_sys::pfree(written.cast());
    }
}

fn write_integer(text: &mut Vec<u8>, number: i64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        text.push(b'-');
    }
    text.extend_from_slice(&digits[first..]);
}

fn write_uuid(text: &mut Vec<u8>, uuid: &[u8; 16]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut written = [b'-'; 36];
    let mut place = 0;
    for (position, byte) in uuid.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            place += 1;
        }
        written[place] = DIGITS[usize::from(byte >> 4)];
        written[place + 1] = DIGITS[usize::from(byte & 15)];
        place += 2;
    }
    text.extend_from_slice(&written);
}

/// As the ISO style writes days.
fn write_date(text: &mut Vec<u8>, day: i32) {
    match day {
        i32::MIN => return text.extend_from_slice(b"-infinity"),
        i32::MAX => return text.extend_from_slice(b"infinity"),
        _ => {}
    }
    let (Month(months), day_of_month) = Month::of_day(day);
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    // The year before the year 1 is 1 BC.
    let of_era = if year > 0 { year } else { 1 - year };
    write_padded(text, of_era, 4);
    text.push(b'-');
    write_padded(text, month, 2);
    text.push(b'-');
    write_padded(text, i32::from(day_of_month), 2);
    if year <= 0 {
        text.extend_from_slice(b" BC");
    }
}

fn write_padded(text: &mut Vec<u8>, number: i32, width: u32) {
    let mut divisor = 10_i32.pow(width - 1);
    while number / divisor >= 10 {
        divisor *= 10;
    }
    while divisor > 0 {
        text.push(b'0' + (number / divisor % 10) as u8);
        divisor /= 10;
    }
}

/// Whether two values of one column have the same image. Those that do not may still be equal.
///
/// # Safety
/// Both are of a type with this length and way of passing.
pub unsafe fn same(left: pg_sys::Datum, right: pg_sys::Datum, by_value: bool, length: i16) -> bool {
    if by_value || left == right {
        return left == right;
    }
    // SAFETY: as the caller promises.
    unsafe {
        match length {
            -1 => varlena(left) == varlena(right),
            -2 => CStr::from_ptr(left.cast_mut_ptr()) == CStr::from_ptr(right.cast_mut_ptr()),
            length => bytes(left, length as usize) == bytes(right, length as usize),
        }
    }
}

unsafe fn bytes<'a>(datum: pg_sys::Datum, length: usize) -> &'a [u8] {
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(datum.cast_mut_ptr::<u8>(), length) }
}

unsafe fn varlena<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: as the caller promises; what is detoasted is of the current memory context.
    unsafe {
        let varlena = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
        let data = pgrx::vardata_any(varlena).cast::<u8>();
        std::slice::from_raw_parts(data, pgrx::varsize_any_exhdr(varlena))
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        write(&mut text);
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn integers_are_written_as_rust_does() {
        for number in [0, 7, -7, 10, 4_711, i64::MAX, i64::MIN] {
            assert_eq!(
                written(|text| write_integer(text, number)),
                number.to_string()
            );
        }
    }

    #[test]
    fn uuids_are_written_with_hyphens() {
        let uuid = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10";
        assert_eq!(
            written(|text| write_uuid(text, &uuid)),
            "01234567-89ab-cdef-fedc-ba9876543210"
        );
    }

    #[test]
    fn days_are_written_as_the_iso_style_does() {
        for (day, expected) in [
            (0, "2000-01-01"),
            (8_825, "2024-02-29"),
            (-730_119, "0001-01-01"),
            (-730_120, "0001-12-31 BC"),
            (-746_395, "0045-06-10 BC"),
            (2_921_939, "9999-12-31"),
            (2_921_940, "10000-01-01"),
            (2_145_031_948, "5874897-12-31"),
            (-2_451_545, "4714-11-24 BC"),
            (i32::MAX, "infinity"),
            (i32::MIN, "-infinity"),
        ] {
            assert_eq!(written(|text| write_date(text, day)), expected);
        }
    }
}
