//! Names of what attaching creates.

use crate::sql::{qualified, quote_literal};

/// The longest name that PostgreSQL keeps whole, in bytes.
pub const NAME_LIMIT: usize = 63;

pub const PENDING: &str = "stock_pending";
pub const DAYS: &str = "stock_days";
pub const OPENINGS: &str = "stock_openings";
pub const MONTHS: &str = "stock_months";
pub const MAPPED_MOVES: &str = "stock_mapped_moves";
const ENTRIES: &str = "stock_entries";
const SNAPSHOTS: &str = "daily_stock_snapshots";
const LEVELS: &str = "stock_levels";
const STOCK_ON: &str = "stock_on";
const STOCK_PERIOD: &str = "stock_period";
const STOCK_HISTORY: &str = "stock_history";

/// One object, for the list that attaching returns.
pub struct Object {
    pub name: &'static str,
    pub kind: &'static str,
    pub purpose: &'static str,
}

/// Every object with a name of its own, in the order of creation.
pub const OBJECTS: [Object; 11] = [
    Object {
        name: SNAPSHOTS,
        kind: "view",
        purpose: "opening, in, out and closing quantity of every key and day with a movement",
    },
    Object {
        name: LEVELS,
        kind: "view",
        purpose: "quantity on hand now, of every key",
    },
    Object {
        name: STOCK_ON,
        kind: "function",
        purpose: "stock of every key at the end of a day",
    },
    Object {
        name: STOCK_HISTORY,
        kind: "function",
        purpose: "every key on every day of a range",
    },
    Object {
        name: STOCK_PERIOD,
        kind: "function",
        purpose: "opening, in, out and closing of every key over a range of days",
    },
    Object {
        name: PENDING,
        kind: "table",
        purpose: "internal: changes not folded yet",
    },
    Object {
        name: DAYS,
        kind: "table",
        purpose: "internal: movements per key and day",
    },
    Object {
        name: OPENINGS,
        kind: "table",
        purpose: "internal: balances when a month began",
    },
    Object {
        name: MONTHS,
        kind: "table",
        purpose: "internal: months with movements",
    },
    Object {
        name: MAPPED_MOVES,
        kind: "view",
        purpose: "internal: the ledger as it is mapped",
    },
    Object {
        name: ENTRIES,
        kind: "view",
        purpose: "internal: stored balances and pending changes",
    },
];

/// The triggers on the ledger. They come first among triggers of their kind by name, so that a
/// user's statement trigger already reads what this statement changed.
pub const TRIGGERS: [(&str, &str, &str); 4] = [
    (
        "00_inventory_perf_insert",
        "AFTER INSERT",
        "REFERENCING NEW TABLE AS new_rows",
    ),
    (
        "00_inventory_perf_update",
        "AFTER UPDATE",
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    ),
    (
        "00_inventory_perf_delete",
        "AFTER DELETE",
        "REFERENCING OLD TABLE AS old_rows",
    ),
    ("00_inventory_perf_truncate", "BEFORE TRUNCATE", ""),
];

/// The qualified names of one ledger's objects.
pub struct Objects<'a> {
    schema: &'a str,
    prefix: &'a str,
}

impl<'a> Objects<'a> {
    pub fn new(schema: &'a str, prefix: &'a str) -> Self {
        Self { schema, prefix }
    }

    pub fn name(&self, object: &str) -> String {
        qualified(self.schema, &format!("{}{object}", self.prefix))
    }

    pub fn entries(&self) -> String {
        self.name(ENTRIES)
    }

    pub fn snapshots(&self) -> String {
        self.name(SNAPSHOTS)
    }

    pub fn levels(&self) -> String {
        self.name(LEVELS)
    }

    pub fn stock_on(&self) -> String {
        self.name(STOCK_ON)
    }

    pub fn stock_period(&self) -> String {
        self.name(STOCK_PERIOD)
    }

    pub fn stock_history(&self) -> String {
        self.name(STOCK_HISTORY)
    }

    /// The name as a string literal, as `to_regclass()` wants it.
    pub fn literal(&self, object: &str) -> String {
        quote_literal(&self.name(object))
    }
}

/// The longest prefix that leaves every name whole.
pub fn longest_prefix() -> usize {
    let longest = OBJECTS
        .iter()
        .map(|object| object.name.len())
        .max()
        .unwrap_or(0);
    NAME_LIMIT - longest
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_prefix_stands_before_the_name() {
        let objects = Objects::new("Stock", "odoo_");
        assert_eq!(
            objects.snapshots(),
            "\"Stock\".\"odoo_daily_stock_snapshots\""
        );
        assert_eq!(
            objects.literal(PENDING),
            "'\"Stock\".\"odoo_stock_pending\"'"
        );
    }

    #[test]
    fn the_longest_prefix_fits_every_name() {
        let prefix = "p".repeat(longest_prefix());
        for object in OBJECTS {
            assert!(prefix.len() + object.name.len() <= NAME_LIMIT);
        }
    }
}
