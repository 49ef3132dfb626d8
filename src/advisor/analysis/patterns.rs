//! What a LIKE pattern or a regular expression leaves an index to do.

/// Consecutive word characters that trigrams need to be of use.
const TRIGRAM_RUN: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Everything that matches begins with the same characters.
    Prefix,
    /// It has words that trigrams find.
    Trigram,
    /// No index helps.
    Nothing,
}

pub fn like(pattern: &str, ignore_case: bool) -> Pattern {
    let first = pattern.chars().next();
    let fixed_start = first.is_some_and(|c| c != '%' && c != '_');
    if fixed_start && !ignore_case {
        return Pattern::Prefix;
    }
    let mut literal = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        match c {
            '%' | '_' => literal.push(' '),
            '\\' => literal.extend(characters.next()),
            other => literal.push(other),
        }
    }
    by_run(&literal)
}

pub fn regular_expression(pattern: &str, ignore_case: bool) -> Pattern {
    if let Some(rest) = pattern.strip_prefix('^')
        && !ignore_case
        && !pattern.contains('|')
    {
        let mut characters = rest.chars();
        let first_is_plain = characters.next().is_some_and(char::is_alphanumeric);
        let quantified = matches!(characters.next(), Some('*' | '?' | '{'));
        if first_is_plain && !quantified {
            return Pattern::Prefix;
        }
    }
    by_run(pattern)
}

fn by_run(text: &str) -> Pattern {
    let longest = text
        .split(|c: char| !c.is_alphanumeric())
        .map(|word| word.chars().count())
        .max();
    if longest.is_some_and(|length| length >= TRIGRAM_RUN) {
        Pattern::Trigram
    } else {
        Pattern::Nothing
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_like_pattern_is_a_prefix_words_or_nothing() {
        assert_eq!(like("abc%", false), Pattern::Prefix);
        assert_eq!(like("\\%bc%", false), Pattern::Prefix);
        assert_eq!(like("abc%", true), Pattern::Trigram);
        assert_eq!(like("%bolt%", false), Pattern::Trigram);
        assert_eq!(like("%a%b%", false), Pattern::Nothing);
        assert_eq!(like("a%", true), Pattern::Nothing);
        assert_eq!(like("%", false), Pattern::Nothing);
        assert_eq!(like("", false), Pattern::Nothing);
        assert_eq!(like("%ab\\_cd%", true), Pattern::Nothing);
    }

    #[test]
    fn a_regular_expression_is_a_prefix_only_when_it_is_anchored_for_sure() {
        assert_eq!(regular_expression("^abc", false), Pattern::Prefix);
        assert_eq!(regular_expression("^a*bcd", false), Pattern::Trigram);
        assert_eq!(regular_expression("^abc|x", false), Pattern::Trigram);
        assert_eq!(regular_expression("^abc", true), Pattern::Trigram);
        assert_eq!(regular_expression("a.b", false), Pattern::Nothing);
    }
}
