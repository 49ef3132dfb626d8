//! What things are called in Redis. Other programs rely on it: docs/cache-protocol.md.

use std::fmt;

use super::matching;

/// Keys of users must not begin with it.
pub const RESERVED: &str = "inventory_perf:";

/// What an entry was computed from. Its stamp goes away when that changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StampName {
    Key(String),
    Tag(String),
}

/// A stored value: under a user's key, or the rows of a cached query under their digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EntryName {
    Key(String),
    Query(String),
}

/// Which names a pattern is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatternKind {
    Key,
    Tag,
}

/// The tag of everything that is computed from a relation.
pub fn relation_tag(relation: impl fmt::Display) -> String {
    format!("relation:{relation}")
}

/// The names of one database's cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    prefix: String,
    /// Before everything but users' keys. The braces are literal: in a cluster they would put all
    /// of it into one slot.
    own: String,
}

impl Names {
    pub fn new(prefix: &str, database: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            own: format!("{prefix}{RESERVED}{{{database}}}:"),
        }
    }

    pub fn entry(&self, name: &EntryName) -> String {
        match name {
            EntryName::Key(key) => format!("{}{key}", self.prefix),
            EntryName::Query(digest) => format!("{}query:{digest}", self.own),
        }
    }

    pub fn stamp(&self, name: &StampName) -> String {
        match name {
            StampName::Key(key) => self.before_stamps(PatternKind::Key) + key,
            StampName::Tag(tag) => self.before_stamps(PatternKind::Tag) + tag,
        }
    }

    /// Before the names of keys, or of tags, in the names of their stamps.
    pub fn before_stamps(&self, kind: PatternKind) -> String {
        self.stamps()
            + match kind {
                PatternKind::Key => "key:",
                PatternKind::Tag => "tag:",
            }
    }

    /// Before users' keys in the names of their entries.
    pub fn before_keys(&self) -> &str {
        &self.prefix
    }

    /// Before `key:…` and `tag:…`.
    pub fn stamps(&self) -> String {
        format!("{}stamp:", self.own)
    }

    pub fn epoch(&self) -> String {
        format!("{}epoch", self.own)
    }

    pub fn lease(&self) -> String {
        format!("{}lease", self.own)
    }

    /// How far invalidations are delivered: `<transaction number>:<epoch>`.
    pub fn delivered(&self) -> String {
        format!("{}delivered", self.own)
    }

    /// How many batches were delivered.
    pub fn batches(&self) -> String {
        format!("{}batches", self.own)
    }

    /// Who computes a query at the moment.
    pub fn fill(&self, digest: &str) -> String {
        format!("{}fill:{digest}", self.own)
    }

    /// Redis patterns of all that a pattern of `kind` is about, and what is before the part that
    /// the user's pattern describes.
    pub fn matching(&self, kind: PatternKind, pattern: &str) -> Vec<(String, String)> {
        let of = |before: String| {
            let redis = format!(
                "{}{}",
                matching::escape(&before),
                matching::redis_glob(pattern)
            );
            (redis, before)
        };
        match kind {
            PatternKind::Key => vec![of(self.before_stamps(kind)), of(self.prefix.clone())],
            PatternKind::Tag => vec![of(self.before_stamps(kind))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_protocol() {
        let names = Names::new("shop:", "db");
        assert_eq!(
            names.entry(&EntryName::Key("stock:1".into())),
            "shop:stock:1"
        );
        assert_eq!(
            names.entry(&EntryName::Query("ab".into())),
            "shop:inventory_perf:{db}:query:ab"
        );
        assert_eq!(
            names.stamp(&StampName::Key("a".into())),
            "shop:inventory_perf:{db}:stamp:key:a"
        );
        assert_eq!(
            names.stamp(&StampName::Tag("a".into())),
            "shop:inventory_perf:{db}:stamp:tag:a"
        );
        assert_eq!(names.epoch(), "shop:inventory_perf:{db}:epoch");
        assert_eq!(names.lease(), "shop:inventory_perf:{db}:lease");
        assert_eq!(names.fill("ab"), "shop:inventory_perf:{db}:fill:ab");
    }

    #[test]
    fn a_key_pattern_is_about_entries_and_stamps() {
        let names = Names::new("p*:", "db");
        let patterns: Vec<_> = names
            .matching(PatternKind::Key, "stock:*")
            .into_iter()
            .map(|(pattern, _)| pattern)
            .collect();
        assert_eq!(
            patterns,
            [r"p\*:inventory_perf:{db}:stamp:key:stock:*", r"p\*:stock:*"]
        );
    }
}
