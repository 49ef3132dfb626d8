//! JSON text to MessagePack and back, with every digit of every number.
//!
//! A number is an integer or a 64-bit float of MessagePack only if that is written with the same
//! digits; any other, such as 1.50 or 1e400, is an extension of type 1 that holds its text.

use rmp::Marker;
use rmp::encode;
use serde_json::from_str;
use std::fmt::Write;

use super::json::{Token, Tokens, is_number};

const DECIMAL: i8 = 1;
const MAX_DEPTH: usize = 1_000;

/// None for a text that is not a value, or deeper than can be read back.
pub fn from_json(text: &str) -> Option<Vec<u8>> {
    let sizes = sizes(text)?;
    let mut sizes = sizes.into_iter();
    let mut bytes = Vec::with_capacity(text.len());
    for token in Tokens::new(text) {
        match token {
            Token::Null => encode::write_nil(&mut bytes).ok()?,
            Token::Bool(value) => encode::write_bool(&mut bytes, value).ok()?,
            Token::Number(number) => write_number(&mut bytes, number)?,
            Token::String(quoted) => write_string(&mut bytes, quoted)?,
            Token::BeginArray => {
                encode::write_array_len(&mut bytes, sizes.next()?).ok()?;
            }
            Token::BeginObject => {
                encode::write_map_len(&mut bytes, sizes.next()? / 2).ok()?;
            }
            Token::EndArray | Token::EndObject => {}
        }
    }
    Some(bytes)
}

/// How many tokens each array and object directly holds, in the order in which they begin.
fn sizes(text: &str) -> Option<Vec<u32>> {
    let mut sizes: Vec<u32> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut tokens = Tokens::new(text);
    for token in tokens.by_ref() {
        if matches!(token, Token::EndArray | Token::EndObject) {
            open.pop();
            continue;
        }
        if let Some(inside) = open.last() {
            sizes[*inside] = sizes[*inside].checked_add(1)?;
        }
        if matches!(token, Token::BeginArray | Token::BeginObject) {
            open.push(sizes.len());
            sizes.push(0);
        }
    }
    tokens.is_complete().then_some(sizes)
}

fn write_number(bytes: &mut Vec<u8>, number: &str) -> Option<()> {
    // these parse what they would not write, such as -0
    if let Some(value) = number
        .parse()
        .ok()
        .filter(|v: &u64| v.to_string() == number)
    {
        encode::write_uint(bytes, value).ok()?;
    } else if let Some(value) = number
        .parse()
        .ok()
        .filter(|v: &i64| v.to_string() == number)
    {
        encode::write_sint(bytes, value).ok()?;
    } else if let Some(value) = number
        .parse()
        .ok()
        .filter(|v: &f64| float_text(*v).as_deref() == Some(number))
    {
        encode::write_f64(bytes, value).ok()?;
    } else {
        encode::write_ext_meta(bytes, u32::try_from(number.len()).ok()?, DECIMAL).ok()?;
        bytes.extend_from_slice(number.as_bytes());
    }
    Some(())
}

/// How a float is written; always with a point, so that it stays a float.
fn float_text(value: f64) -> Option<String> {
    let text = format!("{value:?}");
    (value.is_finite() && text.contains('.') && is_number(&text)).then_some(text)
}

fn write_string(bytes: &mut Vec<u8>, quoted: &str) -> Option<()> {
    let inner = &quoted[1..quoted.len() - 1];
    if inner.contains('\\') {
        encode::write_str(bytes, &from_str::<String>(quoted).ok()?).ok()
    } else {
        encode::write_str(bytes, inner).ok()
    }
}

/// None for anything but one value as `from_json` writes them. The text is at most `limit` bytes.
pub fn to_json(bytes: &[u8], limit: usize) -> Option<String> {
    let mut input = Input { bytes };
    let mut text = String::with_capacity(bytes.len().min(limit));
    // what is open: how many values are missing, and whether it is a map
    let mut open: Vec<(u32, bool)> = Vec::new();
    loop {
        // a key of a map comes with an even number of values missing
        let is_key = matches!(open.last(), Some((missing, true)) if missing % 2 == 0);
        let begun = input.value(&mut text, is_key)?;
        if text.len() > limit {
            return None;
        }
        match begun {
            Some(new) if open.len() < MAX_DEPTH => open.push(new),
            Some(_) => return None,
            None => {}
        }
        if begun.is_none_or(|(missing, _)| missing == 0) && finish(&mut open, &mut text, begun) {
            break;
        }
    }
    (input.bytes.is_empty() && text.len() <= limit).then_some(text)
}

/// After a value: separators and ends. True when nothing is open any more.
fn finish(open: &mut Vec<(u32, bool)>, text: &mut String, begun: Option<(u32, bool)>) -> bool {
    let mut is_just_begun = begun.is_some();
    loop {
        let Some((missing, is_map)) = open.last_mut() else {
            return true;
        };
        if !is_just_begun {
            *missing -= 1;
        }
        is_just_begun = false;
        if *missing > 0 {
            text.push(if *is_map && *missing % 2 == 1 {
                ':'
            } else {
                ','
            });
            return false;
        }
        text.push(if *is_map { '}' } else { ']' });
        open.pop();
    }
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn number<const BYTES: usize>(&mut self) -> Option<[u8; BYTES]> {
        self.take(BYTES)?.try_into().ok()
    }

    fn length(&mut self, bytes: u8) -> Option<usize> {
        Some(match bytes {
            1 => usize::from(u8::from_be_bytes(self.number()?)),
            2 => usize::from(u16::from_be_bytes(self.number()?)),
            _ => u32::from_be_bytes(self.number()?) as usize,
        })
    }

    fn string(&mut self, text: &mut String, length: usize) -> Option<()> {
        let string = std::str::from_utf8(self.take(length)?).ok()?;
        // PostgreSQL's text has no such character
        if string.contains('\0') {
            return None;
        }
        text.push_str(&serde_json::to_string(string).ok()?);
        Some(())
    }

    fn array(&mut self, text: &mut String, length: usize) -> Option<Option<(u32, bool)>> {
        text.push('[');
        self.begin(length, false)
    }

    fn map(&mut self, text: &mut String, length: usize) -> Option<Option<(u32, bool)>> {
        text.push('{');
        self.begin(length.checked_mul(2)?, true)
    }

    /// No more values than there are bytes for.
    fn begin(&mut self, values: usize, is_map: bool) -> Option<Option<(u32, bool)>> {
        if values > self.bytes.len() {
            return None;
        }
        Some(Some((u32::try_from(values).ok()?, is_map)))
    }

    fn decimal(&mut self, text: &mut String, length: usize) -> Option<()> {
        if i8::from_be_bytes(self.number()?) != DECIMAL {
            return None;
        }
        let number = std::str::from_utf8(self.take(length)?).ok()?;
        if !is_number(number) {
            return None;
        }
        text.push_str(number);
        Some(())
    }

    /// Writes one value, or the beginning of one that holds others: then how many and whether it is
    /// a map.
    fn value(&mut self, text: &mut String, is_key: bool) -> Option<Option<(u32, bool)>> {
        let marker = Marker::from_u8(u8::from_be_bytes(self.number()?));
        let is_string = matches!(
            marker,
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32
        );
        if is_key && !is_string {
            return None;
        }
        // writing to a String does not fail
        let mut print = |number: &dyn std::fmt::Display| write!(text, "{number}").ok();
        match marker {
            Marker::Null => text.push_str("null"),
            Marker::True => text.push_str("true"),
            Marker::False => text.push_str("false"),
            Marker::FixPos(value) => print(&value)?,
            Marker::FixNeg(value) => print(&value)?,
            Marker::U8 => print(&u8::from_be_bytes(self.number()?))?,
            Marker::U16 => print(&u16::from_be_bytes(self.number()?))?,
            Marker::U32 => print(&u32::from_be_bytes(self.number()?))?,
            Marker::U64 => print(&u64::from_be_bytes(self.number()?))?,
            Marker::I8 => print(&i8::from_be_bytes(self.number()?))?,
            Marker::I16 => print(&i16::from_be_bytes(self.number()?))?,
            Marker::I32 => print(&i32::from_be_bytes(self.number()?))?,
            Marker::I64 => print(&i64::from_be_bytes(self.number()?))?,
            Marker::F64 => text.push_str(&float_text(f64::from_be_bytes(self.number()?))?),
            Marker::FixStr(length) => self.string(text, usize::from(length))?,
            Marker::Str8 => {
                let length = self.length(1)?;
                self.string(text, length)?;
            }
            Marker::Str16 => {
                let length = self.length(2)?;
                self.string(text, length)?;
            }
            Marker::Str32 => {
                let length = self.length(4)?;
                self.string(text, length)?;
            }
            Marker::FixArray(length) => return self.array(text, usize::from(length)),
            Marker::Array16 => {
                let length = self.length(2)?;
                return self.array(text, length);
            }
            Marker::Array32 => {
                let length = self.length(4)?;
                return self.array(text, length);
            }
            Marker::FixMap(length) => return self.map(text, usize::from(length)),
            Marker::Map16 => {
                let length = self.length(2)?;
                return self.map(text, length);
            }
            Marker::Map32 => {
                let length = self.length(4)?;
                return self.map(text, length);
            }
            Marker::FixExt1 => self.decimal(text, 1)?,
            Marker::FixExt2 => self.decimal(text, 2)?,
            Marker::FixExt4 => self.decimal(text, 4)?,
            Marker::FixExt8 => self.decimal(text, 8)?,
            Marker::FixExt16 => self.decimal(text, 16)?,
            Marker::Ext8 => {
                let length = self.length(1)?;
                self.decimal(text, length)?;
            }
            Marker::Ext16 => {
                let length = self.length(2)?;
                self.decimal(text, length)?;
            }
            Marker::Ext32 => {
                let length = self.length(4)?;
                self.decimal(text, length)?;
            }
            Marker::F32 | Marker::Bin8 | Marker::Bin16 | Marker::Bin32 | Marker::Reserved => {
                return None;
            }
        }
        Some(None)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_digit_survives() {
        let text = format!(
            r#"[0,-0,-1,127,128,255,256,65536,4294967296,9223372036854775807,9223372036854775808,18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809,0.1,1.5,1.50,0.1000000000000000055511151231257827,1e400,1E+5,-0.0,1{zeros},1e16,0.{zeros}1,123456789.123456789123456789,"a\"\\é\u0001",null,true,false,{{"a":{{}},"b":[],"c":[[1],{{"d":"e"}}]}}]"#,
            zeros = "0".repeat(400)
        );
        let bytes = from_json(&text).expect("a value");
        assert_eq!(to_json(&bytes, 10_000).as_deref(), Some(text.as_str()));
    }

    #[test]
    fn scalars_and_empty_containers() {
        for text in [
            "null",
            "[]",
            "{}",
            "[[]]",
            "{\"a\":{}}",
            "\"\"",
            "-32",
            "-33",
        ] {
            let bytes = from_json(text).expect("a value");
            assert_eq!(to_json(&bytes, 100).as_deref(), Some(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_value_is_refused() {
        for bytes in [
            &b""[..],
            b"\xc0\xc0",
            b"\xdd\xff\xff\xff\xff",
            b"\xdf\xff\xff\xff\xff",
            b"\x81\x01\x02",
            b"\x81\xa1a",
            b"\xa5abc",
            b"\xa1\xff",
            b"\xa1\x00",
            b"\xd4\x02\x31",
            b"\xd4\x01x",
            b"\xca\x00\x00\x00\x00",
            b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",
            b"\xc1",
        ] {
            assert_eq!(to_json(bytes, 1_000), None, "{bytes:?}");
        }
        assert_eq!(to_json(&[0x91; 5_000], 1 << 20), None);
        assert_eq!(to_json(&from_json("[1,2,3]").expect("a value"), 6), None);
    }
}
