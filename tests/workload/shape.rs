use rand::rngs::StdRng;

/// Writes a random value as text that both SQL literals and COPY accept; `None` is NULL.
pub type Value = fn(&mut StdRng) -> Option<String>;

/// A column of the ledger that the writers fill and change.
pub struct Column {
    /// As written in SQL, quotes included.
    pub name: &'static str,
    pub sql_type: &'static str,
    pub value: Value,
}

/// A key column of everything derived from the ledger.
pub struct Key {
    /// The bare name, as in jsonb keys.
    pub name: &'static str,
    pub sql_type: &'static str,
    pub sample: Value,
}

/// One kind of ledger: how it is made and attached, what is written to it, and what its legs are.
///
/// Besides its own columns each ledger has `id`, `owner` (the writer that may change the row, or
/// 0 when all may), `reference` (unique), `document` (a foreign key that cascades) and `note`.
pub struct Shape {
    pub name: &'static str,
    /// Schema of the ledger and of its `documents`.
    pub schema: &'static str,
    pub ledger: &'static str,
    pub create: &'static str,
    pub attach: &'static str,
    /// What stands before the name of a derived relation.
    pub derived_prefix: &'static str,
    pub keys: &'static [Key],
    /// Query over the ledger for the key columns, `day`, `quantity` and `value` of every leg that
    /// counts, written down by hand: what the extension answers is held against it.
    pub legs: &'static str,
    pub has_value: bool,
    pub columns: &'static [Column],
    /// Unique columns that `ON CONFLICT` names.
    pub conflict_target: &'static str,
    /// How many of `columns`, from the first, `ON CONFLICT DO UPDATE` may change.
    pub conflict_columns: usize,
    /// Statements that only this kind of ledger has; the number is the writer's.
    pub own_statement: Option<fn(&mut StdRng, usize) -> String>,
    /// A value for the tenant of `populate_daily_stock_snapshots(tenant, …)`, as SQL.
    pub tenant: Option<fn(&mut StdRng) -> String>,
}

impl Shape {
    pub fn derived(&self, name: &str) -> String {
        // The prefix ends inside a quoted identifier when it opens one.
        let closing = if self.derived_prefix.matches('"').count() % 2 == 1 {
            "\""
        } else {
            ""
        };
        format!("{}{name}{closing}", self.derived_prefix)
    }

    pub fn is_partitioned(&self) -> bool {
        self.create.contains("PARTITION BY")
    }

    /// The ledger as an argument of type regclass.
    pub fn regclass(&self) -> String {
        format!("'{}'::regclass", self.ledger)
    }

    pub fn documents(&self) -> String {
        format!("{}.documents", self.schema)
    }

    pub fn key_list(&self) -> String {
        self.keys
            .iter()
            .map(|key| quoted(key.name))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The key columns as the jsonb object that the untyped functions return.
    pub fn key_object(&self) -> String {
        let pairs = self
            .keys
            .iter()
            .map(|key| format!("'{}', {}", key.name, quoted(key.name)));
        format!(
            "jsonb_build_object({})",
            pairs.collect::<Vec<_>>().join(", ")
        )
    }
}

pub fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// An SQL literal of the given type.
pub fn literal(value: &Option<String>, sql_type: &str) -> String {
    match value {
        Some(text) => format!("'{}'::{sql_type}", text.replace('\'', "''")),
        None => format!("NULL::{sql_type}"),
    }
}
