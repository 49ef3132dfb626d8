//! What writers pay for invalidation, and what an outage of Redis costs them.

use crate::Bench;
use crate::common::Ask;
use crate::measure::alternate;
use crate::pgbench::transactions_per_second;
use crate::report::{Target, transactions};
use crate::site::Site;

const CLIENTS: u32 = 8;
const PRODUCTS: i64 = 1_000;

/// `bare` and `watched` are the same but for the triggers.
fn site() -> Site {
    let site = Site::start();
    let mut client = site.connect();
    for table in ["bare", "watched"] {
        client.run(&format!(
            "CREATE TABLE {table} (
                 move_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                 tenant_id integer NOT NULL, product_id integer NOT NULL,
                 quantity numeric(14, 3) NOT NULL, moved_at timestamptz NOT NULL
             )"
        ));
    }
    client.run(
        "SELECT inventory_perf.invalidate_on_change('watched',
             keys => ARRAY['inventory:{tenant_id}:{product_id}'], tags => ARRAY['stock:{tenant_id}'])",
    );
    site
}

fn one_row(table: &str) -> String {
    format!(
        "\\set product random(1, {PRODUCTS})\n\
         INSERT INTO {table} (tenant_id, product_id, quantity, moved_at)\
         \x20VALUES (1 + :product % 100, :product, 1, now());\n"
    )
}

fn thousand_rows(table: &str) -> String {
    format!(
        "\\set first random(0, {PRODUCTS})\n\
         INSERT INTO {table} (tenant_id, product_id, quantity, moved_at)\
         \x20SELECT 1 + :first % 100, (:first + row) % {PRODUCTS}, 1, now()\
         \x20FROM generate_series(1, 1000) AS row;\n"
    )
}

pub fn run(bench: &mut Bench) {
    let mut site = site();
    for (work, script) in [
        ("1-row INSERT", one_row as fn(&str) -> String),
        ("1,000-row INSERT", thousand_rows),
    ] {
        let seconds = bench.scale.seconds;
        let measure = |site: &mut Site, table: &str| {
            settle(site);
            transactions_per_second(site.pgbench(), &script(table), CLIENTS, seconds)
        };
        let rounds = alternate(
            &mut site,
            bench.scale.rounds,
            &[
                &|site: &mut Site, _: usize| measure(site, "bare"),
                &|site: &mut Site, _: usize| measure(site, "watched"),
            ],
        );
        bench.report.ratio(
            format!("{work} with invalidation, {CLIENTS} clients, against none"),
            transactions(rounds.median(1)),
            transactions(rounds.median(0)),
            rounds.ratio(1, 0),
            Some(Target::AtLeast(0.90)),
        );
    }
}

pub fn outage(bench: &mut Bench) {
    let mut site = site();
    let seconds = bench.scale.seconds;
    let measure = |site: &mut Site| {
        transactions_per_second(site.pgbench(), &one_row("watched"), CLIENTS, seconds)
    };
    let rounds = alternate(
        &mut site,
        bench.scale.rounds,
        &[
            &|site: &mut Site, _: usize| {
                settle(site);
                measure(site)
            },
            &|site: &mut Site, _: usize| {
                settle(site);
                site.redis.freeze();
                let rate = measure(site);
                site.redis.thaw();
                rate
            },
        ],
    );
    bench.report.ratio(
        format!("1-row INSERT with Redis black-holed, {CLIENTS} clients, against Redis up"),
        transactions(rounds.median(1)),
        transactions(rounds.median(0)),
        rounds.ratio(1, 0),
        Some(Target::AtLeast(0.98)),
    );
}

/// The same beginning for every round.
fn settle(site: &mut Site) {
    site.wait_until_delivered();
    let mut client = site.connect();
    for statement in [
        "TRUNCATE bare",
        "TRUNCATE watched",
        "VACUUM inventory_perf.cache_outbox",
        "CHECKPOINT",
    ] {
        client.run(statement);
    }
    site.wait_until_delivered();
}
