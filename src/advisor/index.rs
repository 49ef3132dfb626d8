//! What an index is: its definition, its DDL and its name.

use std::fmt::Write;

use crate::sql::{qualified, quote_identifier, quote_literal};

/// Longest name that PostgreSQL keeps, in bytes.
const NAME_BYTES: usize = 63;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Relation {
    pub oid: u32,
    pub schema: String,
    pub name: String,
}

impl Relation {
    pub fn qualified(&self) -> String {
        qualified(&self.schema, &self.name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    Btree,
    Gin,
    Brin,
    Gist,
    Hash,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Btree => "btree",
            Self::Gin => "gin",
            Self::Brin => "brin",
            Self::Gist => "gist",
            Self::Hash => "hash",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Btree, Self::Gin, Self::Brin, Self::Gist, Self::Hash]
            .into_iter()
            .find(|method| method.name() == name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyExpression {
    Column(String),
    /// SQL as PostgreSQL deparses it, with every name qualified that needs to be.
    Expression(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexKey {
    pub expression: KeyExpression,
    /// SQL of an operator class that is not the default one, for example `text_pattern_ops`.
    pub opclass: Option<String>,
    /// SQL of a collation that is not the column's own.
    pub collation: Option<String>,
    pub descending: bool,
    /// `None` is what the direction implies: first when descending.
    pub nulls_first: Option<bool>,
}

impl IndexKey {
    pub fn column(name: impl Into<String>) -> Self {
        Self::new(KeyExpression::Column(name.into()))
    }

    pub fn expression(sql: impl Into<String>) -> Self {
        Self::new(KeyExpression::Expression(sql.into()))
    }

    fn new(expression: KeyExpression) -> Self {
        Self {
            expression,
            opclass: None,
            collation: None,
            descending: false,
            nulls_first: None,
        }
    }

    pub fn column_name(&self) -> Option<&str> {
        match &self.expression {
            KeyExpression::Column(name) => Some(name),
            KeyExpression::Expression(_) => None,
        }
    }

    fn nulls_come_first(&self) -> bool {
        self.nulls_first.unwrap_or(self.descending)
    }

    /// The same key for searches, whatever its direction.
    fn searches_like(&self, other: &Self) -> bool {
        self.expression == other.expression
            && self.opclass == other.opclass
            && self.collation == other.collation
    }

    fn sql(&self) -> String {
        let mut sql = match &self.expression {
            KeyExpression::Column(name) => quote_identifier(name),
            KeyExpression::Expression(expression) => format!("({expression})"),
        };
        if let Some(collation) = &self.collation {
            let _ = write!(sql, " COLLATE {collation}");
        }
        if let Some(opclass) = &self.opclass {
            let _ = write!(sql, " {opclass}");
        }
        if self.descending {
            sql.push_str(" DESC");
        }
        match (self.descending, self.nulls_come_first()) {
            (false, true) => sql.push_str(" NULLS FIRST"),
            (true, false) => sql.push_str(" NULLS LAST"),
            _ => {}
        }
        sql
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexDefinition {
    pub relation: Relation,
    pub method: Method,
    pub keys: Vec<IndexKey>,
    /// Columns that the index only carries.
    pub include: Vec<String>,
    /// SQL as PostgreSQL deparses it.
    pub predicate: Option<String>,
    /// Storage parameters.
    pub options: Vec<(String, String)>,
}

impl IndexDefinition {
    pub fn btree(relation: Relation, keys: Vec<IndexKey>) -> Self {
        Self {
            relation,
            method: Method::Btree,
            keys,
            include: Vec::new(),
            predicate: None,
            options: Vec::new(),
        }
    }

    /// One spelling for what is the same index.
    pub fn normalised(mut self) -> Self {
        let mut seen: Vec<IndexKey> = Vec::new();
        for mut key in std::mem::take(&mut self.keys) {
            if key.nulls_first == Some(key.descending) {
                key.nulls_first = None;
            }
            if !seen.iter().any(|earlier| earlier.searches_like(&key)) {
                seen.push(key);
            }
        }
        self.keys = seen;
        let keys = &self.keys;
        self.include
            .retain(|column| !keys.iter().any(|key| key.column_name() == Some(column)));
        self.include.sort();
        self.include.dedup();
        self.options.sort();
        self
    }

    /// Whether an index `other` finds and sorts everything that this one does: this one's keys
    /// begin the other's, in the same order or wholly reversed, over the same rows.
    pub fn is_prefix_of(&self, other: &Self) -> bool {
        if self.relation.oid != other.relation.oid
            || self.method != other.method
            || self.predicate != other.predicate
            || self.keys.len() > other.keys.len()
        {
            return false;
        }
        let pairs = || self.keys.iter().zip(&other.keys);
        let same_keys = pairs().all(|(mine, theirs)| mine.searches_like(theirs));
        let same_order = pairs().all(|(mine, theirs)| {
            mine.descending == theirs.descending
                && mine.nulls_come_first() == theirs.nulls_come_first()
        });
        let reversed = pairs().all(|(mine, theirs)| {
            mine.descending != theirs.descending
                && mine.nulls_come_first() != theirs.nulls_come_first()
        });
        let carries = self.include.iter().all(|column| {
            other.include.contains(column)
                || other
                    .keys
                    .iter()
                    .any(|key| key.column_name() == Some(column))
        });
        // Only a B-tree is read in order, backwards too; the others need all of their keys.
        let whole = self.method == Method::Btree || self.keys.len() == other.keys.len();
        same_keys && (same_order || reversed) && carries && whole
    }

    /// Every column that is a key or carried; those inside expressions are not known here.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.keys
            .iter()
            .filter_map(IndexKey::column_name)
            .chain(self.include.iter().map(String::as_str))
    }

    /// What follows `ON relation` in CREATE INDEX.
    fn body(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(IndexKey::sql).collect();
        let mut sql = format!("USING {} ({})", self.method.name(), keys.join(", "));
        if !self.include.is_empty() {
            let columns: Vec<String> = self.include.iter().map(|c| quote_identifier(c)).collect();
            let _ = write!(sql, " INCLUDE ({})", columns.join(", "));
        }
        if !self.options.is_empty() {
            let options: Vec<String> = self
                .options
                .iter()
                .map(|(name, value)| {
                    format!("{} = {}", quote_identifier(name), option_value(value))
                })
                .collect();
            let _ = write!(sql, " WITH ({})", options.join(", "));
        }
        if let Some(predicate) = &self.predicate {
            let _ = write!(sql, " WHERE {predicate}");
        }
        sql
    }

    pub fn create_ddl(&self, name: &str, concurrently: bool) -> String {
        format!(
            "CREATE INDEX {}{} ON {} {}",
            if concurrently { "CONCURRENTLY " } else { "" },
            quote_identifier(name),
            self.relation.qualified(),
            self.body()
        )
    }

    /// The index of a partitioned table, without those of its partitions.
    pub fn create_on_only_ddl(&self, name: &str) -> String {
        format!(
            "CREATE INDEX {} ON ONLY {} {}",
            quote_identifier(name),
            self.relation.qualified(),
            self.body()
        )
    }

    /// The same index of another relation with the same columns, such as a partition.
    pub fn on(&self, relation: Relation) -> Self {
        Self {
            relation,
            ..self.clone()
        }
    }

    /// For hypopg, which names its indexes itself.
    pub fn nameless_ddl(&self) -> String {
        format!(
            "CREATE INDEX ON {} {}",
            self.relation.qualified(),
            self.body()
        )
    }

    pub fn rollback_ddl(&self, name: &str, concurrently: bool) -> String {
        format!(
            "DROP INDEX {}{}",
            if concurrently { "CONCURRENTLY " } else { "" },
            qualified(&self.relation.schema, name)
        )
    }

    /// A name that says what the index is, in at most 63 bytes, that `taken` does not know yet.
    pub fn name(&self, mut taken: impl FnMut(&str) -> bool) -> String {
        let mut stem = self.relation.name.clone();
        for key in &self.keys {
            let part = match &key.expression {
                KeyExpression::Column(name) => name.clone(),
                KeyExpression::Expression(sql) => words_of(sql),
            };
            let _ = write!(stem, "_{part}");
            if key.descending {
                stem.push_str("_desc");
            }
        }
        if !self.include.is_empty() {
            let _ = write!(stem, "_with_{}", self.include.join("_"));
        }
        if let Some(predicate) = &self.predicate {
            let _ = write!(stem, "_where_{}", words_of(predicate));
        }
        let kind = match self.method {
            Method::Btree => "idx",
            other => other.name(),
        };
        for number in 1.. {
            let ending = match number {
                1 => format!("_{kind}"),
                _ => format!("_{kind}{number}"),
            };
            let name = format!("{}{ending}", cut(&stem, NAME_BYTES - ending.len()));
            if !taken(&name) {
                return name;
            }
        }
        unreachable!("some number is free")
    }
}

/// Storage parameters are words or numbers; anything else goes as a literal.
fn option_value(value: &str) -> String {
    let plain = value
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
    if plain && !value.is_empty() {
        value.to_owned()
    } else {
        quote_literal(value)
    }
}

/// The words of an expression, without casts and punctuation.
fn words_of(sql: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut after_cast = false;
    let mut word = String::new();
    let mut colons = 0;
    for c in sql.chars().chain([' ']) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            if !after_cast {
                words.push(std::mem::take(&mut word).to_lowercase());
            }
            word.clear();
            after_cast = false;
        }
        colons = if c == ':' { colons + 1 } else { 0 };
        after_cast |= colons == 2;
    }
    words.join("_")
}

/// At most `bytes`, ending at a character, not at an underscore.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end_matches('_')
}

#[cfg(test)]
mod unit {
    use super::*;

    fn items() -> Relation {
        Relation {
            oid: 1,
            schema: "public".into(),
            name: "items".into(),
        }
    }

    fn on(columns: &[&str]) -> IndexDefinition {
        IndexDefinition::btree(
            items(),
            columns.iter().map(|c| IndexKey::column(*c)).collect(),
        )
    }

    #[test]
    fn ddl_says_everything_in_the_order_of_the_grammar() {
        let mut index = on(&["tenant", "Moved At"]);
        index.keys[1].descending = true;
        index.keys[1].nulls_first = Some(false);
        index.keys.push(IndexKey {
            opclass: Some("text_pattern_ops".into()),
            collation: Some("pg_catalog.\"C\"".into()),
            ..IndexKey::expression("lower(name)")
        });
        index.include = vec!["quantity".into()];
        index.predicate = Some("(deleted_at IS NULL)".into());
        index.options = vec![("fillfactor".into(), "90".into())];
        assert_eq!(
            index.create_ddl("i", true),
            "CREATE INDEX CONCURRENTLY \"i\" ON \"public\".\"items\" USING btree (\"tenant\", \
             \"Moved At\" DESC NULLS LAST, (lower(name)) COLLATE pg_catalog.\"C\" text_pattern_ops) \
             INCLUDE (\"quantity\") WITH (\"fillfactor\" = 90) WHERE (deleted_at IS NULL)"
        );
        assert_eq!(
            index.rollback_ddl("i", true),
            "DROP INDEX CONCURRENTLY \"public\".\"i\""
        );
    }

    #[test]
    fn a_prefix_needs_the_same_rows_order_and_operator_classes() {
        assert!(on(&["a"]).is_prefix_of(&on(&["a", "b"])));
        assert!(!on(&["b"]).is_prefix_of(&on(&["a", "b"])));
        assert!(!on(&["a", "b"]).is_prefix_of(&on(&["a"])));
        let mut reversed = on(&["a", "b"]);
        reversed
            .keys
            .iter_mut()
            .for_each(|key| key.descending = true);
        assert!(on(&["a", "b"]).is_prefix_of(&reversed));
        reversed.keys[1].descending = false;
        assert!(!on(&["a", "b"]).is_prefix_of(&reversed));
        let mut pattern = on(&["a", "b"]);
        pattern.keys[0].opclass = Some("text_pattern_ops".into());
        assert!(!on(&["a"]).is_prefix_of(&pattern));
        let mut partial = on(&["a", "b"]);
        partial.predicate = Some("c".into());
        assert!(!on(&["a"]).is_prefix_of(&partial));
        assert!(!partial.is_prefix_of(&on(&["a", "b"])));
        let mut carrying = on(&["a"]);
        carrying.include = vec!["b".into()];
        assert!(carrying.is_prefix_of(&on(&["a", "b"])));
        assert!(!carrying.is_prefix_of(&on(&["a"])));
    }

    #[test]
    fn one_spelling() {
        let mut index = on(&["a", "b", "a"]);
        index.keys[0].nulls_first = Some(false);
        index.include = vec!["d".into(), "b".into(), "c".into(), "d".into()];
        let normal = index.normalised();
        assert_eq!(normal.keys, on(&["a", "b"]).keys);
        assert_eq!(normal.include, ["c", "d"]);
    }

    #[test]
    fn names_say_what_they_are_fit_and_do_not_clash() {
        let mut index = on(&["tenant", "day"]);
        index.keys[1].descending = true;
        assert_eq!(index.name(|_| false), "items_tenant_day_desc_idx");
        assert_eq!(
            index.name(|name| name == "items_tenant_day_desc_idx"),
            "items_tenant_day_desc_idx2"
        );
        index.predicate = Some("((status)::text = 'active'::text)".into());
        index.keys = vec![IndexKey::expression("lower((name)::text)")];
        assert_eq!(
            index.name(|_| false),
            "items_lower_name_where_status_active_idx"
        );
        index.relation.name = "ä".repeat(40);
        let long = index.name(|_| false);
        assert!(long.len() <= 63 && long.ends_with("_idx"), "{long}");
        index.method = Method::Gin;
        assert!(index.name(|_| false).ends_with("_gin"));
    }
}
