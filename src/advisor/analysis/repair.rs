//! `interval $1`: how pg_stat_statements writes `interval '30 days'`, and no parser reads.

/// Types of the SQL standard that stand before a literal, longest first.
const TYPES: [&str; 10] = [
    "timestamp without time zone",
    "timestamp with time zone",
    "time without time zone",
    "time with time zone",
    "timestamptz",
    "timestamp",
    "interval",
    "timetz",
    "date",
    "time",
];

/// The text with every `type $n` made `CAST($n AS type)`; `None` if it has none. The caller parses
/// the result, and so finds out whether it was that.
pub fn typed_parameters(text: &str) -> Option<String> {
    let mut repaired = String::with_capacity(text.len() + 32);
    let mut rest = text;
    let mut changed = false;
    while let Some(dollar) = rest.find('$') {
        let digits = rest[dollar + 1..]
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len() - dollar - 1);
        let end = dollar + 1 + digits;
        let before = &rest[..dollar];
        match type_at_the_end(before) {
            Some((start, name)) if digits > 0 => {
                repaired.push_str(&before[..start]);
                repaired.push_str(&format!("CAST({} AS {name})", &rest[dollar..end]));
                changed = true;
            }
            _ => repaired.push_str(&rest[..end]),
        }
        rest = &rest[end..];
    }
    repaired.push_str(rest);
    changed.then_some(repaired)
}

/// Where the type that ends the text begins, and its name.
fn type_at_the_end(text: &str) -> Option<(usize, &'static str)> {
    let trimmed = text.trim_end();
    if trimmed.len() == text.len() {
        return None;
    }
    TYPES.into_iter().find_map(|name| {
        let start = words_at_the_end(trimmed, name)?;
        let preceded_by_word = trimmed[..start]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '"' | '.'));
        (!preceded_by_word).then_some((start, name))
    })
}

/// Where the words of `name` begin, if the text ends with them, in any case and spacing.
fn words_at_the_end(text: &str, name: &str) -> Option<usize> {
    let mut end = text.len();
    for word in name.rsplit(' ') {
        let so_far = text[..end].trim_end();
        let start = so_far.len().checked_sub(word.len())?;
        if !so_far.is_char_boundary(start) || !so_far[start..].eq_ignore_ascii_case(word) {
            return None;
        }
        end = start;
    }
    Some(end)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn types_before_parameters_become_casts() {
        assert_eq!(
            typed_parameters("SELECT * FROM t WHERE d > now() - interval $1 AND e = $2").as_deref(),
            Some("SELECT * FROM t WHERE d > now() - CAST($1 AS interval) AND e = $2")
        );
        assert_eq!(
            typed_parameters("SELECT DATE $1, timestamp  with time\nzone $12").as_deref(),
            Some("SELECT CAST($1 AS date), CAST($12 AS timestamp with time zone)")
        );
    }

    #[test]
    fn columns_that_end_like_a_type_stay() {
        assert_eq!(typed_parameters("SELECT my_date $1"), None);
        assert_eq!(typed_parameters("SELECT t.date $1"), None);
        assert_eq!(typed_parameters("SELECT date$1"), None);
        assert_eq!(typed_parameters("SELECT $ date $"), None);
        assert_eq!(typed_parameters("SELECT 1"), None);
        assert_eq!(typed_parameters("é$1"), None);
    }
}
