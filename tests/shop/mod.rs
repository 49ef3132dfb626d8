//! A database for tests of values under keys, with a Redis. Nothing is delivered but by hand, so that
//! every step has one right answer.

// Every test program compiles this module and uses a part of it.
#![allow(dead_code)]

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Ask, Cluster, Redis};
use postgres::Client;
use postgres::types::ToSql;
use redis::Commands;

pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        Cluster::with_test_settings()
            .set("autovacuum", "off")
            .set("inventory_perf.redis_url", &format!("'{}'", redis().url()))
            .set("inventory_perf.redis_timeout", "'5s'")
            .set("inventory_perf.redis_connect_timeout", "'5s'")
            .start()
    })
}

pub fn redis() -> &'static Redis {
    static REDIS: OnceLock<Redis> = OnceLock::new();
    REDIS.get_or_init(Redis::new)
}

/// A database with names of its own in Redis.
pub struct Shop {
    pub database: String,
    pub client: Client,
    pub redis: redis::Connection,
}

impl Shop {
    pub fn open() -> Self {
        let database = cluster().database();
        cluster().connect(&database).run(&format!(
            "ALTER DATABASE {database} SET inventory_perf.redis_key_prefix = '{database}:'"
        ));
        let mut client = cluster().connect(&database);
        client.run("SET search_path = inventory_perf, public");
        client.run("SELECT deliver_invalidations()");
        Self {
            client,
            redis: redis().connect(),
            database,
        }
    }

    pub fn another_session(&self) -> Client {
        let mut client = cluster().connect(&self.database);
        client.run("SET search_path = inventory_perf, public");
        client
    }

    /// What Redis has under a name, without the prefix.
    pub fn name(&self, name: &str) -> String {
        format!("{}:{name}", self.database)
    }

    pub fn stored(&mut self, key: &str) -> Option<Vec<u8>> {
        let name = self.name(key);
        self.redis.get(name).expect("read an entry")
    }

    pub fn store(&mut self, key: &str, bytes: &[u8]) {
        let name = self.name(key);
        let _: () = self.redis.set(name, bytes).expect("write an entry");
    }

    pub fn get(&mut self, key: &str) -> Option<String> {
        let row = self
            .client
            .query_one("SELECT cache_get($1)::text", &[&key])
            .expect("cache_get");
        row.get(0)
    }

    pub fn exists(&mut self, key: &str) -> bool {
        let row = self
            .client
            .query_one("SELECT cache_exists($1)", &[&key])
            .expect("cache_exists");
        row.get(0)
    }

    pub fn set(&mut self, key: &str, value: &str, ttl: &str, tags: &[&str]) -> bool {
        let parameters: [&(dyn ToSql + Sync); 4] = [&key, &value, &ttl, &tags];
        let row = self
            .client
            .query_one(
                "SELECT cache_set($1, $2::text::jsonb, $3::text::interval, $4)",
                &parameters,
            )
            .expect("cache_set");
        row.get(0)
    }

    /// Stores for certain: another test's transaction may make stamps too young for a moment.
    pub fn keep(&mut self, key: &str, value: &str, tags: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while {
            self.get(key);
            !self.set(key, value, "10 min", tags)
        } {
            assert!(Instant::now() < deadline, "{key:?} is never stored");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn deliver(&mut self) -> i64 {
        self.client.ask("SELECT deliver_invalidations()")
    }

    /// Commits an invalidation; the caller says when it is delivered.
    pub fn invalidate(&mut self, call: &str, argument: &str) -> i64 {
        let row = self
            .client
            .query_one(&format!("SELECT {call}($1)"), &[&argument])
            .expect("an invalidation");
        row.try_get(0).unwrap_or_default()
    }

    pub fn misses(&mut self, reason: &str) -> i64 {
        self.client.ask(&format!(
            "SELECT (misses_by_reason ->> '{reason}')::bigint FROM cache_stats"
        ))
    }
}
