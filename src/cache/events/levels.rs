//! The levels of keys that changed, from the storage of their ledgers and with the rights of their
//! owners.
//!
//! Each ledger is read on its own, within limits: an error, or an object that somebody keeps locked,
//! loses events of that ledger alone. Functions that an owner may replace are not called.

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::prelude::*;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Change, Event, LEVEL, LOW_STOCK};
use crate::attempt::{Limits, attempt};
use crate::cache::low_stock;
use crate::error::Failure;
use crate::ledger::errors;
use crate::ledger::registry::{self, Ledger, State};
use crate::security;

/// Levels of one batch at most.
const LEVELS: usize = 1_000;
/// Of one level.
const LIMITS: Limits = Limits::new(Duration::from_secs(1), Duration::from_millis(200));
/// Of all levels of a batch: what is told never keeps what is invalid waiting for longer.
const LONGEST: Duration = Duration::from_secs(2);
/// What fails after so long has been waited for.
const SLOW: Duration = Duration::from_millis(150);
/// How long nothing is told then of the ledger.
const PAUSE: Duration = Duration::from_secs(60);

thread_local! {
    static PAUSED: RefCell<HashMap<pg_sys::Oid, Instant>> = RefCell::default();
}

/// One event for each key: its level as it is now. One more if it has just become low.
pub fn of(changes: &[Change]) -> Result<Vec<Event>, Failure> {
    let began = Instant::now();
    let mut events = Vec::new();
    let mut ledgers = HashMap::new();
    for change in changes.iter().take(LEVELS) {
        let oid = change.ledger;
        if began.elapsed() > LONGEST {
            break;
        }
        if is_paused(oid) {
            continue;
        }
        let started = Instant::now();
        let told = attempt(LIMITS, || {
            let watched = match ledgers.get(&oid) {
                Some(known) => known,
                None => {
                    let found = find(oid)?;
                    ledgers.entry(oid).or_insert(found)
                }
            };
            match watched {
                Some(watched) => watched.tell(change.key.as_ref()),
                None => Ok(Vec::new()),
            }
        });
        match told {
            Ok(mut told) => events.append(&mut told),
            Err(failure) => {
                if started.elapsed() >= SLOW {
                    PAUSED.with_borrow_mut(|paused| {
                        paused.insert(oid, Instant::now() + PAUSE);
                    });
                }
                errors::record(oid, "telling a level", &failure);
                failure
                    .about(format!(
                        "a level of ledger {} is not told",
                        registry::relation_name(oid)
                    ))
                    .log();
            }
        }
    }
    Ok(events)
}

fn is_paused(ledger: pg_sys::Oid) -> bool {
    PAUSED.with_borrow_mut(|paused| {
        paused.retain(|_, until| *until > Instant::now());
        paused.contains_key(&ledger)
    })
}

struct Watched {
    ledger: Ledger,
    /// Whether there is a threshold below which stock is low.
    is_watched: bool,
    query: String,
}

/// None for what is no ledger, or one that gives no answers.
fn find(oid: pg_sys::Oid) -> Result<Option<Watched>, Failure> {
    let Some(ledger) = registry::find(oid)?.filter(|ledger| ledger.state == State::Ready) else {
        return Ok(None);
    };
    let conditions: Vec<String> = (1..)
        .zip(&ledger.mapping.keys)
        .map(|(n, key)| format!("{{row}}.k{n} {} ${}::{}", key.equals, n + 2, key.sql_type))
        .collect();
    let (opening_value, change) = match ledger.mapping.value {
        Some(_) => ("o.value", "{row}.value_change"),
        None => ("NULL::numeric", "NULL::numeric"),
    };
    let query = ledger
        .template()
        .set("key", conditions.join(" AND "))
        .set("opening_value", opening_value)
        .set("change", change)
        .fill(include_str!("../../../sql/delivery/level.sql"));
    Ok(Some(Watched {
        is_watched: low_stock::is_watched(oid)?,
        ledger,
        query,
    }))
}

impl Watched {
    fn tell(&self, key: Option<&Value>) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::new();
        let Some(key) = key else {
            let event = json!({"ledger": self.ledger.name, "truncated": true}).to_string();
            events.push((LEVEL.to_owned(), event.clone()));
            if self.is_watched {
                events.push((LOW_STOCK.to_owned(), event));
            }
            return Ok(events);
        };
        let Some(level) = self.level(key)? else {
            return Ok(events);
        };
        if self.is_watched
            && let Some(alert) = low_stock::note(self.ledger.oid, key, &level)?
        {
            events.push((LOW_STOCK.to_owned(), alert));
        }
        events.push((LEVEL.to_owned(), level));
        Ok(events)
    }

    /// As JSON. None for a key that is not one of this ledger's.
    fn level(&self, key: &Value) -> Result<Option<String>, Failure> {
        let columns = &self.ledger.mapping.keys;
        let mut texts = Vec::with_capacity(columns.len());
        for column in columns {
            // As capture has written it: numbers and booleans as such, all else as text.
            match key.get(&column.name) {
                Some(Value::String(text)) => texts.push(text.clone()),
                Some(other) => texts.push(other.to_string()),
                None => return Ok(None),
            }
        }
        let mut arguments: Vec<DatumWithOid> = vec![
            self.ledger.name.as_str().into(),
            pgrx::JsonB(key.clone()).into(),
        ];
        arguments.extend(texts.iter().map(|text| DatumWithOid::from(text.as_str())));
        let level = security::run_as(self.ledger.owner, || {
            Spi::connect(|client| {
                client
                    .select(&self.query, Some(1), &arguments)?
                    .first()
                    .get_one::<String>()
            })
        })?;
        Ok(level)
    }
}
