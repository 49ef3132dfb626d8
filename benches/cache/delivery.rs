//! From the commit to Redis: how soon, and how much at a time.

use std::io::Write as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use redis::Commands;

use crate::Bench;
use crate::common::Ask;
use crate::report::{Target, duration, grouped};
use crate::site::{Site, percentile};

const ITEMS: i64 = 100_000;
/// Commits a second, those that are timed among them.
const RATE: u32 = 1_000;
/// Sessions whose commits are timed, and how often each commits.
const PROBES: usize = 4;
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

const SCHEMA: &str = "
    CREATE TABLE items (
        tenant integer NOT NULL, item bigint NOT NULL, quantity bigint NOT NULL,
        PRIMARY KEY (item)
    ) WITH (fillfactor = 50);
    INSERT INTO items SELECT 1 + item % 100, item, 0 FROM generate_series(1, 100000) AS item;
    VACUUM ANALYZE items;";

const WATCH: &str = "SELECT inventory_perf.invalidate_on_change('items',
    keys => ARRAY['inventory:{tenant}:{item}'], tags => ARRAY['stock:{tenant}'])";

fn site() -> Site {
    let site = Site::start();
    let mut client = site.connect();
    for statement in SCHEMA
        .split_inclusive(';')
        .filter(|part| part.contains(';'))
    {
        client.run(statement);
    }
    client.run(WATCH);
    site
}

/// The time from the COMMIT's acknowledgement until the key is gone, at a steady rate of commits.
pub fn latency(bench: &mut Bench) {
    let site = site();
    let each = bench.scale.latencies.div_ceil(PROBES);
    let seconds = PROBE_INTERVAL.as_secs_f64() * each as f64 + 2.0;
    let probes_rate = (PROBES as f64 / PROBE_INTERVAL.as_secs_f64()) as u32;
    let mut others = site
        .pgbench()
        .args([
            "--no-vacuum",
            "--protocol=prepared",
            "--client=4",
            "--jobs=1",
            "--file=-",
        ])
        .arg(format!("--rate={}", RATE - probes_rate))
        .arg(format!("--time={}", seconds.ceil()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("pgbench");
    let script = format!(
        "\\set item random({}, {ITEMS})\nUPDATE items SET quantity = quantity + 1 WHERE item = :item;\n",
        PROBES + 1
    );
    let mut input = others.stdin.take().expect("its standard input");
    input.write_all(script.as_bytes()).expect("the script");
    drop(input);
    thread::sleep(Duration::from_secs(1));
    let mut samples: Vec<f64> = thread::scope(|scope| {
        let probes: Vec<_> = (1..=PROBES)
            .map(|item| {
                scope.spawn({
                    let site = &site;
                    move || probe(site, item, each)
                })
            })
            .collect();
        let samples = probes
            .into_iter()
            .map(|probe| probe.join().expect("a probe"));
        samples.flatten().collect()
    });
    assert!(others.wait().expect("pgbench").success(), "pgbench failed");
    for (share, name, limit) in [(0.5, "p50", 2e-3), (0.99, "p99", 15e-3)] {
        bench.report.figure(
            format!("from commit to the key gone, at {RATE} commits/s, {name}"),
            percentile(&mut samples, share),
            duration,
            Some(Target::AtMost(limit)),
        );
    }
}

fn probe(site: &Site, item: usize, times: usize) -> Vec<f64> {
    let mut client = site.connect();
    let update = client
        .prepare("UPDATE items SET quantity = quantity + 1 WHERE item = $1 RETURNING tenant")
        .expect("a statement");
    let item = i64::try_from(item).expect("a small number");
    let key = format!("inventory:{}:{item}", 1 + item % 100);
    let mut redis = site.redis.connect();
    let mut samples = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        let _: () = redis.set(&key, "to be deleted").expect("SET");
        client.query_one(&update, &[&item]).expect("an item");
        let committed = Instant::now();
        while redis.exists(&key).expect("EXISTS") {}
        samples.push(committed.elapsed().as_secs_f64());
        thread::sleep(PROBE_INTERVAL.saturating_sub(begun.elapsed()));
    }
    samples
}

/// An hour without Redis at a thousand commits a second, and then Redis is back.
pub fn backlog(bench: &mut Bench) {
    let site = site();
    let mut client = site.connect();
    // One row as the trigger writes it is the pattern of all others.
    site.redis.freeze();
    client.run("UPDATE items SET quantity = quantity + 1 WHERE item = 1");
    client.run(&format!(
        "INSERT INTO inventory_perf.cache_outbox
         SELECT (jsonb_populate_record(line,
                 jsonb_build_object('keys', ARRAY[format('inventory:%s:%s', 1 + item % 100, item)],
                                    'tags', ARRAY[format('stock:%s', 1 + item % 100)] || line.tags[2:]))).*
         FROM inventory_perf.cache_outbox AS line,
              LATERAL (SELECT 1 + number % {ITEMS} FROM generate_series(2, {rows}) AS number) AS other (item)",
        rows = bench.scale.backlog
    ));
    let rows = client.ask::<i64>("SELECT count(*) FROM inventory_perf.cache_outbox") as f64;
    let invalidations: i64 = client
        .ask("SELECT sum(cardinality(keys) + cardinality(tags)) FROM inventory_perf.cache_outbox");
    let thawed = Instant::now();
    site.redis.thaw();
    // The worker tries again when it sees fit.
    let mut redis = site.redis.connect();
    while !has_unlinked(&mut redis) {
        thread::sleep(Duration::from_millis(2));
    }
    let started = Instant::now();
    site.wait_until_delivered();
    let seconds = started.elapsed().as_secs_f64();
    let in_all = thawed.elapsed().as_secs_f64();
    bench.report.figure(
        "invalidations delivered by the worker",
        invalidations as f64 / seconds,
        |rate| format!("{}/s", grouped(rate)),
        Some(Target::AtLeast(100_000.0)),
    );
    bench.report.figure(
        format!(
            "from the end of an outage until a backlog of {} statements is delivered",
            grouped(rows)
        ),
        in_all,
        duration,
        Some(Target::AtMost(60.0)),
    );
}

fn has_unlinked(redis: &mut redis::Connection) -> bool {
    let statistics = redis::cmd("INFO")
        .arg("commandstats")
        .query::<String>(redis);
    statistics.expect("INFO").contains("cmdstat_unlink:")
}
