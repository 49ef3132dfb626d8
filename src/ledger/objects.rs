//! Names of what attaching creates.

use crate::sql::qualified;

/// The longest name that PostgreSQL keeps whole, in bytes.
pub const NAME_LIMIT: usize = 63;

pub const PENDING: &str = "stock_pending";
pub const DAYS: &str = "stock_days";
pub const OPENINGS: &str = "stock_openings";
pub const MONTHS: &str = "stock_months";
pub const MAPPED_MOVES: &str = "stock_mapped_moves";
pub const OPENING_ENTRIES: &str = "stock_opening_entries";
pub const DAY_ENTRIES: &str = "stock_day_entries";
pub const PENDING_ENTRIES: &str = "stock_pending_entries";
pub const SNAPSHOTS: &str = "daily_stock_snapshots";
pub const LEVELS: &str = "stock_levels";
pub const STOCK_ON: &str = "stock_on";
pub const STOCK_PERIOD: &str = "stock_period";
pub const STOCK_HISTORY: &str = "stock_history";

/// One object, for the list that attaching returns.
pub struct Object {
    pub name: &'static str,
    /// A function's arguments, which tell it from others of its name.
    pub arguments: &'static str,
    pub kind: Kind,
    /// Whether attaching itself creates it; the others are created once the storage is filled.
    pub is_made_at_once: bool,
    pub purpose: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Table,
    View,
    Function,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Function => "function",
        }
    }
}

/// Every object with a name of its own, in the order of creation.
pub const OBJECTS: [Object; 13] = [
    Object {
        name: SNAPSHOTS,
        arguments: "",
        kind: Kind::View,
        is_made_at_once: false,
        purpose: "opening, in, out and closing quantity of every key and day with a movement",
    },
    Object {
        name: LEVELS,
        arguments: "",
        kind: Kind::View,
        is_made_at_once: false,
        purpose: "quantity on hand now, of every key",
    },
    Object {
        name: STOCK_ON,
        arguments: "(date)",
        kind: Kind::Function,
        is_made_at_once: false,
        purpose: "stock of every key at the end of a day",
    },
    Object {
        name: STOCK_HISTORY,
        arguments: "(date, date)",
        kind: Kind::Function,
        is_made_at_once: false,
        purpose: "every key on every day of a range",
    },
    Object {
        name: STOCK_PERIOD,
        arguments: "(date, date)",
        kind: Kind::Function,
        is_made_at_once: false,
        purpose: "opening, in, out and closing of every key over a range of days",
    },
    Object {
        name: PENDING,
        arguments: "",
        kind: Kind::Table,
        is_made_at_once: true,
        purpose: "internal: changes not folded yet",
    },
    Object {
        name: DAYS,
        arguments: "",
        kind: Kind::Table,
        is_made_at_once: true,
        purpose: "internal: movements per key and day",
    },
    Object {
        name: OPENINGS,
        arguments: "",
        kind: Kind::Table,
        is_made_at_once: true,
        purpose: "internal: balances when a month began",
    },
    Object {
        name: MONTHS,
        arguments: "",
        kind: Kind::Table,
        is_made_at_once: true,
        purpose: "internal: months with movements",
    },
    Object {
        name: MAPPED_MOVES,
        arguments: "",
        kind: Kind::View,
        is_made_at_once: true,
        purpose: "internal: the ledger as it is mapped",
    },
    Object {
        name: OPENING_ENTRIES,
        arguments: "",
        kind: Kind::View,
        is_made_at_once: false,
        purpose: "internal: the openings for readers of the ledger",
    },
    Object {
        name: DAY_ENTRIES,
        arguments: "",
        kind: Kind::View,
        is_made_at_once: false,
        purpose: "internal: the days for readers of the ledger",
    },
    Object {
        name: PENDING_ENTRIES,
        arguments: "",
        kind: Kind::View,
        is_made_at_once: false,
        purpose: "internal: the pending changes for readers of the ledger",
    },
];

/// The triggers on the ledger. They come first among triggers of their kind by name, so that a
/// user's statement trigger already reads what this statement changed.
pub const TRIGGERS: [(&str, &str, &str); 5] = [
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
    ("00_inventory_perf_truncated", "AFTER TRUNCATE", ""),
];

/// The trigger on partitioned tables that prepares for rows that MERGE moves.
pub const MOVED_ROWS_TRIGGER: &str = "00_inventory_perf_moved";

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

    /// The object as DROP, GRANT and ALTER name it.
    pub fn signature(&self, object: &Object) -> String {
        format!("{}{}", self.name(object.name), object.arguments)
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
            objects.name(SNAPSHOTS),
            "\"Stock\".\"odoo_daily_stock_snapshots\""
        );
        assert_eq!(
            objects.signature(&OBJECTS[2]),
            "\"Stock\".\"odoo_stock_on\"(date)"
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
