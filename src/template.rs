//! Fills the SQL templates that a ledger's relations are made from.
//!
//! A template is an ordinary `.sql` file with a few marks in braces:
//!
//! | mark | becomes |
//! |---|---|
//! | `{name}` | the value given for `name` |
//! | `{name a}` | the same, filled, with `a` in place of its `{row}` |
//! | `{keys}`, `{keys a}` | `k1, k2`, `a.k1, a.k2` |
//! | `{match a b}` | `a.k1 = b.k1 AND a.k2 = b.k2`, each with the key type's own operator |
//! | `{either a b}` | `coalesce(a.k1, b.k1) AS k1, …`, for a full join |
//! | `{value: …}` | the text, if the ledger has a value measure; else nothing |

use std::collections::HashMap;

/// What a template is filled with.
#[derive(Debug, Default)]
pub struct Template {
    /// The equality operator of each key column, in order.
    pub key_operators: Vec<String>,
    pub has_value: bool,
    pub names: HashMap<&'static str, String>,
}

impl Template {
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.names.insert(name, value.into());
        self
    }

    /// The filled template. A mark that means nothing is left as it stands, so that PostgreSQL
    /// points at it.
    pub fn fill(&self, template: &str) -> String {
        let mut filled = String::with_capacity(template.len() * 2);
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            let Some(length) = closing_brace(&rest[open..]) else {
                break;
            };
            filled.push_str(&self.expand(&rest[open + 1..open + length]));
            rest = &rest[open + length + 1..];
        }
        filled.push_str(rest);
        filled
    }

    fn expand(&self, mark: &str) -> String {
        if let Some(text) = mark.strip_prefix("value:") {
            return if self.has_value {
                self.fill(text)
            } else {
                String::new()
            };
        }
        let words: Vec<&str> = mark.split_whitespace().collect();
        match words.as_slice() {
            ["keys"] => self.each_key(", ", |key, _| key.to_owned()),
            ["keys", alias] => self.each_key(", ", |key, _| format!("{alias}.{key}")),
            ["match", left, right] => self.each_key(" AND ", |key, equals| {
                format!("{left}.{key} {equals} {right}.{key}")
            }),
            ["either", left, right] => self.each_key(", ", |key, _| {
                format!("coalesce({left}.{key}, {right}.{key}) AS {key}")
            }),
            [name, alias] => match self.names.get(name) {
                Some(text) => self.fill(&text.replace("{row}", alias)),
                None => format!("{{{mark}}}"),
            },
            [name] => self
                .names
                .get(name)
                .cloned()
                .unwrap_or_else(|| format!("{{{mark}}}")),
            _ => format!("{{{mark}}}"),
        }
    }

    fn each_key(&self, separator: &str, one: impl Fn(&str, &str) -> String) -> String {
        let keys: Vec<String> = self
            .key_operators
            .iter()
            .enumerate()
            .map(|(index, equals)| one(&format!("k{}", index + 1), equals))
            .collect();
        keys.join(separator)
    }
}

/// The offset of the brace that closes the one at the start of `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (offset, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(offset),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod unit {
    use super::*;

    fn template(has_value: bool) -> Template {
        let mut template = Template {
            key_operators: vec!["=".into(), "OPERATOR(public.=)".into()],
            has_value,
            ..Template::default()
        };
        template.set("days", "s.stock_days");
        template
    }

    #[test]
    fn names_and_keys_are_filled() {
        assert_eq!(
            template(false).fill("SELECT {keys}, {keys d} FROM {days} d"),
            "SELECT k1, k2, d.k1, d.k2 FROM s.stock_days d"
        );
    }

    #[test]
    fn keys_match_by_the_operator_of_their_type() {
        assert_eq!(
            template(false).fill("{match a b}"),
            "a.k1 = b.k1 AND a.k2 OPERATOR(public.=) b.k2"
        );
    }

    #[test]
    fn value_marks_stand_only_with_a_value() {
        assert_eq!(
            template(true).fill("a{value:, {keys v}, v}"),
            "a, v.k1, v.k2, v"
        );
        assert_eq!(template(false).fill("a{value:, {keys v}, v}"), "a");
    }

    #[test]
    fn a_value_for_rows_is_filled_for_each() {
        let mut template = template(true);
        template.set("sums", "{row}.quantity{value:, {row}.value}");
        assert_eq!(
            template.fill("{sums a} + {sums b}"),
            "a.quantity, a.value + b.quantity, b.value"
        );
    }

    #[test]
    fn an_unknown_mark_is_left_for_postgresql_to_point_at() {
        for mark in ["{nothing}", "{nothing a}"] {
            assert_eq!(template(false).fill(mark), mark);
        }
        assert_eq!(template(false).fill("{open"), "{open");
    }
}
