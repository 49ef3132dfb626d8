//! JSON text as a sequence of tokens, without recursion and without touching a number's digits.

/// Deeper values are not cached: reading them back takes PostgreSQL's stack.
const MAX_DEPTH: usize = 1_000;
/// Within what PostgreSQL accepts for a numeric.
const MAX_DIGITS: usize = 16_000;
const MAX_EXPONENT: u32 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    /// With its quotes.
    String(&'a str),
    BeginArray,
    EndArray,
    BeginObject,
    EndObject,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Expect {
    /// A value.
    Value,
    /// The first element or the end of an array.
    FirstElement,
    /// The first key or the end of an object.
    FirstKey,
    Key,
    /// A comma or the end of what is open, or of the text.
    Next,
}

/// Checks the text as it goes: after an error or the end there is nothing more.
pub struct Tokens<'a> {
    text: &'a str,
    position: usize,
    /// For each open array or object whether it is an object.
    open: Vec<bool>,
    expect: Expect,
    is_valid: bool,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            position: 0,
            open: Vec::new(),
            expect: Expect::Value,
            is_valid: true,
        }
    }

    /// Whether all tokens were read and make one value.
    pub fn is_complete(&mut self) -> bool {
        self.skip_space();
        self.is_valid
            && self.open.is_empty()
            && self.expect == Expect::Next
            && self.position == self.text.len()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn token(&mut self) -> Option<Token<'a>> {
        self.skip_space();
        if self.expect == Expect::Next {
            let is_object = *self.open.last()?;
            return match self.peek()? {
                b',' => {
                    self.position += 1;
                    self.expect = if is_object {
                        Expect::Key
                    } else {
                        Expect::Value
                    };
                    self.token()
                }
                b']' if !is_object => self.close(Token::EndArray),
                b'}' if is_object => self.close(Token::EndObject),
                _ => None,
            };
        }
        let byte = self.peek()?;
        match (self.expect, byte) {
            (Expect::FirstElement, b']') => return self.close(Token::EndArray),
            (Expect::FirstKey, b'}') => return self.close(Token::EndObject),
            (Expect::FirstKey | Expect::Key, b'"') => {
                let key = self.string()?;
                self.skip_space();
                if self.peek()? != b':' {
                    return None;
                }
                self.position += 1;
                self.expect = Expect::Value;
                return Some(Token::String(key));
            }
            (Expect::FirstKey | Expect::Key, _) => return None,
            _ => {}
        }
        self.expect = Expect::Next;
        match byte {
            b'n' => self.word("null", Token::Null),
            b't' => self.word("true", Token::Bool(true)),
            b'f' => self.word("false", Token::Bool(false)),
            b'"' => self.string().map(Token::String),
            b'[' => self.begin(false, Expect::FirstElement, Token::BeginArray),
            b'{' => self.begin(true, Expect::FirstKey, Token::BeginObject),
            _ => self.number(),
        }
    }

    fn begin(&mut self, is_object: bool, expect: Expect, token: Token<'a>) -> Option<Token<'a>> {
        if self.open.len() == MAX_DEPTH {
            return None;
        }
        self.position += 1;
        self.open.push(is_object);
        self.expect = expect;
        Some(token)
    }

    fn close(&mut self, token: Token<'a>) -> Option<Token<'a>> {
        self.position += 1;
        self.open.pop();
        self.expect = Expect::Next;
        Some(token)
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Option<Token<'a>> {
        self.text[self.position..].strip_prefix(word)?;
        self.position += word.len();
        Some(token)
    }

    fn number(&mut self) -> Option<Token<'a>> {
        let rest = &self.text[self.position..];
        let length = rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let number = &rest[..length];
        if !is_number(number) {
            return None;
        }
        self.position += length;
        Some(Token::Number(number))
    }

    fn string(&mut self) -> Option<&'a str> {
        let start = self.position;
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        loop {
            match bytes.get(at)? {
                b'"' => break,
                b'\\' => at += escape_length(&bytes[at..])?,
                0..=0x1f => return None,
                _ => at += 1,
            }
        }
        self.position = at + 1;
        Some(&self.text[start..self.position])
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if !self.is_valid {
            return None;
        }
        let is_at_end = self.open.is_empty() && self.expect == Expect::Next;
        let token = self.token();
        self.is_valid = token.is_some() || is_at_end;
        token
    }
}

/// Length of the escape sequence that the bytes begin with, if PostgreSQL takes it as text.
fn escape_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => match code_unit(bytes)? {
            0 | 0xdc00..=0xdfff => None,
            0xd800..=0xdbff => match code_unit(bytes.get(6..)?)? {
                0xdc00..=0xdfff => Some(12),
                _ => None,
            },
            _ => Some(6),
        },
        _ => None,
    }
}

fn code_unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| {
        Some(unit * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// Whether this is a number of JSON that PostgreSQL can hold.
pub fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let are_digits = |text: &str| {
        !text.is_empty() && text.len() <= MAX_DIGITS && text.bytes().all(|b| b.is_ascii_digit())
    };
    let exponent_fits = |text: &str| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        are_digits(digits) && digits.parse::<u32>().is_ok_and(|e| e <= MAX_EXPONENT)
    };
    are_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(are_digits)
        && exponent.is_none_or(exponent_fits)
}

/// Keys and values of an object, as texts. None for anything else.
pub fn members(text: &str) -> Option<Vec<(String, &str)>> {
    let mut tokens = Tokens::new(text);
    if tokens.next() != Some(Token::BeginObject) {
        return None;
    }
    let mut members = Vec::new();
    while let Some(Token::String(key)) = tokens.next() {
        let start = tokens.position;
        tokens.next()?;
        while tokens.open.len() > 1 {
            tokens.next()?;
        }
        let key = serde_json::from_str(key).ok()?;
        members.push((key, text[start..tokens.position].trim()));
    }
    tokens.is_complete().then_some(members)
}

pub fn is_valid(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    while tokens.next().is_some() {}
    tokens.is_complete()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn texts_are_told_apart() {
        for text in [
            "null",
            " [1, -2.50 ,3e5,[],{}] ",
            r#"{"a":"x\u00e9\ud83d\ude00\n","":{"b":[true,false]}}"#,
            "\"é\"",
            "0",
            "-0.0",
        ] {
            assert!(is_valid(text), "{text}");
        }
        for text in [
            "",
            "nul",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{1:2}",
            "[1}",
            "{\"a\":1]",
            "1 2",
            "[",
            "]",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "1e99999",
            "--1",
            "\"a",
            r#""\u0000""#,
            r#""\ud800""#,
            r#""\udc00""#,
            r#""\x""#,
            "\"\n\"",
            "NaN",
        ] {
            assert!(!is_valid(text), "{text}");
        }
    }

    #[test]
    fn an_object_has_members() {
        let members = members(r#"{"a": 1.50, "b\n": {"c": [1]}, "": "x"}"#).expect("an object");
        let expected = [("a", "1.50"), ("b\n", r#"{"c": [1]}"#), ("", "\"x\"")];
        assert_eq!(
            members,
            expected.map(|(key, value)| (key.to_owned(), value))
        );
        assert_eq!(super::members("{}"), Some(vec![]));
        assert_eq!(super::members("[1]"), None);
        assert_eq!(super::members("{\"a\": 1"), None);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_valid(&nested(MAX_DEPTH)));
        assert!(!is_valid(&nested(MAX_DEPTH + 1)));
    }
}
