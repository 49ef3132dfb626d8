//! Patterns of keys and tags: `*` stands for any text, `?` for any one character, and `\` takes the
//! meaning from the character after it.

/// Whether `text` matches `pattern` as a whole.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<Part> = parse(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut position) = (0, 0);
    // Where to go on when the last `*` has to take one character more.
    let mut again: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(Part::Any) => {
                again = Some((at + 1, position));
                at += 1;
                continue;
            }
            Some(Part::One) => {
                at += 1;
                position += 1;
                continue;
            }
            Some(Part::Literal(literal)) if *literal == text[position] => {
                at += 1;
                position += 1;
                continue;
            }
            _ => {}
        }
        let Some((resume, taken)) = again else {
            return false;
        };
        again = Some((resume, taken + 1));
        at = resume;
        position = taken + 1;
    }
    pattern[at..].iter().all(|part| *part == Part::Any)
}

/// A pattern in the language of Redis that finds everything that `pattern` matches, and perhaps
/// more: there a `?` is one byte, and `[` begins a set. What it finds is to be checked with
/// [`matches`].
pub fn redis_glob(pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len() + 8);
    for part in parse(pattern) {
        match part {
            Part::Any | Part::One if glob.ends_with('*') && !glob.ends_with("\\*") => {}
            Part::Any | Part::One => glob.push('*'),
            Part::Literal(literal) => push_literal(&mut glob, literal),
        }
    }
    glob
}

/// A pattern that matches this text alone.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        push_literal(&mut escaped, character);
    }
    escaped
}

fn push_literal(pattern: &mut String, literal: char) {
    if matches!(literal, '*' | '?' | '[' | ']' | '\\') {
        pattern.push('\\');
    }
    pattern.push(literal);
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Any,
    One,
    Literal(char),
}

fn parse(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        parts.push(match character {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::Literal(characters.next().unwrap_or('\\')),
            other => Part::Literal(other),
        });
    }
    parts
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "stock:1"),
            ("stock:*", "stock:"),
            ("stock:*:9", "stock:1:2:9"),
            ("*a*b*", "xaaxbb"),
            ("?", "é"),
            ("a?c", "abc"),
            ("**", "a"),
            (r"a\*", "a*"),
            (r"\?", "?"),
            (r"a\", r"a\"),
            ("[a]", "[a]"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("stock:*", "stok:1"),
            ("stock:*:9", "stock:1:2:99x"),
            (r"a\*", "ab"),
            (r"\?", "a"),
            ("[a]", "a"),
            ("STOCK", "stock"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        assert!(!matches(&"*a".repeat(200), &"b".repeat(5_000)));
    }

    #[test]
    fn an_escaped_text_matches_itself_alone() {
        for text in ["stock:1", "a*b", r"a\b", "[x]?", "é*", r"\\*"] {
            assert!(matches(&escape(text), text), "{text}");
            assert!(!matches(&escape(text), &format!("{text}x")), "{text}");
        }
        assert!(!matches(&escape("a*"), "ab"));
    }

    #[test]
    fn redis_is_asked_for_at_least_as_much() {
        assert_eq!(redis_glob("stock:*:?"), "stock:*:*");
        assert_eq!(redis_glob("a?*b"), "a*b");
        assert_eq!(redis_glob("[a]"), r"\[a\]");
        assert_eq!(redis_glob(r"a\*?"), r"a\**");
        assert_eq!(redis_glob(r"\\*"), r"\\*");
    }
}
