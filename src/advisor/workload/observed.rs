//! Constants that pg_qualstats has seen columns compared with.

use pgrx::prelude::*;
use std::collections::HashMap;

use super::schema_of_extension;
use crate::advisor::analysis::shape::Test;
use crate::advisor::subtransaction::rolled_back;
use crate::error::Failure;
use crate::sql::quote_identifier;

/// Values kept for each comparison.
const VALUES: usize = 3;

/// What a column was compared with: one value, or those of a list.
pub type Compared = Vec<String>;

/// Comparisons that take values of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Equal,
    NotEqual,
    Below,
    Above,
    Pattern,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Comparison {
    relation: u32,
    column: String,
    kind: Kind,
    /// Of the statement, as pg_stat_statements numbers it; `None`: in any statement.
    query: Option<i64>,
}

/// The values, by comparison, the most frequent first.
#[derive(Debug, Default)]
pub struct Observed(HashMap<Comparison, Vec<Compared>>);

impl Observed {
    /// What the statement compared the column with or, where that is not known, what others did.
    pub fn values(
        &self,
        relation: u32,
        column: &str,
        test: &Test,
        query: Option<i64>,
    ) -> Option<&[Compared]> {
        let mut comparison = Comparison {
            relation,
            column: column.to_owned(),
            kind: Kind::of_test(test),
            query,
        };
        let own = self.0.get(&comparison);
        comparison.query = None;
        own.or_else(|| self.0.get(&comparison)).map(Vec::as_slice)
    }

    /// The more frequent ones are to come first.
    pub fn add(
        &mut self,
        relation: u32,
        column: &str,
        operator: &str,
        query: Option<i64>,
        constant: &str,
    ) {
        let Some(compared) = values_of(constant) else {
            return;
        };
        let mut comparison = Comparison {
            relation,
            column: column.to_owned(),
            kind: Kind::of_operator(operator),
            query: None,
        };
        self.keep(comparison.clone(), &compared);
        if query.is_some() {
            comparison.query = query;
            self.keep(comparison, &compared);
        }
    }

    fn keep(&mut self, comparison: Comparison, compared: &Compared) {
        let values = self.0.entry(comparison).or_default();
        if values.len() < VALUES && !values.contains(compared) {
            values.push(compared.clone());
        }
    }
}

impl Kind {
    fn of_operator(name: &str) -> Self {
        match name {
            "=" => Self::Equal,
            "<>" => Self::NotEqual,
            "<" | "<=" => Self::Below,
            ">" | ">=" => Self::Above,
            "~~" | "~~*" | "~" | "~*" | "^@" => Self::Pattern,
            _ => Self::Other,
        }
    }

    fn of_test(test: &Test) -> Self {
        match test {
            Test::Equal | Test::AnyOf => Self::Equal,
            Test::NotEqual => Self::NotEqual,
            Test::Below => Self::Below,
            Test::Above => Self::Above,
            Test::Prefix { .. } | Test::Trigram => Self::Pattern,
            Test::IsNull | Test::IsNotNull | Test::Special { .. } | Test::Other => Self::Other,
        }
    }
}

/// What was seen in this database; nothing without the extension, or if it cannot be read.
pub fn read() -> Result<Observed, Failure> {
    let schema = schema_of_extension("pg_qualstats")?;
    let Some(schema) = schema else {
        return Ok(Observed::default());
    };
    let query = include_str!("../../../sql/advisor/observed.sql")
        .replace("{schema}", &quote_identifier(&schema));
    // Not preloaded, or not readable for this role: column statistics have to do.
    rolled_back(|| select(&query)).unwrap_or_else(|_| Ok(Observed::default()))
}

fn select(query: &str) -> Result<Observed, Failure> {
    Ok(Spi::connect(|client| {
        let mut observed = Observed::default();
        for row in client.select(query, None, &[])? {
            if let (Some(relation), Some(column), Some(operator), query, Some(constant)) = (
                row.get::<pgrx::pg_sys::Oid>(1)?,
                row.get::<String>(2)?,
                row.get::<String>(3)?,
                row.get::<i64>(4)?,
                row.get::<String>(5)?,
            ) {
                observed.add(relation.to_u32(), &column, &operator, query, &constant);
            }
        }
        Ok::<_, pgrx::spi::Error>(observed)
    })?)
}

/// The values of a constant as PostgreSQL deparses it, with its type: `'it''s'::text`,
/// `(-5)::integer`, `'{1,2}'::integer[]`.
fn values_of(sql: &str) -> Option<Compared> {
    let (value, type_name) = match sql.strip_prefix('\'') {
        Some(quoted) => unquoted(quoted)?,
        None => {
            let (value, type_name) = sql.split_once("::")?;
            let value = value
                .strip_prefix('(')
                .and_then(|value| value.strip_suffix(')'))
                .unwrap_or(value);
            (value.to_owned(), type_name)
        }
    };
    if value.eq_ignore_ascii_case("null") && !sql.starts_with('\'') {
        return None;
    }
    match type_name.ends_with("[]") {
        true => elements(&value),
        false => Some(vec![value]),
    }
}

/// The value of a literal without its first quote, and its type. `None`: only a part was kept.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((place, c)) = characters.next() {
        if c != '\'' {
            value.push(c);
        } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
            value.push('\'');
        } else {
            return Some((value, quoted[place + 1..].strip_prefix("::")?));
        }
    }
    None
}

/// The elements of an array as PostgreSQL writes it. `None`: it has none, or is of several
/// dimensions.
fn elements(array: &str) -> Option<Compared> {
    let inner = array.strip_prefix('{')?.strip_suffix('}')?;
    let mut all = Vec::new();
    let mut one = String::new();
    let (mut quoted, mut was_quoted) = (false, false);
    let mut characters = inner.chars();
    loop {
        match characters.next() {
            Some('\\') => one.extend(characters.next()),
            Some('"') => {
                quoted = !quoted;
                was_quoted = true;
            }
            Some('{') if !quoted => return None,
            Some(c) if quoted || c != ',' => one.push(c),
            end => {
                if was_quoted || !(one.is_empty() || one == "NULL") {
                    all.push(std::mem::take(&mut one));
                }
                one.clear();
                was_quoted = false;
                if end.is_none() {
                    break;
                }
            }
        }
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn values(sql: &str) -> Option<Vec<String>> {
        values_of(sql)
    }

    #[test]
    fn constants_lose_quotes_and_casts_and_cut_off_ones_do_not_count() {
        let one = |value: &str| Some(vec![value.to_owned()]);
        assert_eq!(values("5::integer"), one("5"));
        assert_eq!(values("(-5)::numeric"), one("-5"));
        assert_eq!(values("'it''s'::text"), one("it's"));
        assert_eq!(values("'a::b'::text"), one("a::b"));
        assert_eq!(values("''::text"), one(""));
        assert_eq!(values("'null'::text"), one("null"));
        assert_eq!(values("'cut off"), None);
        assert_eq!(values("'cut off''"), None);
        assert_eq!(values("'cut off':"), None);
        assert_eq!(values("NULL::text"), None);
        assert_eq!(values(""), None);
    }

    #[test]
    fn arrays_are_lists_of_their_elements() {
        let list = |all: &[&str]| Some(all.iter().map(|one| (*one).to_owned()).collect());
        assert_eq!(values("'{1,2,3}'::integer[]"), list(&["1", "2", "3"]));
        assert_eq!(
            values(r#"'{"a, b",NULL,"NULL","say \"x\" \\","",it''s}'::text[]"#),
            list(&["a, b", "NULL", r#"say "x" \"#, "", "it's"])
        );
        assert_eq!(values("'{}'::text[]"), None);
        assert_eq!(values("'{{1},{2}}'::integer[]"), None);
        assert_eq!(values("'{1}'::text"), list(&["{1}"]));
    }

    #[test]
    fn values_are_those_of_the_same_comparison_and_best_of_the_same_statement() {
        let mut observed = Observed::default();
        observed.add(1, "name", "=", Some(7), "'often'::text");
        observed.add(1, "name", "~~", Some(8), "'%bolt%'::text");
        observed.add(1, "name", "=", Some(9), "'rare'::text");
        let of = |test: &Test, query| {
            let values = observed.values(1, "name", test, query)?;
            Some(values.concat())
        };
        assert_eq!(of(&Test::Equal, None).unwrap(), ["often", "rare"]);
        assert_eq!(of(&Test::AnyOf, Some(9)).unwrap(), ["rare"]);
        assert_eq!(of(&Test::Equal, Some(8)).unwrap(), ["often", "rare"]);
        assert_eq!(of(&Test::Trigram, None).unwrap(), ["%bolt%"]);
        assert_eq!(of(&Test::Above, None), None);
    }
}
