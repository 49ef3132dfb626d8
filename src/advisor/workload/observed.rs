//! Constants that pg_qualstats has seen columns compared with.

use pgrx::prelude::*;
use std::collections::HashMap;

use super::schema_of_extension;
use crate::advisor::subtransaction::rolled_back;
use crate::error::Failure;
use crate::sql::quote_identifier;

/// Values kept for each column.
const VALUES: usize = 3;

/// By table and column: values, the most frequent first.
pub type Observed = HashMap<(u32, String), Vec<String>>;

/// What was seen in this database; nothing without the extension, or if it cannot be read.
pub fn read() -> Result<Observed, Failure> {
    let schema = schema_of_extension("pg_qualstats")?;
    let Some(schema) = schema else {
        return Ok(Observed::new());
    };
    let query = include_str!("../../../sql/advisor/observed.sql")
        .replace("{schema}", &quote_identifier(&schema));
    // Not preloaded, or not readable for this role: column statistics have to do.
    rolled_back(|| select(&query)).unwrap_or_else(|_| Ok(Observed::new()))
}

fn select(query: &str) -> Result<Observed, Failure> {
    Ok(Spi::connect(|client| {
        let mut observed = Observed::new();
        for row in client.select(query, None, &[])? {
            let relation = row.get::<pgrx::pg_sys::Oid>(1)?;
            let (Some(relation), Some(column)) = (relation, row.get::<String>(2)?) else {
                continue;
            };
            let value = row.get::<String>(3)?;
            if let Some(value) = value.as_deref().and_then(constant) {
                let values = observed.entry((relation.to_u32(), column)).or_default();
                if values.len() < VALUES && !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        Ok::<_, pgrx::spi::Error>(observed)
    })?)
}

/// The value of a constant as PostgreSQL deparses it: `'it''s'::text`, `5::integer`.
fn constant(sql: &str) -> Option<String> {
    let Some(quoted) = sql.strip_prefix('\'') else {
        let value = sql.split("::").next()?.trim();
        return (!value.is_empty() && !value.eq_ignore_ascii_case("null"))
            .then(|| value.to_owned());
    };
    let mut value = String::new();
    let mut characters = quoted.chars().peekable();
    while let Some(c) = characters.next() {
        if c != '\'' {
            value.push(c);
        } else if characters.next_if_eq(&'\'').is_some() {
            value.push('\'');
        } else {
            return Some(value);
        }
    }
    // Cut off: only a part of it was kept.
    None
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn constants_lose_quotes_and_casts_and_cut_off_ones_do_not_count() {
        assert_eq!(constant("5::integer").as_deref(), Some("5"));
        assert_eq!(constant("'it''s'::text").as_deref(), Some("it's"));
        assert_eq!(constant("'a::b'::text").as_deref(), Some("a::b"));
        assert_eq!(constant("''::text").as_deref(), Some(""));
        assert_eq!(constant("'cut off"), None);
        assert_eq!(constant("NULL::text"), None);
        assert_eq!(constant(""), None);
    }
}
