//! How the columns of a ledger map to keys, day, quantity and value.

use serde::{Deserialize, Serialize};

/// One key column of everything derived from a ledger.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Key {
    /// 'tenant', 'product', 'location' or 'dimension'.
    pub role: String,
    /// The ledger's column when it was attached; of two-leg ledgers the side that gives.
    pub column: String,
    /// The column's name in the public relations.
    pub name: String,
    /// The type as SQL names it, with its modifier and collation.
    pub sql_type: String,
    /// The type's equality operator as SQL writes it, independent of any search path.
    pub equals: String,
    /// How JSON shows its values.
    #[serde(skip)]
    pub shape: Shape,
}

/// What a value is in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    #[default]
    Scalar,
    Array,
    /// Anything: it is JSON itself.
    Json,
}

/// The mapping of a ledger as it was attached. What binds at run time is the view over the ledger
/// that was made from it, so that a renamed column goes on working.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Mapping {
    pub preset: Option<String>,
    pub keys: Vec<Key>,
    /// The column of the side that receives, when each side is a leg of its own.
    pub to_location: Option<String>,
    pub by_location: bool,
    pub quantity: String,
    pub value: Option<String>,
    pub moved_at: String,
    pub time_zone: String,
    pub filter: Option<String>,
}

/// Where each part of a movement stands in the columns of the mapping view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub keys: usize,
    /// The key that names the location, and the column with the receiving side.
    pub second_leg: Option<SecondLeg>,
    pub day: usize,
    pub quantity: usize,
    pub value: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondLeg {
    pub location_key: usize,
    pub to_location: usize,
}

impl Mapping {
    pub fn layout(&self) -> Layout {
        let keys = self.keys.len();
        let location_key = self.keys.iter().position(|key| key.role == "location");
        let second_leg = match (&self.to_location, location_key) {
            (Some(_), Some(location_key)) => Some(SecondLeg {
                location_key,
                to_location: keys,
            }),
            _ => None,
        };
        let day = keys + usize::from(second_leg.is_some());
        Layout {
            keys,
            second_leg,
            day,
            quantity: day + 1,
            value: self.value.as_ref().map(|_| day + 2),
        }
    }

    /// A query of the ledger's legs: the keys as k1, k2, …, day, quantity (and value), signed.
    pub fn legs_query(&self, mapped_moves: &str) -> String {
        let layout = self.layout();
        let keys: Vec<String> = (1..=layout.keys).map(|key| format!("k{key}")).collect();
        let is_location = |index: usize| {
            layout
                .second_leg
                .is_some_and(|second| second.location_key == index)
        };
        let select: Vec<String> = keys
            .iter()
            .enumerate()
            .map(|(index, key)| match is_location(index) {
                true => format!("leg.location AS {key}"),
                false => format!("m.{key}"),
            })
            .collect();
        let mut not_null: Vec<String> = keys
            .iter()
            .enumerate()
            .map(|(index, key)| match is_location(index) {
                true => "leg.location IS NOT NULL".into(),
                false => format!("m.{key} IS NOT NULL"),
            })
            .collect();
        not_null.push("m.day IS NOT NULL AND m.quantity IS NOT NULL".into());
        let value = match layout.value {
            Some(_) => "coalesce(m.value, 0)::numeric",
            None => "0::numeric",
        };
        let legs = match layout.second_leg {
            Some(second) => format!(
                " CROSS JOIN LATERAL (VALUES \
                 (m.k{}, -m.quantity::numeric, -{value}), \
                 (m.to_location, m.quantity::numeric, {value})) \
                 AS leg(location, quantity, value)",
                second.location_key + 1
            ),
            None => format!(
                " CROSS JOIN LATERAL (VALUES (m.quantity::numeric, {value})) \
                 AS leg(quantity, value)"
            ),
        };
        format!(
            "SELECT {}, m.day, leg.quantity{} FROM {mapped_moves} m{legs} WHERE {}",
            select.join(", "),
            if self.value.is_some() {
                ", leg.value"
            } else {
                ""
            },
            not_null.join(" AND ")
        )
    }
}

/// The public name of the location key of a two-leg ledger, after the side that gives.
pub fn location_key_name(from_location: &str) -> String {
    let lower = from_location.to_ascii_lowercase();
    for prefix in ["from_", "source_", "src_"] {
        if lower.starts_with(prefix) && lower.len() > prefix.len() {
            return from_location[prefix.len()..].to_owned();
        }
    }
    for suffix in ["_from", "_source", "_src"] {
        if lower.ends_with(suffix) && lower.len() > suffix.len() {
            return from_location[..from_location.len() - suffix.len()].to_owned();
        }
    }
    from_location.to_owned()
}

#[cfg(test)]
mod unit {
    use super::*;

    fn key(role: &str, column: &str) -> Key {
        Key {
            role: role.into(),
            column: column.into(),
            name: column.into(),
            sql_type: "integer".into(),
            equals: "=".into(),
            shape: Shape::default(),
        }
    }

    fn mapping(keys: Vec<Key>, to_location: Option<&str>, value: Option<&str>) -> Mapping {
        Mapping {
            preset: None,
            keys,
            to_location: to_location.map(str::to_owned),
            by_location: true,
            quantity: "quantity".into(),
            value: value.map(str::to_owned),
            moved_at: "moved_at".into(),
            time_zone: "UTC".into(),
            filter: None,
        }
    }

    #[test]
    fn one_leg_has_its_columns_in_order() {
        let layout = mapping(
            vec![key("product", "p"), key("location", "l")],
            None,
            Some("v"),
        )
        .layout();
        assert_eq!(
            layout,
            Layout {
                keys: 2,
                second_leg: None,
                day: 2,
                quantity: 3,
                value: Some(4)
            }
        );
    }

    #[test]
    fn a_second_leg_stands_after_the_keys() {
        let layout = mapping(
            vec![key("product", "p"), key("location", "f")],
            Some("t"),
            None,
        )
        .layout();
        assert_eq!(
            layout.second_leg,
            Some(SecondLeg {
                location_key: 1,
                to_location: 2
            })
        );
        assert_eq!((layout.day, layout.quantity, layout.value), (3, 4, None));
    }

    #[test]
    fn legs_of_both_sides() {
        let query = mapping(
            vec![key("product", "p"), key("location", "f")],
            Some("t"),
            None,
        )
        .legs_query("v");
        assert!(query.starts_with("SELECT m.k1, leg.location AS k2, m.day, leg.quantity FROM v m"));
        assert!(query.contains("(m.k2, -m.quantity::numeric"));
        assert!(query.contains("leg.location IS NOT NULL"));
    }

    #[test]
    fn location_names_lose_their_side() {
        assert_eq!(location_key_name("from_location_id"), "location_id");
        assert_eq!(location_key_name("Source_Bin"), "Bin");
        assert_eq!(location_key_name("warehouse_from"), "warehouse");
        assert_eq!(location_key_name("location_id"), "location_id");
        assert_eq!(location_key_name("from_"), "from_");
    }
}
