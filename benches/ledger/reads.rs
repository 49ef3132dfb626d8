//! Questions asked of the reference ledger: the plain sums against the extension.

use std::time::Instant;

use postgres::{Client, SimpleQueryMessage};

use crate::dataset::{add_covering_index, attached_reference, fold, scatter};
use crate::measure::{
    Rounds, alternate, assert_same_rows, count, each, seconds, seconds_on_server,
};
use crate::report::{Target, duration};
use crate::{Bench, baseline};

/// Executions of a short statement that are timed in turn with the other's.
const EXECUTIONS: usize = 200;
/// Rounds of so many executions of a statement that is prepared.
const PREPARED_ROUNDS: usize = 15;
/// Repetitions of a query over every key.
const REPETITIONS: usize = 7;

pub fn run(bench: &mut Bench) {
    let mut client = attached_reference(bench);
    let busiest = key_at(&mut client, "0");
    let usual = key_at(
        &mut client,
        "(SELECT count(*) / 2 FROM (SELECT FROM stock_moves GROUP BY tenant_id, product_id) AS k)",
    );
    one_key(
        bench,
        &mut client,
        "the busiest key",
        busiest,
        Some(Target::AtMost(0.1)),
    );
    one_key(bench, &mut client, "a usual key", usual, None);
    every_key(bench, &mut client);
    reports(bench, &mut client, busiest);
    with_pending(bench, &mut client, busiest);
}

#[derive(Clone, Copy)]
struct Key {
    tenant: i32,
    product: i32,
}

impl Key {
    fn condition(self) -> String {
        format!(
            "tenant_id = {} AND product_id = {}",
            self.tenant, self.product
        )
    }
}

/// The key at an offset when keys are ordered by their number of moves, the busiest first.
fn key_at(client: &mut Client, offset: &str) -> Key {
    let row = client
        .query_one(
            &format!(
                "SELECT tenant_id, product_id, count(*) FROM stock_moves GROUP BY 1, 2
                 ORDER BY 3 DESC, 1, 2 OFFSET {offset} LIMIT 1"
            ),
            &[],
        )
        .expect("a key");
    let key = Key {
        tenant: row.get(0),
        product: row.get(1),
    };
    eprintln!("   {} has {} moves", key.condition(), row.get::<_, i64>(2));
    key
}

fn plain_stock(day: &str, key: &str) -> String {
    baseline::stock_on("stock_moves", day, key)
}

fn snapshot_stock(day: &str, key: &str) -> String {
    format!("SELECT * FROM stock_on({day}) WHERE {key}")
}

fn one_key(bench: &mut Bench, client: &mut Client, name: &str, key: Key, target: Option<Target>) {
    for day in ["2024-12-20", "2025-12-20"] {
        let rounds = prepared_stock(client, key, day);
        bench.report.ratio(
            format!("stock of {name} on {day}, prepared, against a sum over a covering index"),
            duration(rounds.median(1)),
            duration(rounds.median(0)),
            rounds.ratio(1, 0),
            target,
        );
    }
    // text that is not prepared is planned each time: the price of what a view's definition hides
    let day = "date '2025-12-20'";
    let (plain, snapshots) = (
        plain_stock(day, &key.condition()),
        snapshot_stock(day, &key.condition()),
    );
    let rounds = fetch_in_turn(client, EXECUTIONS, &plain, &snapshots);
    bench.report.ratio(
        format!("stock of {name} on 2025-12-20, not prepared"),
        duration(rounds.median(1)),
        duration(rounds.median(0)),
        rounds.ratio(1, 0),
        None,
    );
}

/// One key at a date, by plain SQL (0) and from snapshots (1), as a statement that is prepared once.
/// The server runs it many times in a loop, so that the round trip, which is the same for both and
/// longer than either on some machines, does not count.
fn prepared_stock(client: &mut Client, key: Key, day: &str) -> Rounds {
    let literal = format!("date '{day}'");
    assert_same_rows(
        client,
        &plain_stock(&literal, &key.condition()),
        &snapshot_stock(&literal, &key.condition()),
    );
    let parameters = "tenant_id = of_tenant AND product_id = of_product";
    let in_a_loop = |query: String| {
        format!(
            "DO $do$ DECLARE
                 of_tenant integer := {}; of_product integer := {}; as_of date := '{day}';
                 found record;
             BEGIN
                 FOR turn IN 1..{EXECUTIONS} LOOP
                     SELECT * INTO STRICT found FROM ({query}) AS answer;
                 END LOOP;
             END $do$",
            key.tenant, key.product
        )
    };
    let plain = in_a_loop(plain_stock("as_of", parameters));
    let snapshots = in_a_loop(snapshot_stock("as_of", parameters));
    alternate(
        client,
        PREPARED_ROUNDS,
        &[
            &|client, _| seconds(client, &plain) / EXECUTIONS as f64,
            &|client, _| seconds(client, &snapshots) / EXECUTIONS as f64,
        ],
    )
}

fn fetch_in_turn(client: &mut Client, times: usize, plain: &str, snapshots: &str) -> Rounds {
    alternate(
        client,
        times,
        &[
            &|client, _| seconds_to_fetch(client, plain),
            &|client, _| seconds_to_fetch(client, snapshots),
        ],
    )
}

/// Seconds until the client has every row, of which there must be one at least.
fn seconds_to_fetch(client: &mut Client, query: &str) -> f64 {
    let started = Instant::now();
    let messages = client
        .simple_query(query)
        .unwrap_or_else(|error| panic!("{error:?}\n{query}"));
    let elapsed = started.elapsed().as_secs_f64();
    let is_row = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
    assert!(messages.iter().any(is_row), "no rows: {query}");
    elapsed
}

fn every_key(bench: &mut Bench, client: &mut Client) {
    let days = ["2024-09-28", "2025-09-15"];
    let compare_days = |bench: &mut Bench, client: &mut Client, baseline: &str, target| {
        for day in days {
            let literal = format!("date '{day}'");
            compare(
                bench,
                client,
                format!("stock of every key on {day}, against {baseline}"),
                &plain_stock(&literal, "true"),
                &snapshot_stock(&literal, "true"),
                target,
            );
        }
    };
    // the covering index is a second copy of the ledger: fewer pages to scan, where one can have it
    compare_days(bench, client, "a parallel scan of the covering index", None);
    each(client, &["DROP INDEX stock_moves_covering"]);
    let target = Some(Target::AtMost(0.1));
    compare_days(bench, client, "a parallel scan of the ledger", target);
    add_covering_index(client, "stock_moves");
    each(client, &["VACUUM ANALYZE stock_moves"]);

    let stored = format!(
        "CREATE TABLE plain_daily AS {}",
        baseline::daily_snapshots(&bench.scale)
    );
    each(
        client,
        &[
            &stored,
            "ALTER TABLE plain_daily ADD PRIMARY KEY (tenant_id, product_id, snapshot_date)",
            "CREATE TABLE plain_keys AS SELECT DISTINCT tenant_id, product_id FROM plain_daily",
            "VACUUM ANALYZE plain_daily, plain_keys",
        ],
    );
    let day = "date '2025-09-15'";
    compare(
        bench,
        client,
        "stock of every key on 2025-09-15, against LATERAL over stored snapshots".to_string(),
        &baseline::stock_on_from_snapshots(day),
        &snapshot_stock(day, "true"),
        None,
    );
    each(client, &["DROP TABLE plain_daily, plain_keys"]);
}

fn reports(bench: &mut Bench, client: &mut Client, busiest: Key) {
    for (name, from, to) in [
        ("a month", "date '2025-03-01'", "date '2025-03-31'"),
        ("half a year", "date '2025-02-10'", "date '2025-08-20'"),
    ] {
        compare(
            bench,
            client,
            format!("period report over {name}, every key"),
            &baseline::stock_period("stock_moves", from, to),
            &format!("SELECT * FROM stock_period({from}, {to})"),
            None,
        );
    }
    let (from, to, key) = (
        "date '2025-01-01'",
        "date '2025-12-31'",
        busiest.condition(),
    );
    compare(
        bench,
        client,
        "a year of the busiest key, day by day".to_string(),
        &baseline::stock_history(&bench.scale, "stock_moves", from, to, &key),
        &format!(
            "SELECT snapshot_date, closing_quantity FROM stock_history({from}, {to}) WHERE {key}"
        ),
        None,
    );
    compare(
        bench,
        client,
        "current stock of every key".to_string(),
        "SELECT tenant_id, product_id, sum(quantity) AS quantity_on_hand FROM stock_moves
         GROUP BY tenant_id, product_id",
        "SELECT tenant_id, product_id, quantity_on_hand FROM stock_levels",
        None,
    );
}

/// Times two queries to their last row on the server, after checking that they answer the same.
fn compare(
    bench: &mut Bench,
    client: &mut Client,
    work: String,
    plain: &str,
    snapshots: &str,
    target: Option<Target>,
) {
    assert_same_rows(client, plain, snapshots);
    let rounds = alternate(
        client,
        REPETITIONS,
        &[
            &|client, _| seconds_on_server(client, plain),
            &|client, _| seconds_on_server(client, snapshots),
        ],
    );
    bench.report.ratio(
        work,
        duration(rounds.median(1)),
        duration(rounds.median(0)),
        rounds.ratio(1, 0),
        target,
    );
}

/// What reads cost when nothing has folded for a while.
fn with_pending(bench: &mut Bench, client: &mut Client, busiest: Key) {
    const MOVES: i64 = 10_000;
    let moves = scatter(
        &bench.scale,
        "stock_moves",
        MOVES,
        "2025-12-20",
        "2026-01-01",
        0,
    );
    each(client, &[&moves]);
    let pending = count(
        client,
        "SELECT sum(pending_rows)::bigint FROM inventory_perf.ledgers",
    );
    assert!(pending > MOVES / 2, "only {pending} deltas are pending");

    let rounds = prepared_stock(client, busiest, "2025-12-25");
    bench.report.ratio(
        "stock of the busiest key while 10,000 moves are not folded, prepared",
        duration(rounds.median(1)),
        duration(rounds.median(0)),
        rounds.ratio(1, 0),
        None,
    );
    let day = "date '2025-12-25'";
    compare(
        bench,
        client,
        "stock of every key while 10,000 moves are not folded".to_string(),
        &plain_stock(day, "true"),
        &snapshot_stock(day, "true"),
        None,
    );
    fold(client, "stock_moves");
}
