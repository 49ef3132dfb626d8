//! Quality of the choice: a schema and 22 queries in the shape of TPC-H, budgets from small to
//! large, against other ways to choose. Costs are those of queries with the indexes really built.

#[path = "quality/baselines.rs"]
mod baselines;
#[path = "quality/planner.rs"]
mod planner;

use std::collections::BTreeMap;
use std::time::Instant;

use postgres::Client;

use crate::Bench;
use crate::advice::{self, Index};
use crate::report::{Report, Target, duration, mebibytes};
use planner::Planner;

const SCHEMA: &str = include_str!("quality/schema.sql");
const QUERIES: &str = include_str!("quality/queries.sql");

/// Bytes of a page.
const PAGE: i64 = 8192;

/// Shares of the size of the tables.
const BUDGETS: [f64; 5] = [0.02, 0.05, 0.1, 0.2, 0.5];

/// Their cost without an index on a foreign key is many times that of all others together, so that
/// one obvious index would decide the comparison (as in Kossmann and others, PVLDB 13(11)).
const OVERWHELMING: [usize; 3] = [2, 17, 20];

pub fn run(bench: &mut Bench) {
    let mut client = bench.server.create_database("quality");
    advice::run(&mut client, "CREATE EXTENSION hypopg");
    advice::run(
        &mut client,
        &SCHEMA.replace("{scale}", &bench.scale.wholesale.to_string()),
    );
    advice::run(&mut client, "VACUUM ANALYZE");
    // Loading is no part of the workload: it is not charged as writes.
    advice::run(&mut client, "SELECT pg_stat_reset()");

    let queries: Vec<String> = QUERIES
        .split_terminator(";\n")
        .map(str::to_string)
        .collect();
    assert_eq!(queries.len(), 22);
    time_and_sizes(bench, &queries);
    let compared: Vec<String> = (1..)
        .zip(&queries)
        .filter(|(number, _)| !OVERWHELMING.contains(number))
        .map(|(_, query)| query.clone())
        .collect();
    budgets(bench, &mut client, &compared);
}

/// All 22 without a budget: how long advice takes, how often its memory answers, how near its
/// sizes and costs are to those of the indexes once built.
fn time_and_sizes(bench: &mut Bench, queries: &[String]) {
    let (mut client, messages) = bench.server.connect_hearing("quality");
    advice::run(&mut client, "SET client_min_messages = debug1");
    let (advice, seconds) = advice::advise(&mut client, Some(queries), None);
    advice::run(&mut client, "RESET client_min_messages");
    let hits: f64 = messages
        .lock()
        .expect("the messages")
        .iter()
        .find_map(|message| message.strip_prefix("what-if costs: "))
        .and_then(|counts| counts.split(", ").last())
        .and_then(|hits| hits.split(' ').next())
        .and_then(|hits| hits.parse().ok())
        .expect("counts of what-if costs");
    let ddl: Vec<&str> = advice.iter().map(|i| i.create_ddl.as_str()).collect();
    let expected: f64 = client
        .query_one(
            "SELECT sum(cost_after) FROM inventory_perf.evaluate_indexes($1, $2)",
            &[&ddl, &queries],
        )
        .expect("evaluate_indexes")
        .get(0);
    let before = costs(&mut client, queries);
    let built = build(&mut client, &advice);
    let after = costs(&mut client, queries);

    let report = &mut bench.report;
    let name = "TPC-H-style, 22 queries";
    report.figure(
        format!("{name}: advice takes"),
        seconds,
        duration,
        Some(Target::AtMost(60.0)),
    );
    report.figure(
        format!("{name}: what-if costs from memory"),
        hits / 100.0,
        percent,
        Some(Target::AtLeast(0.6)),
    );
    report.figure(
        format!("{name}: cost with the indexes built, of that without"),
        after / before,
        percent,
        None,
    );
    report.figure(
        format!("{name}: cost foretold, off the cost with the indexes built"),
        (expected / after - 1.0).abs(),
        percent,
        None,
    );
    sizes(report, &advice, &built);
    take_back(&mut client);
}

/// How far off the sizes were, by access method; tells each, the worst first.
fn sizes(report: &mut Report, advice: &[Index], built: &[i64]) {
    let mut errors: BTreeMap<&str, Vec<(f64, String)>> = BTreeMap::new();
    for (index, bytes) in advice.iter().zip(built) {
        if let Some(foretold) = index.size_bytes {
            let error = foretold as f64 / *bytes as f64 - 1.0;
            let pages = |bytes: i64| bytes / PAGE;
            let told = format!(
                "{:+.1} %: {} pages foretold, {} built: {}",
                100.0 * error,
                pages(foretold),
                pages(*bytes),
                index.create_ddl
            );
            // A page more or less is the least that an error can be.
            let off = if (foretold - bytes).abs() <= PAGE {
                0.0
            } else {
                error.abs()
            };
            let method = index.access_method.as_str();
            errors.entry(method).or_default().push((off, told));
        }
    }
    for (method, mut errors) in errors {
        errors.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        for (_, told) in &errors {
            eprintln!("   size {told}");
        }
        report.figure(
            format!(
                "Size of a {method} index foretold, off the built one by more than a page, worst of {}",
                errors.len()
            ),
            errors.first().map_or(0.0, |(error, _)| *error),
            percent,
            (method == "btree").then_some(Target::AtMost(0.15)),
        );
    }
}

/// Sums over all budgets, in which the advice should be ahead.
#[derive(Default)]
struct Area {
    cost: f64,
    seconds: f64,
}

fn budgets(bench: &mut Bench, client: &mut Client, queries: &[String]) {
    let tables: i64 = client
        .query_one(
            "SELECT sum(pg_table_size(oid))::bigint FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
            &[],
        )
        .expect("the size of the tables")
        .get(0);
    let bare = costs(client, queries);
    let slow = execution(client, queries);
    let mut ours = Area::default();
    let mut theirs: Vec<Area> = baselines::ALL.iter().map(|_| Area::default()).collect();
    for share in BUDGETS {
        let budget = (share * tables as f64) as i64;
        let (mut advice, _) = advice::advise(client, Some(queries), Some(budget));
        advice.retain(|index| index.access_method == "btree");
        let mine = measure(client, queries, &advice, bare, slow);
        ours.add(&mine);
        for ((name, choose), area) in baselines::ALL.iter().zip(&mut theirs) {
            let started = Instant::now();
            let mut planner = Planner::new(client, queries);
            let config = choose(&mut planner, budget);
            let ddl = planner.ddl(&config);
            advice::run(client, "SELECT hypopg_reset()");
            eprintln!(
                "   {name}, {} s: {}",
                started.elapsed().as_secs(),
                ddl.join("; ")
            );
            let chosen: Vec<Index> = ddl.into_iter().map(Index::plain).collect();
            let other = measure(client, queries, &chosen, bare, slow);
            area.add(&other);
            let work = format!(
                "Budget {} of the tables ({}), against {name}",
                percent(share),
                mebibytes(budget as f64)
            );
            compare(bench, &work, &mine, &other, *name == "Extend");
        }
    }
    for ((name, _), area) in baselines::ALL.iter().zip(&theirs) {
        let count = BUDGETS.len() as f64;
        let work = format!("Mean over all budgets, against {name}");
        compare(bench, &work, &ours.over(count), &area.over(count), true);
    }
}

impl Area {
    fn add(&mut self, other: &Self) {
        self.cost += other.cost;
        self.seconds += other.seconds;
    }

    fn over(&self, count: f64) -> Self {
        Self {
            cost: self.cost / count,
            seconds: self.seconds / count,
        }
    }
}

fn compare(bench: &mut Bench, work: &str, ours: &Area, theirs: &Area, aimed: bool) {
    bench.report.ratio(
        format!("{work}: relative cost"),
        percent(ours.cost),
        percent(theirs.cost),
        ours.cost / theirs.cost,
        aimed.then_some(Target::AtMost(1.0)),
    );
    bench.report.ratio(
        format!("{work}: relative time"),
        percent(ours.seconds),
        percent(theirs.seconds),
        ours.seconds / theirs.seconds,
        None,
    );
}

/// Cost and time with these indexes built, relative to those without.
fn measure(
    client: &mut Client,
    queries: &[String],
    chosen: &[Index],
    bare: f64,
    slow: f64,
) -> Area {
    build(client, chosen);
    let area = Area {
        cost: costs(client, queries) / bare,
        seconds: execution(client, queries) / slow,
    };
    take_back(client);
    area
}

/// The sizes of the indexes, in bytes.
fn build(client: &mut Client, indexes: &[Index]) -> Vec<i64> {
    let built = "SELECT coalesce(max(oid), 0), pg_relation_size(max(oid)) FROM pg_class
                 WHERE relkind = 'i' AND oid >= 16384";
    indexes
        .iter()
        .map(|index| {
            advice::run(client, &index.create_ddl);
            client.query_one(built, &[]).expect("the index").get(1)
        })
        .collect()
}

/// Leaves only the indexes of constraints.
fn take_back(client: &mut Client) {
    advice::run(
        client,
        "DO $$ DECLARE name text; BEGIN
             FOR name IN SELECT indexrelid::regclass::text FROM pg_index
                         JOIN pg_class c ON c.oid = indrelid
                         WHERE relnamespace = 'public'::regnamespace AND NOT indisprimary
             LOOP EXECUTE 'DROP INDEX ' || name; END LOOP; END $$",
    );
}

fn costs(client: &mut Client, queries: &[String]) -> f64 {
    let cost = |query: &String| planner::plan(client, query)["Total Cost"].as_f64();
    queries
        .iter()
        .map(cost)
        .map(|cost| cost.expect("a cost"))
        .sum()
}

/// Seconds of all queries, once to fill the cache and once measured.
fn execution(client: &mut Client, queries: &[String]) -> f64 {
    queries
        .iter()
        .map(|query| {
            advice::fetch(client, query);
            advice::fetch(client, query).1
        })
        .sum()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
