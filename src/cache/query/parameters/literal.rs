//! The text form of a JSON value that an input function of PostgreSQL takes.

use serde_json::value::RawValue;
use std::fmt;

/// What a value is that has no text form of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literal {
    Object,
    Array,
    /// Not an array though the type is one.
    Scalar,
}

impl fmt::Display for Literal {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::Scalar => "no array",
        })
    }
}

/// `delimiter` is that of an array type's elements; `as_json` says that the type, or that of the
/// elements, is json itself. JSON null is the NULL of every type. A text is taken as it is, so that
/// an array may come in PostgreSQL's own notation, too.
pub fn literal(
    value: &str,
    delimiter: Option<char>,
    as_json: bool,
) -> Result<Option<String>, Literal> {
    match (value.as_bytes().first(), delimiter) {
        (Some(b'n'), _) => Ok(None),
        (Some(b'['), Some(delimiter)) => {
            let mut text = String::with_capacity(value.len() + 2);
            array(value, delimiter, as_json, &mut text)?;
            Ok(Some(text))
        }
        (Some(b'"'), Some(_)) => Ok(Some(unquoted(value))),
        (Some(b'{'), Some(_)) => Err(Literal::Object),
        (_, Some(_)) => Err(Literal::Scalar),
        (_, None) => scalar(value, as_json).map(Some),
    }
}

fn scalar(value: &str, as_json: bool) -> Result<String, Literal> {
    match value.as_bytes().first() {
        _ if as_json => Ok(value.to_owned()),
        Some(b'"') => Ok(unquoted(value)),
        Some(b'{') => Err(Literal::Object),
        Some(b'[') => Err(Literal::Array),
        _ => Ok(value.to_owned()),
    }
}

fn unquoted(value: &str) -> String {
    serde_json::from_str(value).unwrap_or_default()
}

fn array(value: &str, delimiter: char, as_json: bool, text: &mut String) -> Result<(), Literal> {
    let elements: Vec<&RawValue> = serde_json::from_str(value).map_err(|_| Literal::Array)?;
    text.push('{');
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            text.push(delimiter);
        }
        let element = element.get();
        match element.as_bytes().first() {
            Some(b'n') => text.push_str("NULL"),
            Some(b'[') if !as_json => array(element, delimiter, as_json, text)?,
            _ => quote(&scalar(element, as_json)?, text),
        }
    }
    text.push('}');
    Ok(())
}

fn quote(element: &str, text: &mut String) {
    text.push('"');
    for character in element.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

#[cfg(test)]
mod unit {
    use super::*;

    fn text(value: &str) -> Option<String> {
        literal(value, None, false).unwrap()
    }

    fn in_array(value: &str) -> Option<String> {
        literal(value, Some(','), false).unwrap()
    }

    #[test]
    fn scalars_keep_every_digit() {
        assert_eq!(text("null"), None);
        assert_eq!(text("true").unwrap(), "true");
        assert_eq!(text(r#""a \"b\" ü\u0041""#).unwrap(), "a \"b\" üA");
        let digits = "-0.1000000000000000055511151231257827e5";
        assert_eq!(text(digits).unwrap(), digits);
    }

    #[test]
    fn json_stays_json() {
        for value in [r#""a""#, "1", r#"{"a": [1]}"#, "[1, 2]"] {
            assert_eq!(literal(value, None, true).unwrap().unwrap(), value);
        }
        assert_eq!(
            literal(r#"[{"a": "b\""}, [1]]"#, Some(','), true)
                .unwrap()
                .unwrap(),
            r#"{"{\"a\": \"b\\\"\"}","[1]"}"#
        );
    }

    #[test]
    fn arrays_are_quoted_element_by_element() {
        assert_eq!(
            in_array(r#"["a,b", "c\"}", "d\\", null, "", "NULL", 1]"#).unwrap(),
            r#"{"a,b","c\"}","d\\",NULL,"","NULL","1"}"#
        );
        assert_eq!(
            in_array("[[1, 2], [3, null]]").unwrap(),
            r#"{{"1","2"},{"3",NULL}}"#
        );
        assert_eq!(in_array("[]").unwrap(), "{}");
        assert_eq!(in_array("\"{1,2}\"").unwrap(), "{1,2}");
        assert_eq!(
            literal("[1, 2]", Some(';'), false).unwrap().unwrap(),
            r#"{"1";"2"}"#
        );
    }

    #[test]
    fn what_has_no_text_form_is_said() {
        assert_eq!(literal("{}", None, false), Err(Literal::Object));
        assert_eq!(literal("[1]", None, false), Err(Literal::Array));
        assert_eq!(literal("1", Some(','), false), Err(Literal::Scalar));
        assert_eq!(literal("[{}]", Some(','), false), Err(Literal::Object));
    }
}
