//! Sessions that write and fill the cache while everything around them dies, and what is left of it.

#![allow(dead_code)]

use std::process::Command;
use std::sync::RwLock;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Cluster, Proxy, Redis};
use crate::staleness::{
    Disturbance, Ending, Extension, Floor, History, Load, Outcome, Setup, ValidEntry, own_name,
    valid_entries, valid_entries_in_tables,
};
use serde_json::Value;

/// More than are written between two injections, so that many entries stay good for long.
const COUNTERS: usize = 200;
pub const RECOVERY: Duration = Duration::from_secs(60);

/// What is made to fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Failure {
    Disturbance(Disturbance),
    KillWorker,
    KillBackend,
    KillPostmaster,
    StopImmediately,
    /// In order, so that unlogged tables keep what they hold.
    Restart,
}

impl Failure {
    const OF_SERVER: [Self; 5] = [
        Self::KillWorker,
        Self::KillBackend,
        Self::KillPostmaster,
        Self::StopImmediately,
        Self::Restart,
    ];

    /// Every kind, one after the other.
    fn number(number: usize, redis: bool) -> Self {
        let disturbances: &[Disturbance] = match redis {
            true => &Disturbance::ALL,
            false => &Disturbance::WITHOUT_REDIS,
        };
        let kind = number % (Self::OF_SERVER.len() + disturbances.len());
        match Self::OF_SERVER.get(kind) {
            Some(failure) => *failure,
            None => Self::Disturbance(disturbances[kind - Self::OF_SERVER.len()]),
        }
    }
}

pub struct Site {
    redis: Option<(Redis, Proxy)>,
    pub extension: Extension,
    pub history: History,
}

impl Site {
    pub fn new(setup: Setup) -> Self {
        let redis = setup.redis.then(|| {
            let redis = Redis::new();
            let proxy = Proxy::to(&redis);
            (redis, proxy)
        });
        let url = redis.as_ref().map(|(_, proxy)| proxy.url());
        let options = Cluster::with_test_settings()
            .set("inventory_perf.cache_format", "'json'")
            .set("inventory_perf.cache_compress_above", "'1GB'");
        let url = url.unwrap_or_default();
        let extension = Extension::start_with(&url, setup.delivery, options, COUNTERS);
        Self {
            redis,
            extension,
            history: History::new(COUNTERS),
        }
    }

    fn load(&self) -> Load<'_> {
        Load {
            history: &self.history,
            readers: 6,
            writers: 4,
            checks: u64::MAX,
            until_stale: true,
            limit: Duration::MAX,
            floor: Floor::Committed,
            pace: Duration::from_millis(15),
            reconnect: true,
            gate: RwLock::new(()),
        }
    }

    fn cause(&self, failure: Failure) {
        match failure {
            Failure::Disturbance(disturbance) => {
                if let Ok(mut client) = self.extension.try_connect() {
                    // The server may be going down after the failure before.
                    let redis = self.redis.as_ref().map(|(redis, proxy)| (redis, proxy));
                    let _ = disturbance.strike(redis, &mut client);
                }
            }
            Failure::KillWorker => self.kill("backend_type LIKE 'inventory_perf%'"),
            Failure::KillBackend => self.kill("backend_type = 'client backend'"),
            Failure::KillPostmaster => self.crash(Cluster::kill),
            Failure::StopImmediately => self.crash(|cluster| cluster.stop("immediate")),
            Failure::Restart => self.crash(|cluster| cluster.stop("fast")),
        }
    }

    fn crash(&self, end: impl FnOnce(&Cluster)) {
        end(&self.extension.cluster);
        self.extension.cluster.start();
    }

    /// Kills one process of PostgreSQL; the postmaster then ends all and recovers.
    fn kill(&self, which: &str) {
        let query = format!(
            "SELECT pid FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}
             ORDER BY random() LIMIT 1"
        );
        let found = self.extension.try_connect();
        let found = found.and_then(|mut client| client.query_opt(&query, &[]));
        if let Ok(Some(row)) = found {
            let process: i32 = row.get(0);
            // It may have gone by itself meanwhile.
            let kill = Command::new("kill")
                .args(["-KILL", &process.to_string()])
                .status();
            kill.expect("run kill");
        }
    }

    /// Waits until the database and Redis are one again and everything is delivered.
    pub fn recover(&self, after: &[Failure]) {
        let deadline = Instant::now() + RECOVERY;
        while !self.is_recovered().unwrap_or(false) {
            assert!(
                Instant::now() < deadline,
                "no recovery after {after:?}\n{}",
                self.extension.cluster.log_tail()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_recovered(&self) -> Option<bool> {
        let mut client = self.extension.try_connect().ok()?;
        let row = client.query_opt(
            "SELECT epoch, NOT EXISTS (SELECT FROM inventory_perf.cache_outbox)
             FROM inventory_perf.cache_state WHERE started_at = pg_postmaster_start_time()",
            &[],
        );
        let row = row.ok()??;
        let Some((redis, _)) = &self.redis else {
            return Some(row.get(1));
        };
        let mut redis = redis.try_connect().ok()?;
        let epoch = redis::cmd("GET")
            .arg(own_name(&self.extension.database, "epoch"))
            .query::<Option<String>>(&mut redis)
            .ok()??;
        Some(row.get(1) && row.get::<_, String>(0) == epoch)
    }

    fn entries_in_tables(&self) -> Vec<ValidEntry> {
        loop {
            let client = self.extension.try_connect();
            if let Ok(entries) = client.and_then(|mut client| valid_entries_in_tables(&mut client))
            {
                return entries;
            }
            // The postmaster may miss a killed process only after the site was seen recovered.
            self.recover(&[]);
        }
    }

    /// Entries that are good although what they hold has changed, and how many are good at all.
    pub fn lost(&self) -> (Vec<String>, usize) {
        let entries = match &self.redis {
            Some((redis, _)) => valid_entries(&mut redis.connect(), &self.extension.database),
            None => self.entries_in_tables(),
        };
        let mut lost = Vec::new();
        for entry in &entries {
            for (counter, value) in held(&entry.name, &entry.payload) {
                let committed = self.history.committed(counter);
                if value < committed {
                    lost.push(format!(
                        "{}: {counter} is {committed}, not {value}",
                        entry.name
                    ));
                }
            }
        }
        (lost, entries.len())
    }
}

/// Counters and their values in an entry.
fn held(name: &str, payload: &[u8]) -> Vec<(usize, u64)> {
    let value: Value = serde_json::from_slice(payload).expect("JSON");
    let number = |value: &Value| value.as_u64().expect("a number");
    if let Some(rows) = value.as_array() {
        let row = |row: &Value| (number(&row["counter"]) as usize, number(&row["value"]));
        return rows.iter().map(row).collect();
    }
    // counter:7 or several:[7, 8]
    let digits = name.split(|character: char| !character.is_ascii_digit());
    let counters = digits.filter_map(|digits| digits.parse().ok());
    let values = value["values"].as_array().expect("values");
    counters.zip(values.iter().map(number)).collect()
}

/// What a run has seen.
#[derive(Debug)]
pub struct Report {
    pub failures: usize,
    /// Good entries that were compared with what was committed, after all recoveries together.
    pub compared: usize,
    pub lost: Vec<String>,
    pub outcome: Outcome,
}

/// Makes things fail this often under load, and looks after each recovery for what was lost.
pub fn run(setup: Setup, injections: usize) -> Report {
    let site = Site::new(setup);
    let load = site.load();
    let (mut caused, mut compared, mut lost) = (0, 0, Vec::new());
    let outcome = load.run(
        |number| site.extension.reader(number),
        |number| site.extension.writer(number),
        |ended| {
            let mut number = 0;
            // A panic in here must end what is spawned here as well.
            let ending = Ending(ended);
            thread::scope(|scope| {
                scope.spawn(|| site.extension.deliver_until(ended));
                let _ending = ending;
                while caused < injections && lost.is_empty() && !ended.load(Ordering::SeqCst) {
                    let mut failures = Vec::new();
                    // Often a second one strikes before the first is mended.
                    for _ in 0..rand::random_range(1..3) {
                        thread::sleep(Duration::from_millis(rand::random_range(20..400)));
                        let failure = Failure::number(number, setup.redis);
                        number += 1;
                        failures.push(failure);
                        site.cause(failure);
                    }
                    caused += failures.len();
                    let gate = load.gate.write().expect("the gate");
                    site.recover(&failures);
                    let (losses, good) = site.lost();
                    if !losses.is_empty() {
                        eprintln!("lost after {failures:?}: {losses:?}");
                    }
                    lost.extend(losses);
                    compared += good;
                    drop(gate);
                }
            });
        },
    );
    Report {
        failures: caused,
        compared,
        lost,
        outcome,
    }
}
