//! The same questions of ledgers with one, two, four and eight years of history.

use postgres::Client;

use crate::dataset::{assert_exact, attach, create, fold, load, scatter};
use crate::measure::{Rounds, alternate, each, seconds, seconds_on_server};
use crate::report::{Target, duration, grouped};
use crate::{Bench, dataset};

const DATABASE: &str = "growth";
const YEARS: [i64; 4] = [1, 2, 4, 8];
const EXECUTIONS: usize = 200;
const REPETITIONS: usize = 9;

pub fn run(bench: &mut Bench) {
    let mut client = bench.server.create_database(DATABASE);
    for years in YEARS {
        let table = ledger(years);
        create(&mut client, &bench.scale, &table);
        let begin = format!("{}-01-01", 2026 - years);
        load(
            &mut client,
            &bench.scale,
            &table,
            years * bench.scale.growth_moves,
            &begin,
        );
        attach(&mut client, &table, &format!("{table}_"));
    }
    each(&mut client, &["VACUUM ANALYZE", "CHECKPOINT"]);

    let key = "tenant_id = 1 AND product_id = 1";
    one_key(
        bench,
        &mut client,
        "stock of the busiest key on a day, prepared",
        |table| format!("SELECT * FROM {table}_stock_on('2025-11-20') WHERE {key}"),
    );
    one_key(
        bench,
        &mut client,
        "current stock of the busiest key, prepared",
        |table| format!("SELECT * FROM {table}_stock_levels WHERE {key}"),
    );
    one_key(
        bench,
        &mut client,
        "the busiest key's snapshots of a quarter, prepared",
        |table| {
            format!(
                "SELECT * FROM {table}_daily_stock_snapshots
             WHERE {key} AND snapshot_date BETWEEN '2025-07-01' AND '2025-09-30'"
            )
        },
    );
    every_key(bench, &mut client, "stock of every key on a day", |table| {
        format!("SELECT * FROM {table}_stock_on('2025-11-20')")
    });
    every_key(
        bench,
        &mut client,
        "period report of a month, every key",
        |table| format!("SELECT * FROM {table}_stock_period('2025-10-01', '2025-10-31')"),
    );
    every_key(bench, &mut client, "current stock of every key", |table| {
        format!("SELECT * FROM {table}_stock_levels")
    });
    recent_moves(bench, &mut client);

    for years in YEARS {
        assert_exact(&mut client, &ledger(years));
    }
    drop(client);
    bench.server.drop_database(DATABASE);
}

fn ledger(years: i64) -> String {
    format!("moves_{years}y")
}

fn one_key(bench: &mut Bench, client: &mut Client, work: &str, query: impl Fn(&str) -> String) {
    for years in YEARS {
        let table = ledger(years);
        each(client, &[&format!("PREPARE {table} AS {}", query(&table))]);
    }
    let execute =
        |client: &mut Client, years: i64| seconds(client, &format!("EXECUTE moves_{years}y"));
    contest(client, EXECUTIONS / 10, &execute);
    let rounds = contest(client, EXECUTIONS, &execute);
    each(client, &["DEALLOCATE ALL"]);
    report(bench, work, &rounds);
}

fn every_key(bench: &mut Bench, client: &mut Client, work: &str, query: impl Fn(&str) -> String) {
    let run = |client: &mut Client, years: i64| seconds_on_server(client, &query(&ledger(years)));
    contest(client, 1, &run);
    let rounds = contest(client, REPETITIONS, &run);
    report(bench, work, &rounds);
}

/// Folding what happened lately must not cost more because the history is long.
fn recent_moves(bench: &mut Bench, client: &mut Client) {
    let moves = bench.scale.growth_moves / 10;
    for years in YEARS {
        let table = ledger(years);
        let recent = scatter(&bench.scale, &table, moves, "2025-12-01", dataset::END, 10);
        each(client, &[&recent]);
    }
    let rounds = contest(client, 1, &|client, years| fold(client, &ledger(years)).0);
    report(
        bench,
        &format!("fold of {} recent moves", grouped(moves as f64)),
        &rounds,
    );
}

fn contest(client: &mut Client, times: usize, run: &dyn Fn(&mut Client, i64) -> f64) -> Rounds {
    let [one, two, four, eight] =
        YEARS.map(|years| move |client: &mut Client, _: usize| run(client, years));
    alternate(client, times, &[&one, &two, &four, &eight])
}

fn report(bench: &mut Bench, work: &str, rounds: &Rounds) {
    for (position, years) in YEARS.into_iter().enumerate().skip(1) {
        bench.report.ratio(
            format!("{work}: {years} years of history against one"),
            duration(rounds.median(position)),
            format!("({})", duration(rounds.median(0))),
            rounds.ratio(position, 0),
            Some(Target::AtMost(1.3)),
        );
    }
}
