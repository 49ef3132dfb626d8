//! The client in clients/python keeps the promise of docs/cache-protocol.md: what it returns is not
//! older than what had been delivered when it was asked, and nothing old outlives two leases.

mod common;
mod staleness;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster, Proxy, Redis, run};
use postgres::{Client, Error};
use serde_json::{Value, json};
use staleness::{
    Answer, COUNTERS, Disturbance, Extension, Floor, History, LONGEST_PAUSE, Load, Reader, Writer,
    own_name, pauses,
};

const CHECKS: u64 = 10_000;
const LEASE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

fn directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let mut command = Command::new(directory().join("scripts/venv"));
        let programs = run(command.arg(directory().join("clients/python/requirements.txt")));
        Path::new(programs.trim()).join("python")
    })
}

/// An application that reads Redis itself.
struct Application {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Application {
    fn start(redis: &Redis, database: &str) -> Self {
        let mut process = Command::new(python())
            .arg(directory().join("tests/client/ask.py"))
            .arg(redis.socket())
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the client");
        Self {
            questions: process.stdin.take().expect("its standard input"),
            answers: BufReader::new(process.stdout.take().expect("its standard output")),
            process,
        }
    }

    /// None is a miss.
    fn get(&mut self, key: &str) -> Option<Value> {
        writeln!(self.questions, "{}", json!([key])).expect("a question");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        let answers: Value = serde_json::from_str(&line).expect("JSON");
        match &answers[0] {
            Value::String(miss) if miss == "miss" => None,
            answer => Some(answer[0].clone()),
        }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks Redis first and lets the database compute and store what is not there.
struct ApplicationReader {
    application: Application,
    client: Client,
}

impl Reader for ApplicationReader {
    fn read(&mut self, counters: &[usize]) -> Result<Answer, Error> {
        let (key, tags) = match counters {
            [one] => (format!("counter:{one}"), Vec::new()),
            several => {
                let tags = several.iter().map(|one| format!("counter:{one}"));
                (format!("several:{several:?}"), tags.collect())
            }
        };
        let value = match self.application.get(&key) {
            Some(value) => value,
            None => {
                let counters: Vec<i32> = counters.iter().map(|one| *one as i32).collect();
                let row = self.client.query_one(
                    "WITH computed AS MATERIALIZED (
                         SELECT jsonb_build_object(
                                    'values', jsonb_agg(value ORDER BY counter),
                                    'computed_at', staleness.asked_at()) AS value
                         FROM staleness.counters WHERE counter = ANY ($1))
                     SELECT value::text, inventory_perf.cache_set($2, value, '30 s', $3) FROM computed",
                    &[&counters, &key, &tags],
                )?;
                serde_json::from_str(row.get(0)).expect("JSON")
            }
        };
        let number = |value: &Value| {
            value
                .as_u64()
                .unwrap_or_else(|| panic!("no number: {value}"))
        };
        let values = value["values"].as_array().expect("values");
        Ok(Answer {
            values: values.iter().map(number).collect(),
            computed_at: number(&value["computed_at"]),
        })
    }
}

/// Notes when what it wrote has been delivered.
struct WatchfulWriter {
    writer: Box<dyn Writer>,
    client: Client,
}

impl Writer for WatchfulWriter {
    fn write(&mut self, counters: &[usize], history: &History) -> Result<(), Error> {
        self.writer.write(counters, history)?;
        for counter in counters {
            let value = history.committed(*counter);
            let tags = vec![format!("counter:{counter}")];
            let waiting = "SELECT FROM inventory_perf.cache_outbox WHERE tags && $1 LIMIT 1";
            let deadline = Instant::now() + Duration::from_secs(2);
            while self.client.query_opt(waiting, &[&tags])?.is_some() {
                // During an outage the next writer finds it delivered.
                if Instant::now() > deadline {
                    return Ok(());
                }
                thread::sleep(Duration::from_millis(1));
            }
            history.deliver(*counter, value);
        }
        Ok(())
    }
}

#[test]
fn its_answers_are_not_older_than_what_was_delivered() {
    let redis = Redis::new();
    let proxy = Proxy::to(&redis);
    let extension = Extension::start(&proxy.url(), Cluster::with_test_settings(), COUNTERS);
    proxy.rule(pauses(LONGEST_PAUSE));
    let history = History::new(COUNTERS);
    let load = Load {
        history: &history,
        readers: 6,
        writers: 4,
        checks: CHECKS,
        until_stale: false,
        limit: Duration::from_secs(90),
        floor: Floor::Delivered,
        pace: Duration::from_millis(10),
        reconnect: false,
        gate: RwLock::new(()),
    };
    let struck = AtomicU64::new(0);
    let mut client = extension.connect();
    let outcome = load.run(
        |_| {
            Ok(Box::new(ApplicationReader {
                application: Application::start(&redis, &extension.database),
                client: extension.try_connect()?,
            }))
        },
        |number| {
            Ok(Box::new(WatchfulWriter {
                writer: extension.writer(number)?,
                client: extension.try_connect()?,
            }))
        },
        |ended| {
            let pause = Duration::from_millis(1500);
            Disturbance::strike_until(&Disturbance::ALL, ended, pause, &struck, |disturbance| {
                // A reader outside the database cannot tell a server that came back with old data
                // before the deliverer does, or the lease ends.
                if disturbance != Disturbance::RestartWithOldData {
                    let struck = disturbance.strike(Some((&redis, &proxy)), &mut client);
                    struck.expect("a server that runs");
                }
            });
        },
    );
    let rate = outcome.hit_rate();
    println!(
        "{} disturbances, {:.0} % hits, {outcome:?}",
        struck.load(Ordering::Relaxed),
        100.0 * rate
    );
    assert!(
        outcome.stale.is_empty(),
        "stale answers: {:?}",
        outcome.stale
    );
    assert!(outcome.checks >= CHECKS, "too few answers");
    assert!(rate >= 0.2, "too few of the answers came out of the cache");
}

/// A server with one value stored, and an application that gets it.
struct Site {
    redis: Redis,
    proxy: Proxy,
    extension: Extension,
    client: Client,
    application: Application,
}

impl Site {
    fn new() -> Self {
        let redis = Redis::new();
        let proxy = Proxy::to(&redis);
        let extension = Extension::start(&proxy.url(), Cluster::with_test_settings(), COUNTERS);
        let client = extension.connect();
        let application = Application::start(&redis, &extension.database);
        Self {
            redis,
            proxy,
            extension,
            client,
            application,
        }
    }

    /// Stores a value until the application gets it.
    fn store(&mut self, value: &str) -> Value {
        let set = format!("SELECT inventory_perf.cache_set('counter:7', '{value}', '60 s')::text");
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.client.ask::<String>(&set);
            if let Some(value) = self.application.get("counter:7") {
                return value;
            }
            let log = self.extension.cluster.log_tail();
            assert!(Instant::now() < deadline, "no value for the client\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn it_does_not_trust_a_cache_that_nobody_keeps() {
    let mut site = Site::new();
    site.store("1");
    site.proxy.black_hole(true);
    site.client
        .run("UPDATE staleness.counters SET value = 1 WHERE counter = 7");
    thread::sleep(2 * LEASE + Duration::from_millis(500));
    assert_eq!(site.application.get("counter:7"), None);
    site.proxy.black_hole(false);
    site.store("2");
}

#[test]
fn it_reads_every_layout_and_nothing_else() {
    let mut site = Site::new();
    let values = r#"{"a": [1, -7, 2.5, 0.1000000000000000055511151231257827, 9223372036854775808], "b": null, "c": true, "d": "é\"\\ \n"}"#;
    let long = format!(r#"{{"text": "{}"}}"#, "word ".repeat(2_000));
    let decimal = |text: &str| json!({ "decimal": text });
    for format in ["json", "msgpack"] {
        site.client
            .run(&format!("SET inventory_perf.cache_format = {format}"));
        let value = site.store(values);
        let exact = &value["a"][3];
        assert_eq!(
            exact,
            &decimal("0.1000000000000000055511151231257827"),
            "{format}"
        );
        assert_eq!(value["a"][0], json!(1), "{format}");
        assert_eq!(value["d"], json!("é\"\\ \n"), "{format}");
        site.client
            .run("SELECT inventory_perf.cache_delete('counter:7')");
        while site.application.get("counter:7").is_some() {}
        let value = site.store(&long);
        assert_eq!(
            value["text"].as_str().map(str::len),
            Some(10_000),
            "{format}"
        );
        site.client
            .run("SELECT inventory_perf.cache_delete('counter:7')");
        while site.application.get("counter:7").is_some() {}
    }
    site.store("1");
    let mut redis = site.redis.connect();
    let entry: Vec<u8> = redis::cmd("GET")
        .arg("counter:7")
        .query(&mut redis)
        .expect("GET");
    let mut set = |bytes: &[u8]| {
        redis::cmd("SET")
            .arg("counter:7")
            .arg(bytes)
            .query::<()>(&mut redis)
            .expect("SET");
    };
    for length in 0..entry.len() {
        set(&entry[..length]);
        assert_eq!(site.application.get("counter:7"), None, "{length} bytes");
    }
    for nonsense in [
        &b"IPC1 []\n1"[..],
        b"IPC1 {}\n1",
        b"IPC1 {\"s\": 1}\n",
        b"\xff\n",
    ] {
        set(nonsense);
        assert_eq!(site.application.get("counter:7"), None);
    }
    set(&entry);
    assert_eq!(site.application.get("counter:7"), Some(json!(1)));
}

/// The script of docs/cache-protocol.md.
fn script() -> redis::Script {
    let page = directory().join("docs/cache-protocol.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let code = page.split("```lua").nth(1).expect("a script");
    redis::Script::new(code.split("```").next().expect("its end"))
}

#[test]
fn the_documented_script_sees_the_same() {
    let mut site = Site::new();
    site.store("1");
    let own = |rest: &str| own_name(&site.extension.database, rest);
    let [epoch, lease, stamps] = [own("epoch"), own("lease"), own("stamp:")];
    let script = script();
    let mut redis = site.redis.connect();
    // From here on nobody but this test changes anything.
    site.proxy.black_hole(true);
    let kept = redis::cmd("COPY")
        .arg(&epoch)
        .arg(&lease)
        .arg("REPLACE")
        .exec(&mut redis);
    kept.expect("a lease without end");
    let mut entry = || -> Option<Vec<u8>> {
        let mut call = script.key(&epoch);
        let call = call.key(&lease).key("counter:7").arg(&stamps);
        call.invoke(&mut redis).expect("the script")
    };
    assert!(entry().is_some_and(|entry| entry.starts_with(b"IPC1 ")));
    let mut other = site.redis.connect();
    let mut is_hit_with = |name: &str, value: Option<&str>| {
        let ask = |command: &str, redis: &mut redis::Connection| {
            redis::cmd(command)
                .arg(name)
                .query::<Vec<u8>>(redis)
                .expect("DUMP")
        };
        let before = ask("DUMP", &mut other);
        let mut change = redis::pipe();
        change.cmd("DEL").arg(name);
        if let Some(value) = value {
            change.cmd("SET").arg(name).arg(value);
        }
        change.exec(&mut other).expect("a change");
        let is_hit = entry().is_some();
        let mut restore = redis::pipe();
        restore.cmd("DEL").arg(name);
        restore.cmd("RESTORE").arg(name).arg(0).arg(before);
        restore.exec(&mut other).expect("what was before");
        is_hit
    };
    for name in [&epoch, &lease, &format!("{stamps}key:counter:7")] {
        assert!(!is_hit_with(name, None), "without {name}");
        assert!(!is_hit_with(name, Some("another")), "with another {name}");
    }
    for value in [
        "",
        "IPC1 ",
        "IPC1 []\n1",
        "IPC1 {\"s\":1}\n",
        "IPC1 {\"e\":7,\"s\":[]}\n1",
    ] {
        assert!(!is_hit_with("counter:7", Some(value)), "{value:?}");
    }
    assert!(entry().is_some());
}
