//! Readers and writers that go through the extension.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Error, IsolationLevel, NoTls};
use serde_json::Value;

use super::History;
use super::load::{Answer, Reader, Writer};
use crate::common::{Ask, Cluster, ClusterOptions};

pub const SCHEMA: &str = include_str!("schema.sql");

/// What a function reads cannot be told from outside: this one needs tags.
const TAGGED_QUERY: &str = "SELECT counter, value, staleness.asked_at() AS computed_at
     FROM staleness.counters WHERE counter = ANY ($1) ORDER BY counter";

const PLAIN_QUERY: &str = "SELECT counter, value FROM staleness.counters
     WHERE counter = ANY ($1) ORDER BY counter";

/// Short pauses, so that a run of a minute sees every failure and recovery many times.
pub const SETTINGS: &[(&str, &str)] = &[
    ("inventory_perf.cache_breaker_pause", "'200ms'"),
    ("inventory_perf.cache_lease", "'1s'"),
    ("inventory_perf.cache_fill_wait", "'50ms'"),
];

/// Who delivers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delivery {
    Worker,
    /// The library is not preloaded, and somebody calls deliver_invalidations() again and again.
    Calls,
}

pub struct Extension {
    pub cluster: Cluster,
    pub database: String,
    delivery: Delivery,
}

impl Extension {
    /// A server with the worker in it, that finds Redis at `url`.
    pub fn start(url: &str, options: ClusterOptions, counters: usize) -> Self {
        Self::start_with(url, Delivery::Worker, options, counters)
    }

    /// A server that finds Redis at `url`, or keeps everything in tables if that is empty.
    pub fn start_with(
        url: &str,
        delivery: Delivery,
        options: ClusterOptions,
        counters: usize,
    ) -> Self {
        let options = match delivery {
            Delivery::Worker => options.set("shared_preload_libraries", "'inventory_perf'"),
            Delivery::Calls => options,
        };
        let options = SETTINGS
            .iter()
            .fold(options, |options, (name, value)| options.set(name, value));
        let cluster = options
            .set("inventory_perf.redis_url", &format!("'{url}'"))
            .start();
        let database = cluster.database();
        let mut client = cluster.connect(&database);
        client.batch_execute(SCHEMA).expect("the tables");
        client
            .execute(
                "INSERT INTO staleness.counters SELECT generate_series(0, $1 - 1), 0",
                &[&i32::try_from(counters).expect("a small number")],
            )
            .expect("the counters");
        let extension = Self {
            cluster,
            database,
            delivery,
        };
        extension.wait_for_an_epoch(&mut client);
        extension
    }

    fn wait_for_an_epoch(&self, client: &mut Client) {
        let deadline = Instant::now() + Duration::from_secs(20);
        if self.delivery == Delivery::Calls {
            client
                .batch_execute("SELECT inventory_perf.deliver_invalidations()")
                .expect("a delivery");
        }
        while !client.ask::<bool>("SELECT EXISTS (SELECT FROM inventory_perf.cache_state)") {
            let log = self.cluster.log_tail();
            assert!(Instant::now() < deadline, "no worker:\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Delivers until told to end, unless the worker does. What is refused, as Redis is away or the
    /// server is, is tried again.
    pub fn deliver_until(&self, ended: &AtomicBool) {
        let mut session = None;
        while self.delivery == Delivery::Calls && !ended.load(Ordering::SeqCst) {
            if let Some(mut client) = session.take().or_else(|| self.try_connect().ok()) {
                let call = "SELECT inventory_perf.deliver_invalidations()";
                let delivered = client.batch_execute(call);
                if delivered.is_ok() || !client.is_closed() {
                    session = Some(client);
                }
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn connect(&self) -> Client {
        self.cluster.connect(&self.database)
    }

    pub fn try_connect(&self) -> Result<Client, Error> {
        self.cluster.config(&self.database).connect(NoTls)
    }

    /// Readers of every kind, in turn.
    pub fn reader(&self, number: usize) -> Result<Box<dyn Reader>, Error> {
        let client = self.try_connect()?;
        Ok(match number % 4 {
            0 | 1 => Box::new(QueryReader {
                client,
                own_tags: true,
            }),
            2 => Box::new(ValueReader {
                client,
                at_once: true,
            }),
            _ => Box::new(ValueReader {
                client,
                at_once: false,
            }),
        })
    }

    pub fn query_reader(&self, own_tags: bool) -> Result<Box<dyn Reader>, Error> {
        let client = self.try_connect()?;
        Ok(Box::new(QueryReader { client, own_tags }))
    }

    /// Ends what the writer of this number before it had prepared when its session was lost: it would
    /// hold its locks for ever.
    pub fn writer(&self, number: usize) -> Result<Box<dyn Writer>, Error> {
        let mut client = self.try_connect()?;
        let left = client.query(
            "SELECT gid FROM pg_prepared_xacts
             WHERE database = current_database() AND gid LIKE $1 || ':%'",
            &[&number.to_string()],
        )?;
        for row in left {
            let end = if rand::random() { "COMMIT" } else { "ROLLBACK" };
            let name: String = row.get(0);
            client.batch_execute(&format!("{end} PREPARED '{name}'"))?;
        }
        Ok(Box::new(TransactionalWriter { client, number }))
    }
}

fn numbers(counters: &[usize]) -> Vec<i32> {
    let number = |counter: &usize| i32::try_from(*counter).expect("a small number");
    counters.iter().map(number).collect()
}

pub fn tags(counters: &[usize]) -> Vec<String> {
    counters
        .iter()
        .map(|counter| format!("counter:{counter}"))
        .collect()
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

struct QueryReader {
    client: Client,
    own_tags: bool,
}

/// Asks cached_query() within whatever transaction is open.
fn cached_query(
    client: &mut impl postgres::GenericClient,
    counters: &[usize],
    own_tags: bool,
) -> Result<Answer, Error> {
    let parameters = format!("[{:?}]", numbers(counters));
    let (query, tags) = if own_tags {
        (TAGGED_QUERY, tags(counters))
    } else {
        (PLAIN_QUERY, Vec::new())
    };
    let rows = client.query(
        "SELECT answer::text
             FROM inventory_perf.cached_query($1, $2::text::jsonb, '30 s', $3) AS answer",
        &[&query, &parameters, &tags],
    )?;
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| serde_json::from_str(row.get(0)).expect("JSON"))
        .collect();
    let asked = rows.iter().map(|row| number(&row["counter"]) as usize);
    assert!(
        asked.eq(counters.iter().copied()),
        "not what was asked for: {rows:?}"
    );
    let computed_at = rows.iter().filter_map(|row| row["computed_at"].as_u64());
    Ok(Answer {
        values: rows.iter().map(|row| number(&row["value"])).collect(),
        computed_at: computed_at.max().unwrap_or(u64::MAX),
    })
}

impl Reader for QueryReader {
    fn read(&mut self, counters: &[usize]) -> Result<Answer, Error> {
        let dice = rand::random_range(0..100);
        if dice < 94 {
            return cached_query(&mut self.client, counters, self.own_tags);
        }
        let isolation = match dice {
            94 | 95 => IsolationLevel::RepeatableRead,
            96 => IsolationLevel::Serializable,
            _ => IsolationLevel::ReadCommitted,
        };
        let transaction = self.client.build_transaction().isolation_level(isolation);
        let mut transaction = transaction.start()?;
        if dice == 99 {
            transaction.batch_execute("INSERT INTO staleness.scribbles VALUES (1)")?;
        }
        let answer = cached_query(&mut transaction, counters, self.own_tags)?;
        transaction.commit()?;
        Ok(answer)
    }
}

/// Keeps values under keys: that of the counter for one, a key of its own with tags for several.
struct ValueReader {
    client: Client,
    /// Computes and stores in one statement, else in two with a pause between.
    at_once: bool,
}

const COMPUTE: &str = "SELECT jsonb_build_object(
           'values', jsonb_agg(value ORDER BY counter), 'computed_at', staleness.asked_at()) AS value
     FROM staleness.counters WHERE counter = ANY ($1)";

fn stored(text: &str) -> Answer {
    let value: Value = serde_json::from_str(text).expect("JSON");
    let values = value["values"].as_array().expect("values");
    Answer {
        values: values.iter().map(number).collect(),
        computed_at: number(&value["computed_at"]),
    }
}

impl Reader for ValueReader {
    fn read(&mut self, counters: &[usize]) -> Result<Answer, Error> {
        let (key, tags) = match counters {
            [one] => (format!("counter:{one}"), Vec::new()),
            several => (format!("several:{several:?}"), tags(several)),
        };
        let row = self
            .client
            .query_one("SELECT inventory_perf.cache_get($1)::text", &[&key])?;
        if let Some(text) = row.get::<_, Option<String>>(0) {
            return Ok(stored(&text));
        }
        let text: String = if self.at_once {
            let statement = format!(
                "WITH computed AS MATERIALIZED ({COMPUTE})
                 SELECT value::text, inventory_perf.cache_set($2, value, '30 s', $3) FROM computed"
            );
            let row = self
                .client
                .query_one(&statement, &[&numbers(counters), &key, &tags]);
            row?.get(0)
        } else {
            let statement = format!("SELECT value::text FROM ({COMPUTE}) AS computed");
            let row = self.client.query_one(&statement, &[&numbers(counters)]);
            let text: String = row?.get(0);
            if rand::random_bool(0.2) {
                thread::sleep(Duration::from_millis(10).mul_f64(rand::random()));
            }
            self.client.execute(
                "SELECT inventory_perf.cache_set($1, $2::text::jsonb, '30 s', $3)",
                &[&key, &text, &tags],
            )?;
            text
        };
        Ok(stored(&text))
    }
}

/// Raises counters in transactions of several kinds.
pub struct TransactionalWriter {
    client: Client,
    number: usize,
}

impl Writer for TransactionalWriter {
    fn write(&mut self, counters: &[usize], history: &History) -> Result<(), Error> {
        let mut transaction = self.client.transaction()?;
        if rand::random_bool(0.05) {
            // What is rolled back must not disturb what follows.
            let mut savepoint = transaction.savepoint("undone")?;
            raise(&mut savepoint, counters)?;
            savepoint.rollback()?;
        }
        let values = raise(&mut transaction, counters)?;
        if rand::random_bool(0.05) {
            let own = cached_query(&mut transaction, counters, true)?;
            assert_eq!(own.values, values, "a writer does not see its own writes");
        }
        for (counter, value) in counters.iter().zip(&values) {
            history.attempt(*counter, *value);
        }
        if rand::random_bool(0.2) {
            thread::sleep(Duration::from_millis(10).mul_f64(rand::random()));
        }
        if rand::random_bool(0.02) {
            let name = format!("{}:{:x}", self.number, rand::random::<u64>());
            transaction.batch_execute(&format!("PREPARE TRANSACTION '{name}'"))?;
            transaction.commit()?;
            self.client
                .batch_execute(&format!("COMMIT PREPARED '{name}'"))?;
        } else {
            transaction.commit()?;
        }
        for (counter, value) in counters.iter().zip(&values) {
            history.commit(*counter, *value);
        }
        Ok(())
    }
}

fn raise(client: &mut impl postgres::GenericClient, counters: &[usize]) -> Result<Vec<u64>, Error> {
    let mut values = Vec::new();
    for counter in numbers(counters) {
        let row = client.query_one(
            "UPDATE staleness.counters SET value = value + 1 WHERE counter = $1 RETURNING value",
            &[&counter],
        );
        let value: i64 = row?.get(0);
        values.push(u64::try_from(value).expect("no less than 0"));
    }
    Ok(values)
}
