//! INSERT throughput by pgbench: no trigger, a delta log in PL/pgSQL, the extension.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use postgres::Client;

use crate::Bench;
use crate::dataset::{TENANTS, fold};
use crate::measure::alternate;
use crate::pgbench::transactions_per_second;
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
        transactions_per_second(
            this.server.pgbench(DATABASE),
            &script(table, this.scale.keys),
            clients,
            this.scale.seconds,
        )
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
