//! A server with the worker in it and its Redis, over a Unix socket.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::Client;

use crate::common::{Ask, Cluster, Redis};

pub const SETTINGS: [(&str, &str); 8] = [
    ("shared_preload_libraries", "inventory_perf"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "30min"),
    ("max_connections", "50"),
    ("timezone", "UTC"),
    // What falls behind here is to be delivered, not given up.
    ("inventory_perf.outbox_cap", "100000000"),
    ("inventory_perf.publish_events", "off"),
];

const PATIENCE: Duration = Duration::from_secs(600);

pub struct Site {
    pub redis: Redis,
    pub cluster: Cluster,
    pub database: String,
}

impl Site {
    pub fn start() -> Self {
        let redis = Redis::new();
        let options = SETTINGS
            .iter()
            .fold(
                Cluster::with_default_settings(),
                |options, (name, value)| options.set(name, &format!("'{value}'")),
            )
            .set(
                "inventory_perf.redis_url",
                &format!("'{}'", redis.socket_url()),
            );
        let cluster = options.start();
        let database = cluster.database();
        let site = Self {
            redis,
            cluster,
            database,
        };
        site.wait("an epoch", |client| {
            client.ask("SELECT EXISTS (SELECT FROM inventory_perf.cache_state)")
        });
        site
    }

    pub fn connect(&self) -> Client {
        self.cluster.connect(&self.database)
    }

    pub fn pgbench(&self) -> Command {
        let mut command = self.cluster.client_program("pgbench");
        command.env("PGDATABASE", &self.database);
        command
    }

    pub fn wait_until_delivered(&self) {
        self.wait("delivery", |client| {
            client.ask("SELECT NOT EXISTS (SELECT FROM inventory_perf.cache_outbox)")
        });
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut(&mut Client) -> bool) {
        let mut client = self.connect();
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&mut client) {
            assert!(
                Instant::now() < deadline,
                "never came: {what}\n{}",
                self.cluster.log_tail()
            );
            sleep(Duration::from_millis(5));
        }
    }
}

/// The value below which this share of the samples lies.
pub fn percentile(samples: &mut [f64], share: f64) -> f64 {
    assert!(!samples.is_empty(), "nothing was measured");
    samples.sort_by(f64::total_cmp);
    let position = (samples.len() as f64 * share).ceil() as usize;
    samples[position.clamp(1, samples.len()) - 1]
}
