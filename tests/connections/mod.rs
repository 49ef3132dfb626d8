//! A server of PostgreSQL whose way to Redis the tests change, and one session in it.

// Every test program that includes this module uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use postgres::error::SqlState;

use crate::common::{Ask, Cluster};

pub const PATIENCE: Duration = Duration::from_secs(20);
pub const PASSWORD: &str = "s3cret word";

/// A server that has everything in its configuration file, and one session in it.
pub struct Site {
    pub cluster: Cluster,
    pub database: String,
    pub client: Client,
}

impl Site {
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let options = Cluster::with_test_settings()
            .set("autovacuum", "off")
            .set("inventory_perf.redis_timeout", "'2s'")
            .set("inventory_perf.redis_connect_timeout", "'2s'")
            .set("inventory_perf.cache_breaker_pause", "'1ms'");
        let options = settings
            .iter()
            .fold(options, |options, (name, value)| options.set(name, value));
        let cluster = options.start();
        let database = cluster.database();
        let client = session(&cluster, &database);
        Self {
            cluster,
            database,
            client,
        }
    }

    /// Changes settings of the running server, and waits until the session has them.
    pub fn configure(&mut self, settings: &[(&str, &str)]) {
        let quoted =
            |(name, value): &(&str, &str)| (format!("inventory_perf.{name}"), format!("'{value}'"));
        let lines: Vec<_> = settings.iter().map(quoted).collect();
        self.cluster.append_settings(&lines);
        self.client.run("SELECT pg_reload_conf()");
        for (name, value) in settings {
            self.wait(name, |client| {
                client.ask::<String>(&format!("SHOW inventory_perf.{name}")) == *value
            });
        }
    }

    pub fn wait(&mut self, what: &str, mut is_so: impl FnMut(&mut Client) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&mut self.client) {
            assert!(Instant::now() < deadline, "never came: {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether Redis can be reached, and why not.
    pub fn health(&mut self) -> (bool, String) {
        let row = self
            .client
            .query_one(
                "SELECT reachable, coalesce(last_error, '') FROM cache_health()",
                &[],
            )
            .expect("cache_health");
        (row.get(0), row.get(1))
    }

    /// A failure that says so, that readers do not notice, and that tells no secret.
    pub fn cannot(&mut self, words: &str) {
        let (reachable, error) = self.health();
        assert!(!reachable && error.contains(words), "{words:?}: {error}");
        let nothing = "SELECT cache_get('a') IS NULL AND NOT cache_set('a', '1')";
        assert!(self.client.ask::<bool>(nothing), "{words}");
        let refusal = self.client.refusal("SELECT deliver_invalidations()");
        let log = fs::read_to_string(self.cluster.log_file()).expect("the server's log");
        for told in [format!("{refusal:?}"), error, log] {
            assert!(!told.contains(PASSWORD), "{told}");
        }
    }

    /// Delivers, stores and reads.
    pub fn can(&mut self) {
        self.deliver();
        keep(&mut self.client, "a", "1");
        let (reachable, error) = self.health();
        assert!(reachable, "{error}");
    }

    pub fn deliver(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.client.batch_execute("SELECT deliver_invalidations()") {
            // the worker may make a new epoch at the same time
            let is_busy = error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE);
            assert!(is_busy && Instant::now() < deadline, "{error:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// A file that the server may read.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.cluster.directory().join(name);
        fs::write(&path, content).expect("write a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its mode");
        path.display().to_string()
    }
}

pub fn session(cluster: &Cluster, database: &str) -> Client {
    let mut client = cluster.connect(database);
    client.run("LOAD 'inventory_perf'; SET search_path = inventory_perf, public");
    client
}

pub fn keep(client: &mut Client, key: &str, value: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        client.run(&format!("SELECT cache_get('{key}')"));
        if client.ask(&format!("SELECT cache_set('{key}', '{value}')")) {
            break;
        }
        let health = client.rows("SELECT * FROM cache_health()");
        assert!(Instant::now() < deadline, "never stored\n{health:?}");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(get(client, key).as_deref(), Some(value));
}

pub fn get(client: &mut Client, key: &str) -> Option<String> {
    client.ask(&format!("SELECT cache_get('{key}')::text"))
}
