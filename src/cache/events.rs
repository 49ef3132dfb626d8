//! What is told about changes, after they have become invalid: through Redis to whoever
//! subscribes, and if wanted as notifications of the database.
//!
//! An event says that something changed, not what everything is now: who needs more reads it. It is
//! sent once, and lost if nobody listens or the server stops in between.

use pgrx::pg_sys;
use pgrx::prelude::*;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

mod levels;

use super::names;
use super::store;
use crate::error::Failure;
use crate::ledger::registry;
use crate::settings;

pub const UPDATE: &str = "inventory:update";
pub const LEVEL: &str = "inventory:level:updated";
pub const LOW_STOCK: &str = "inventory:low_stock:alert";

/// Keys, and tags, that one event names at most.
const NAMES: usize = 100;
/// Events of one batch at most; past it there is one for each relation.
const EVENTS: usize = 1_000;
/// What a notification carries at most, and how long its channel's name is.
const PAYLOAD_BYTES: usize = 7_999;
const CHANNEL_BYTES: usize = 63;

/// A row of the outbox, as far as events tell of it.
pub struct Row {
    /// As JSON has times: a string in ISO 8601.
    pub captured_at: Value,
    pub relation: Option<pg_sys::Oid>,
    pub operation: Option<String>,
    pub keys: Vec<String>,
    pub tags: Vec<String>,
    /// Whether other rows name more of the same statement.
    pub is_part: bool,
    pub channels: Vec<String>,
    pub changes: Option<Value>,
    /// Whether everything became invalid.
    pub flush: bool,
}

/// Keys of a ledger whose levels changed; None when there were too many to name.
pub struct Change {
    pub ledger: pg_sys::Oid,
    pub key: Option<Value>,
}

/// Channel and payload.
pub type Event = (String, String);

/// What there is to tell.
#[derive(Default)]
pub struct Told {
    /// For Redis, with the batch.
    pub published: Vec<Event>,
    /// For listeners in the database.
    pub notifications: Vec<Event>,
    pub changes: Vec<Change>,
}

impl Told {
    pub fn is_empty(&self) -> bool {
        self.notifications.is_empty() && self.changes.is_empty()
    }

    pub fn append(&mut self, mut other: Self) {
        self.published.append(&mut other.published);
        self.notifications.append(&mut other.notifications);
        self.changes.append(&mut other.changes);
    }
}

/// What is to be told of a batch.
pub fn prepare(rows: &[Row]) -> Told {
    let mut names = HashMap::new();
    let events = if rows.len() <= EVENTS {
        rows.iter()
            .flat_map(|row| of_row(row, &name_of(row.relation, &mut names)))
            .collect()
    } else {
        summary(rows, |relation| name_of(relation, &mut names))
    };
    let published = settings::PUBLISH_EVENTS.get();
    Told {
        notifications: if settings::NOTIFY_EVENTS.get() {
            events.clone()
        } else {
            Vec::new()
        },
        published: if published { events } else { Vec::new() },
        changes: changes(rows),
    }
}

/// What is told when everything became invalid at once.
pub fn flushed() -> Vec<Event> {
    let payload = json!({"relation": null, "operation": null, "flush": true});
    vec![(UPDATE.to_owned(), payload.to_string())]
}

fn name_of(
    relation: Option<pg_sys::Oid>,
    names: &mut HashMap<pg_sys::Oid, String>,
) -> Option<String> {
    let relation = relation?;
    let name = names
        .entry(relation)
        .or_insert_with(|| registry::relation_name(relation));
    Some(name.clone())
}

fn of_row(row: &Row, relation: &Option<String>) -> Vec<Event> {
    // the tag that every change of a relation has says no more than its name
    let own = row.relation.map(names::relation_tag);
    let tags: Vec<String> = row
        .tags
        .iter()
        .filter(|tag| Some(*tag) != own.as_ref())
        .cloned()
        .collect();
    let payload = payload(row, relation, &tags);
    let channels: HashSet<&str> = row
        .channels
        .iter()
        .map(String::as_str)
        .chain([UPDATE])
        .collect();
    channels
        .into_iter()
        .map(|channel| (channel.to_owned(), payload.clone()))
        .collect()
}

fn payload(row: &Row, relation: &Option<String>, tags: &[String]) -> String {
    let Row {
        operation,
        keys,
        captured_at,
        ..
    } = row;
    let is_truncated = row.is_part || keys.len() > NAMES || tags.len() > NAMES;
    let some = |names: &[String]| names.iter().take(NAMES).cloned().collect::<Vec<_>>();
    let mut full = json!({
        "relation": relation,
        "operation": operation,
        "keys": some(keys),
        "tags": some(tags),
        "truncated": is_truncated,
        "captured_at": captured_at,
    });
    if row.flush {
        full["flush"] = true.into();
    }
    let full = full.to_string();
    if full.len() <= PAYLOAD_BYTES {
        return full;
    }
    json!({
        "relation": relation,
        "operation": operation,
        "keys": [],
        "tags": [],
        "truncated": true,
        "captured_at": captured_at,
    })
    .to_string()
}

/// One event for each relation and channel, which names nothing.
fn summary(
    rows: &[Row],
    mut name_of: impl FnMut(Option<pg_sys::Oid>) -> Option<String>,
) -> Vec<Event> {
    let mut events = HashSet::new();
    for row in rows {
        let relation = name_of(row.relation);
        let text = json!({
            "relation": relation, "operation": null, "keys": [], "tags": [], "truncated": true,
        })
        .to_string();
        for channel in row.channels.iter().map(String::as_str).chain([UPDATE]) {
            events.insert((channel.to_owned(), text.clone()));
        }
    }
    events.into_iter().collect()
}

/// The distinct keys of ledgers that the rows name.
fn changes(rows: &[Row]) -> Vec<Change> {
    let mut seen = HashSet::new();
    let mut changes = Vec::new();
    for row in rows {
        let (Some(ledger), Some(changed)) = (row.relation, &row.changes) else {
            continue;
        };
        let keys = match changed {
            Value::Array(keys) => keys.iter().map(Some).collect(),
            _ => vec![None],
        };
        for key in keys {
            if seen.insert((ledger, key.map(Value::to_string))) {
                changes.push(Change {
                    ledger,
                    key: key.cloned(),
                });
            }
        }
    }
    changes
}

/// Tells the levels that changed, and what listeners in the database wait for.
pub fn publish(told: &Told) -> Result<(), Failure> {
    let levels = levels::of(&told.changes)?;
    if settings::NOTIFY_EVENTS.get() {
        for (channel, payload) in told.notifications.iter().chain(&levels) {
            notify(channel, payload)?;
        }
    }
    if settings::PUBLISH_EVENTS.get() && store::is_redis() && !levels.is_empty() {
        store::call_always(|store| store.publish(&levels)).map_err(super::delivery::failure)?;
    }
    Ok(())
}

fn notify(channel: &str, payload: &str) -> Result<(), Failure> {
    if channel.is_empty() || channel.len() > CHANNEL_BYTES || payload.len() > PAYLOAD_BYTES {
        return Ok(());
    }
    Spi::connect(|client| {
        client
            .select(
                "SELECT pg_catalog.pg_notify($1, $2)",
                Some(1),
                &[channel.into(), payload.into()],
            )
            .map(|_| ())
    })?;
    Ok(())
}

#[cfg(test)]
mod unit {
    use super::*;

    fn row(keys: usize) -> Row {
        Row {
            captured_at: Value::Null,
            relation: None,
            operation: Some("INSERT".to_owned()),
            keys: (0..keys).map(|n| format!("stock:{n}")).collect(),
            tags: vec!["t\"1".to_owned()],
            is_part: false,
            channels: vec!["mine".to_owned(), UPDATE.to_owned()],
            changes: None,
            flush: false,
        }
    }

    #[test]
    fn the_first_of_several_rows_says_that_there_is_more() {
        for is_part in [false, true] {
            let events = of_row(&Row { is_part, ..row(1) }, &None);
            assert_eq!(parsed(&events[0].1)["truncated"], is_part);
        }
    }

    fn parsed(payload: &str) -> Value {
        serde_json::from_str(payload).expect("a payload is JSON")
    }

    #[test]
    fn an_event_goes_once_to_every_channel() {
        let events = of_row(&row(2), &Some("public.moves".to_owned()));
        let mut channels: Vec<&str> = events.iter().map(|(channel, _)| channel.as_str()).collect();
        channels.sort_unstable();
        assert_eq!(channels, [UPDATE, "mine"]);
        let payload = parsed(&events[0].1);
        assert_eq!(payload["keys"], json!(["stock:0", "stock:1"]));
        assert_eq!(payload["tags"], json!(["t\"1"]));
        assert_eq!(payload["truncated"], json!(false));
    }

    #[test]
    fn payloads_are_bounded() {
        let payload = of_row(&row(101), &None).remove(0).1;
        assert_eq!(parsed(&payload)["truncated"], json!(true));
        assert_eq!(parsed(&payload)["keys"].as_array().map(Vec::len), Some(100));
        let mut long = row(2);
        long.keys.push("x".repeat(10_000));
        let payload = of_row(&long, &None).remove(0).1;
        assert!(payload.len() <= PAYLOAD_BYTES);
        assert_eq!(parsed(&payload)["keys"], json!([]));
    }

    #[test]
    fn many_rows_are_told_in_one_event() {
        let rows: Vec<Row> = (0..EVENTS + 1).map(|_| row(1)).collect();
        assert_eq!(summary(&rows, |_| None).len(), 2);
    }

    #[test]
    fn a_key_that_changed_twice_is_told_once() {
        let mut one = row(0);
        one.relation = Some(pg_sys::Oid::from(42));
        one.changes = Some(json!([{"product_id": 1}, {"product_id": 2}]));
        let mut two = row(0);
        two.relation = one.relation;
        two.changes = Some(json!([{"product_id": 2}]));
        let mut three = row(0);
        three.relation = one.relation;
        three.changes = Some(json!({"truncated": true}));
        assert_eq!(changes(&[one, two, three]).len(), 3);
    }
}
