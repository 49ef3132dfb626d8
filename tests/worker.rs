//! The background workers: where they run, what ends them, and that nothing is lost meanwhile.

mod common;

#[path = "worker/delivery.rs"]
mod delivery;
#[path = "worker/events.rs"]
mod events;
#[path = "worker/processes.rs"]
mod processes;

use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster, ClusterOptions, Redis, send};
use postgres::Client;
use postgres::error::SqlState;
use redis::Commands;

const PATIENCE: Duration = Duration::from_secs(20);

fn preloaded(redis: &Redis) -> ClusterOptions {
    Cluster::with_test_settings()
        .set("shared_preload_libraries", "'inventory_perf'")
        .set("max_worker_processes", "16")
        .set("inventory_perf.redis_url", &format!("'{}'", redis.url()))
        .set("inventory_perf.worker_naptime", "'1h'")
        .set("inventory_perf.outbox_poll_interval", "'60s'")
        .set("inventory_perf.fold_interval", "'1s'")
}

/// A database that is served by a worker, which has delivered something already.
struct Served {
    client: Client,
    database: String,
    cluster: Cluster,
    redis: Redis,
}

impl Served {
    fn new(settings: &[(&str, &str)]) -> Self {
        let redis = Redis::new();
        let cluster = settings
            .iter()
            .fold(preloaded(&redis), |options, (name, value)| {
                options.set(name, value)
            })
            .start();
        let database = cluster.database();
        let mut client = cluster.connect(&database);
        wait_for_worker(&mut client, &database);
        delivers(&mut client, &redis);
        Self {
            client,
            database,
            cluster,
            redis,
        }
    }
}

/// Waits until `condition` holds.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn worker_of(client: &mut Client, database: &str) -> Option<i32> {
    client.ask(&format!(
        "SELECT max(pid) FROM pg_stat_activity
         WHERE backend_type = 'inventory_perf worker' AND datname = '{database}'"
    ))
}

fn wait_for_worker(client: &mut Client, database: &str) -> i32 {
    eventually(&format!("a worker in {database}"), || {
        worker_of(client, database).is_some()
    });
    worker_of(client, database).expect("the worker that was there")
}

/// Sets a key, makes it invalid, and waits until it is gone.
fn delivers(client: &mut Client, redis: &Redis) {
    let mut connection = redis.connect();
    let _: () = connection.set("stock:1", "old").expect("set a key");
    client.run("SELECT inventory_perf.invalidate_keys('stock:1')");
    eventually("the key is gone", || {
        !connection.exists::<_, bool>("stock:1").expect("ask Redis")
    });
}

fn epoch(redis: &Redis, database: &str) -> Option<String> {
    redis
        .connect()
        .get(format!("inventory_perf:{{{database}}}:epoch"))
        .expect("read the epoch")
}

fn took(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}
