//! INSERT throughput by pgbench: no trigger, a delta log in PL/pgSQL, the extension.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use postgres::Client;

use crate::Bench;
use crate::dataset::{TENANTS, fold};
use crate::measure::alternate;
use crate::report::{Target, transactions};
use crate::writers::{ATTACHED, BARE, Indexes, LOGGED, assert_logged, create_ledgers, settle};

const DATABASE: &str = "inserts";

pub fn run(bench: &mut Bench) {
    for (indexes, name) in [
        (Indexes::PrimaryKey, "primary key only"),
        (Indexes::Covering, "with a covering index"),
    ] {
        let mut client = create_ledgers(bench, DATABASE, bench.scale.keys, indexes);
        for clients in [1, 8] {
            compare(
                bench,
                &mut client,
                &format!("1-row INSERT, {name}"),
                one_row,
                clients,
                0.90,
            );
        }
        for clients in [1, 8] {
            let work = format!("1,000-row INSERT, {name}");
            compare(bench, &mut client, &work, thousand_rows, clients, 0.80);
        }
        settle(&mut client);
        assert_logged(&mut client);
        drop(client);
        bench.server.drop_database(DATABASE);
    }
}

fn one_row(table: &str, keys: i64) -> String {
    format!(
        "\\set tenant random(1, {TENANTS})\n\
         \\set product random(1, {products})\n\
         \\set quantity random(-20, 20)\n\
         INSERT INTO {table} (tenant_id, product_id, quantity, moved_at)\
         \x20VALUES (:tenant, :product, :quantity, now());\n",
        products = (keys / TENANTS).max(1),
    )
}

fn thousand_rows(table: &str, keys: i64) -> String {
    format!(
        "\\set first random(0, {keys})\n\
         INSERT INTO {table} (tenant_id, product_id, quantity, moved_at)\
         \x20SELECT 1 + key % {TENANTS}, 1 + key / {TENANTS}, 1 + key % 20, now()\
         \x20FROM (SELECT (:first + 7919::bigint * row) % {keys} FROM generate_series(1, 1000) AS row)\
         \x20AS move (key);\n"
    )
}

fn compare(
    bench: &mut Bench,
    client: &mut Client,
    work: &str,
    script: fn(&str, i64) -> String,
    clients: u32,
    target: f64,
) {
    let this = &*bench;
    let run = |client: &mut Client, table: &str| {
        settle(client);
        transactions_per_second(this, &script(table, this.scale.keys), clients)
    };
    let rounds = alternate(
        client,
        this.scale.rounds,
        &[
            &|client: &mut Client, _: usize| run(client, BARE),
            &|client: &mut Client, _: usize| run(client, LOGGED),
            &|client: &mut Client, _: usize| run(client, ATTACHED),
            &|client: &mut Client, _: usize| while_folding(this, || run(client, ATTACHED)),
        ],
    );
    let [bare, logged, attached, folding] =
        [0, 1, 2, 3].map(|side| transactions(rounds.median(side)));
    let work = format!(
        "{work}, {clients} client{}",
        if clients == 1 { "" } else { "s" }
    );
    let report = &mut bench.report;
    report.ratio(
        format!("{work}, against no trigger"),
        attached.clone(),
        bare.clone(),
        rounds.ratio(2, 0),
        Some(Target::AtLeast(target)),
    );
    report.ratio(
        format!("{work}, while another session folds each second, against no trigger"),
        folding,
        bare,
        rounds.ratio(3, 0),
        None,
    );
    report.ratio(
        format!("{work}, against a delta log in PL/pgSQL"),
        attached,
        logged,
        rounds.ratio(2, 1),
        None,
    );
}

/// Runs one pgbench round; any client that fails, for a deadlock say, fails the bench.
fn transactions_per_second(bench: &Bench, script: &str, clients: u32) -> f64 {
    let mut pgbench = bench
        .server
        .pgbench(DATABASE)
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--file=-"])
        .arg(format!("--client={clients}"))
        .arg(format!("--time={}", bench.scale.seconds))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pgbench");
    let mut input = pgbench.stdin.take().expect("its standard input");
    input.write_all(script.as_bytes()).expect("the script");
    drop(input);
    let output = pgbench.wait_with_output().expect("pgbench");
    let text = String::from_utf8_lossy(&output.stdout);
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next())
            .map(str::to_string)
    };
    let clean = output.status.success()
        && field("number of failed transactions:").is_some_and(|failed| failed == "0");
    assert!(clean, "{text}{}", String::from_utf8_lossy(&output.stderr));
    field("tps =")
        .and_then(|tps| tps.parse().ok())
        .expect("pgbench reports tps")
}

/// Does the work while another session folds once a second.
fn while_folding(bench: &Bench, work: impl FnOnce() -> f64) -> f64 {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = bench.server.connect(DATABASE);
            while !done.load(Ordering::Relaxed) {
                fold(&mut client, ATTACHED);
                thread::sleep(Duration::from_secs(1));
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    })
}
