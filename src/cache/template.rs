//! Templates of keys, tags and channels: text with columns in braces, such as
//! `inventory:{tenant_id}:{product_id}`.
//!
//! `{{` and `}}` stand for one brace. The text is that of the database's encoding, so it is bytes.

use super::invalidate::RESERVED_PREFIX;

/// An argument of the trigger.
#[derive(Debug, PartialEq)]
pub enum Argument {
    Template(Template),
    /// Rows of an UPDATE count only if such a column changed.
    When(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Key,
    Tag,
    Channel,
}

impl Target {
    /// What a template of this kind begins with as an argument of the trigger.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Key => "",
            Self::Tag => "tag:",
            Self::Channel => "channel:",
        }
    }
}

pub const WHEN_PREFIX: &str = "when:";

#[derive(Debug, PartialEq)]
pub struct Template {
    pub target: Target,
    pub parts: Vec<Part>,
}

#[derive(Debug, PartialEq)]
pub enum Part {
    Text(Vec<u8>),
    Column(Vec<u8>),
}

/// What is wrong with a template.
pub type Mistake = &'static str;

impl Argument {
    pub fn parse(argument: &[u8]) -> Result<Self, Mistake> {
        if let Some(column) = argument.strip_prefix(WHEN_PREFIX.as_bytes()) {
            if column.is_empty() {
                return Err("it names no column");
            }
            return Ok(Self::When(column.to_vec()));
        }
        for target in [Target::Tag, Target::Channel] {
            if let Some(text) = argument.strip_prefix(target.prefix().as_bytes()) {
                return Ok(Self::Template(Template::parse(target, text)?));
            }
        }
        Ok(Self::Template(Template::parse(Target::Key, argument)?))
    }
}

impl Template {
    pub fn parse(target: Target, text: &[u8]) -> Result<Self, Mistake> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match (byte, after.first()) {
                (b'{', Some(b'{')) | (b'}', Some(b'}')) => {
                    literal.push(byte);
                    rest = &after[1..];
                }
                (b'{', _) => {
                    let Some(length) = after.iter().position(|byte| *byte == b'}') else {
                        return Err("a brace is not closed");
                    };
                    let column = &after[..length];
                    if column.is_empty() {
                        return Err("a pair of braces names no column");
                    }
                    if column.contains(&b'{') {
                        return Err("a brace is not closed");
                    }
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Column(column.to_vec()));
                    rest = &after[length + 1..];
                }
                (b'}', _) => return Err("a brace is closed that is not open"),
                _ => literal.push(byte),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        match parts.first() {
            None => Err("it is empty"),
            Some(Part::Text(text))
                if target == Target::Key && text.starts_with(RESERVED_PREFIX.as_bytes()) =>
            {
                Err("keys that begin with \"inventory_perf:\" belong to the extension")
            }
            _ => Ok(Self { target, parts }),
        }
    }

    pub fn has_columns(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Column(_)))
    }

    /// A pattern that matches whatever the template can become.
    pub fn pattern(&self) -> Vec<u8> {
        let mut pattern = Vec::new();
        let mut after_column = false;
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    for byte in text {
                        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
                            pattern.push(b'\\');
                        }
                        pattern.push(*byte);
                    }
                    after_column = false;
                }
                Part::Column(_) if after_column => {}
                Part::Column(_) => {
                    pattern.push(b'*');
                    after_column = true;
                }
            }
        }
        pattern
    }

    /// The text with a `*` for every column, where it is not read as a pattern.
    pub fn starred(&self) -> Vec<u8> {
        self.parts.iter().fold(Vec::new(), |mut text, part| {
            match part {
                Part::Text(literal) => text.extend_from_slice(literal),
                Part::Column(_) => text.push(b'*'),
            }
            text
        })
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::cache::matching;

    fn template(text: &str) -> Template {
        match Argument::parse(text.as_bytes()) {
            Ok(Argument::Template(template)) => template,
            other => panic!("{text} is {other:?}"),
        }
    }

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    fn column(name: &str) -> Part {
        Part::Column(name.into())
    }

    #[test]
    fn columns_stand_in_braces() {
        let parsed = template("inventory:{tenant_id}:{Product \"Id\"}");
        assert_eq!(parsed.target, Target::Key);
        assert_eq!(
            parsed.parts,
            [
                text("inventory:"),
                column("tenant_id"),
                text(":"),
                column("Product \"Id\"")
            ]
        );
    }

    #[test]
    fn doubled_braces_are_text() {
        assert_eq!(
            template("{{{tenant}}}:stock").parts,
            [text("{"), column("tenant"), text("}:stock")]
        );
        assert_eq!(template("{{}}").parts, [text("{}")]);
        assert!(!template("{{tenant}}").has_columns());
    }

    #[test]
    fn a_prefix_says_what_a_template_is_of() {
        assert_eq!(template("tag:stock:{a}").target, Target::Tag);
        assert_eq!(template("tag:stock:{a}").parts[0], text("stock:"));
        assert_eq!(template("channel:{a}").target, Target::Channel);
        assert_eq!(template("{a}tag:").target, Target::Key);
        assert_eq!(
            Argument::parse(b"when:a, b"),
            Ok(Argument::When(b"a, b".into()))
        );
    }

    #[test]
    fn mistakes_are_told() {
        for wrong in [
            "",
            "tag:",
            "channel:",
            "when:",
            "{",
            "}",
            "a{b",
            "a}b",
            "{}",
            "{a}}",
            "{{a}",
            "{a{b}",
            "inventory_perf:x",
        ] {
            assert!(Argument::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(Argument::parse(b"tag:inventory_perf:x").is_ok());
    }

    #[test]
    fn a_pattern_matches_whatever_a_template_becomes() {
        let pattern = |text: &str| String::from_utf8(template(text).pattern()).expect("text");
        assert_eq!(pattern("stock:{a}:{b}"), "stock:*:*");
        assert_eq!(pattern("{a}{b}"), "*");
        assert_eq!(pattern("[x]*:{a}"), r"\[x\]\*:*");
        assert!(matching::matches(&pattern("[x]*:{a}"), "[x]*:1"));
        assert!(!matching::matches(&pattern("[x]*:{a}"), "[x]y:1"));
        assert_eq!(template("a*:{b}{c}").starred(), b"a*:**");
    }
}
