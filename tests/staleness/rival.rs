//! The protocol again, in the test itself: once as it should be, and with the mistakes that it is
//! there to avoid.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use postgres::{Client, Error, Transaction};
use redis::{Connection, RedisResult};
use serde_json::{Value, json};

use super::load::{Answer, Reader, Writer, microseconds};
use super::{COUNTERS, History};
use crate::common::{Cluster, Proxy};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Flaw {
    None,
    /// The writer deletes the entries itself, before it commits.
    DeleteInTransaction,
    /// The reader looks up the stamps when it has its answer.
    StampsAfterSnapshot,
    /// Stamps are numbers, and an entry is good while none is greater than its greatest.
    CompareByMaximum,
}

pub struct Rival<'a> {
    pub flaw: Flaw,
    pub cluster: &'a Cluster,
    pub database: &'a str,
    pub proxy: &'a Proxy,
}

const SCHEMA: &str = "
    CREATE TABLE counters (counter integer PRIMARY KEY, value bigint NOT NULL) WITH (fillfactor = 30);
    CREATE TABLE outbox (counters integer[] NOT NULL);";

impl Rival<'_> {
    pub fn create(&self) {
        let mut client = self.cluster.connect(self.database);
        client.batch_execute(SCHEMA).expect("the tables");
        client
            .execute(
                "INSERT INTO counters SELECT generate_series(0, $1 - 1), 0",
                &[&i32::try_from(COUNTERS).expect("a small number")],
            )
            .expect("the counters");
    }

    pub fn session(&self) -> Box<Session> {
        Box::new(Session {
            flaw: self.flaw,
            client: self.cluster.connect(self.database),
            link: Link {
                url: self.proxy.url(),
                connection: None,
            },
        })
    }

    /// Delivers until told to end.
    pub fn deliver_until(&self, ended: &AtomicBool) {
        let mut session = self.session();
        while !ended.load(Ordering::SeqCst) {
            session.deliver();
            thread::sleep(Duration::from_millis(1));
        }
    }
}

pub struct Session {
    flaw: Flaw,
    client: Client,
    link: Link,
}

/// A connection to Redis, made anew after a failure.
struct Link {
    url: String,
    connection: Option<Connection>,
}

impl Link {
    const LIMIT: Duration = Duration::from_millis(500);

    /// Redis does as asked, or the connection is given up.
    fn ask<T>(&mut self, act: impl FnOnce(&mut Connection) -> RedisResult<T>) -> Option<T> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let client = redis::Client::open(self.url.as_str()).expect("the proxy's address");
                let connection = client.get_connection_with_timeout(Self::LIMIT).ok()?;
                connection
                    .set_read_timeout(Some(Self::LIMIT))
                    .expect("a timeout");
                connection
            }
        };
        let answer = act(&mut connection).ok()?;
        self.connection = Some(connection);
        Some(answer)
    }
}

fn stamp_name(counter: usize) -> String {
    format!("rival:stamp:tag:{counter}")
}

fn entry_name(counters: &[usize]) -> String {
    format!("rival:entry:{counters:?}")
}

fn numbers(counters: &[usize]) -> Vec<i32> {
    let number = |counter: &usize| i32::try_from(*counter).expect("a small number");
    counters.iter().map(number).collect()
}

/// What an entry holds: its stamps and the answer.
struct Entry {
    stamps: Vec<Option<String>>,
    values: Vec<u64>,
    computed_at: u64,
}

impl Entry {
    fn to_text(&self) -> String {
        json!([self.stamps, self.values, self.computed_at]).to_string()
    }

    fn parse(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).expect("an entry of this test");
        let part = |number: usize| value[number].clone();
        Self {
            stamps: serde_json::from_value(part(0)).expect("stamps"),
            values: serde_json::from_value(part(1)).expect("values"),
            computed_at: serde_json::from_value(part(2)).expect("a time"),
        }
    }
}

impl Session {
    fn undelivered(&mut self, counters: &[usize]) -> bool {
        let found = self.client.query_opt(
            "SELECT FROM outbox WHERE counters && $1 LIMIT 1",
            &[&numbers(counters)],
        );
        found.expect("the outbox").is_some()
    }

    fn compute(&mut self, counters: &[usize]) -> Answer {
        let computed_at = microseconds();
        let pause = if rand::random_bool(0.1) {
            0.015 * rand::random::<f64>()
        } else {
            0.0
        };
        let rows = self
            .client
            .query(
                "SELECT value FROM counters, pg_sleep($2) WHERE counter = ANY ($1) ORDER BY counter",
                &[&numbers(counters), &pause],
            )
            .expect("the counters");
        let value =
            |row: &postgres::Row| u64::try_from(row.get::<_, i64>(0)).expect("no less than 0");
        Answer {
            values: rows.iter().map(value).collect(),
            computed_at,
        }
    }

    fn look_up(&mut self, counters: &[usize]) -> Option<(Option<Entry>, Vec<Option<String>>)> {
        let names: Vec<String> = counters.iter().copied().map(stamp_name).collect();
        let mut found: Vec<Option<String>> = self.link.ask(|redis| {
            redis::cmd("MGET")
                .arg(entry_name(counters))
                .arg(&names)
                .query(redis)
        })?;
        let stamps = found.split_off(1);
        Some((found[0].as_deref().map(Entry::parse), stamps))
    }

    fn is_valid(&self, entry: &Entry, stamps: &[Option<String>]) -> bool {
        match self.flaw {
            Flaw::DeleteInTransaction => true,
            Flaw::CompareByMaximum => greatest(stamps) <= greatest(&entry.stamps),
            Flaw::None | Flaw::StampsAfterSnapshot => {
                stamps.iter().all(Option::is_some) && *stamps == entry.stamps
            }
        }
    }

    /// The stamps that a new entry is to carry; random ones are made where they lack.
    fn stamps_for_a_fill(&mut self, counters: &[usize]) -> Option<Vec<Option<String>>> {
        let mut commands = redis::pipe();
        for counter in counters {
            if self.flaw != Flaw::CompareByMaximum {
                let random = format!("{:032x}", rand::random::<u128>());
                let make = commands
                    .cmd("SET")
                    .arg(stamp_name(*counter))
                    .arg(random)
                    .arg("NX");
                make.ignore();
            }
            commands.cmd("GET").arg(stamp_name(*counter));
        }
        self.link.ask(|redis| commands.query(redis))
    }

    fn fill(&mut self, counters: &[usize]) -> Answer {
        let before = match self.flaw {
            Flaw::None | Flaw::CompareByMaximum => self.stamps_for_a_fill(counters),
            Flaw::DeleteInTransaction => Some(Vec::new()),
            Flaw::StampsAfterSnapshot => None,
        };
        let answer = self.compute(counters);
        let stamps = match self.flaw {
            Flaw::StampsAfterSnapshot => self.stamps_for_a_fill(counters),
            _ => before,
        };
        if let Some(stamps) = stamps {
            let entry = Entry {
                stamps,
                values: answer.values.clone(),
                computed_at: answer.computed_at,
            };
            self.link.ask(|redis| {
                let mut set = redis::cmd("SET");
                set.arg(entry_name(counters)).arg(entry.to_text());
                set.query::<()>(redis)
            });
        }
        answer
    }

    fn deliver(&mut self) {
        let mut transaction = self.client.transaction().expect("BEGIN");
        let rows = transaction
            .query("DELETE FROM outbox RETURNING counters", &[])
            .expect("a batch of the outbox");
        let changed: Vec<i32> = rows
            .iter()
            .flat_map(|row| row.get::<_, Vec<i32>>(0))
            .collect();
        let mut commands = redis::pipe();
        let command = if self.flaw == Flaw::CompareByMaximum {
            "INCR"
        } else {
            "UNLINK"
        };
        for counter in &changed {
            let counter = usize::try_from(*counter).expect("a counter");
            commands.cmd(command).arg(stamp_name(counter)).ignore();
        }
        let delivered =
            changed.is_empty() || self.link.ask(|redis| commands.query::<()>(redis)).is_some();
        end(transaction, delivered);
    }
}

fn end(transaction: Transaction<'_>, commit: bool) {
    let ended = if commit {
        transaction.commit()
    } else {
        transaction.rollback()
    };
    ended.expect("the end of a delivery");
}

fn greatest(stamps: &[Option<String>]) -> u64 {
    let number = |stamp: &Option<String>| {
        stamp
            .as_deref()
            .map_or(0, |text| text.parse().expect("a number"))
    };
    stamps.iter().map(number).max().unwrap_or(0)
}

impl Reader for Session {
    fn read(&mut self, counters: &[usize]) -> Result<Answer, Error> {
        if self.flaw != Flaw::DeleteInTransaction && self.undelivered(counters) {
            return Ok(self.compute(counters));
        }
        Ok(match self.look_up(counters) {
            None => self.compute(counters),
            Some((Some(entry), stamps)) if self.is_valid(&entry, &stamps) => Answer {
                values: entry.values,
                computed_at: entry.computed_at,
            },
            Some(_) => self.fill(counters),
        })
    }
}

impl Writer for Session {
    fn write(&mut self, counters: &[usize], history: &History) -> Result<(), Error> {
        let mut transaction = self.client.transaction().expect("BEGIN");
        let mut values = Vec::new();
        for counter in numbers(counters) {
            let row = transaction.query_one(
                "UPDATE counters SET value = value + 1 WHERE counter = $1 RETURNING value",
                &[&counter],
            );
            let value: i64 = row.expect("a counter").get(0);
            values.push(u64::try_from(value).expect("no less than 0"));
        }
        if self.flaw == Flaw::DeleteInTransaction {
            let names = entries_about(counters);
            self.link
                .ask(|redis| redis::cmd("UNLINK").arg(names).query::<()>(redis))
                .expect("Redis deletes");
        } else {
            transaction
                .execute("INSERT INTO outbox VALUES ($1)", &[&numbers(counters)])
                .expect("an outbox row");
        }
        for (counter, value) in counters.iter().zip(&values) {
            history.attempt(*counter, *value);
        }
        if rand::random_bool(0.2) {
            thread::sleep(Duration::from_millis(10).mul_f64(rand::random()));
        }
        transaction.commit().expect("COMMIT");
        for (counter, value) in counters.iter().zip(&values) {
            history.commit(*counter, *value);
        }
        Ok(())
    }
}

/// Names of all entries that a change of these counters concerns.
fn entries_about(counters: &[usize]) -> Vec<String> {
    let mut names = Vec::new();
    for counter in counters.iter().copied() {
        names.push(entry_name(&[counter]));
        names.push(entry_name(&[counter, counter + 1]));
        if counter > 0 {
            names.push(entry_name(&[counter - 1, counter]));
        }
    }
    names
}
