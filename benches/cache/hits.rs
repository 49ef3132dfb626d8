//! What a hit costs, and what it saves.

use std::time::Instant;

use postgres::Client;

use crate::Bench;
use crate::common::Ask;
use crate::measure::median;
use crate::report::{Target, duration};
use crate::site::{Site, percentile};

const REPORT: &str = "SELECT product_id, sum(quantity) AS quantity FROM moves
                      WHERE tenant_id = $1 GROUP BY product_id ORDER BY 2 DESC LIMIT 20";
/// What the report takes without the cache.
const REPORT_SECONDS: f64 = 0.1;

pub fn run(bench: &mut Bench) {
    let site = Site::start();
    let mut client = site.connect();
    client.run(
        "CREATE TABLE moves (tenant_id integer, product_id integer, quantity numeric(14, 3));
         SELECT inventory_perf.invalidate_on_change('moves', tags => ARRAY['stock:{tenant_id}'])",
    );
    grow_to(&mut client, REPORT_SECONDS);
    site.wait_until_delivered();

    let cached =
        "SELECT answer FROM inventory_perf.cached_query($1, '[1]', '1 h', '{stock:1}') AS answer";
    let cached = client.prepare(cached).expect("a statement");
    let mut samples = Vec::new();
    for number in 0..bench.scale.hits {
        let started = Instant::now();
        let rows = client.query(&cached, &[&REPORT]).expect("an answer");
        let seconds = started.elapsed().as_secs_f64();
        assert_eq!(rows.len(), 20);
        // The first calls connect, plan and fill.
        if number >= 10 {
            samples.push(seconds);
        }
    }
    let hits: i64 = client.ask("SELECT hits FROM inventory_perf.cache_stats");
    assert!(hits as usize > bench.scale.hits - 10, "only {hits} hits");
    let plain = median((0..20).map(|_| report_seconds(&mut client)).collect());
    for (share, name, target) in [
        (0.5, "p50", None),
        (0.99, "p99", Some(Target::AtMost(1e-3))),
    ] {
        bench.report.figure(
            format!("cached_query hit, {name}"),
            percentile(&mut samples, share),
            duration,
            target,
        );
    }
    bench.report.ratio(
        "a cached report, against running it",
        duration(median(samples.clone())),
        duration(plain),
        plain / median(samples),
        Some(Target::AtLeast(50.0)),
    );
}

fn report_seconds(client: &mut Client) -> f64 {
    let started = Instant::now();
    client.query(REPORT, &[&1_i32]).expect("the report");
    started.elapsed().as_secs_f64()
}

/// Adds rows until the report takes this long.
fn grow_to(client: &mut Client, seconds: f64) {
    while median((0..5).map(|_| report_seconds(client)).collect()) < seconds {
        client.run(
            "INSERT INTO moves SELECT 1, number % 5000, number % 7 FROM generate_series(1, 50000) AS number",
        );
        client.run("ANALYZE moves");
    }
}
