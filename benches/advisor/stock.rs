//! What is asked of a stock ledger, as pg_stat_statements records it: before, and after applying
//! exactly the advice.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::Bench;
use crate::advice::{self, percentile};
use crate::report::{duration, grouped};

const SCHEMA: &str = include_str!("stock.sql");

/// Times that each kind of question is asked.
const TIMES: usize = 20;

type Question = (&'static str, fn(&mut StdRng, i64) -> String);

const QUESTIONS: [Question; 6] = [
    ("Deliveries of the last 30 days", |_, _| {
        "SELECT id, product_id, quantity, moved_at FROM stock_moves
         WHERE kind = 'delivery' AND state = 'done'
           AND moved_at >= timestamptz '2025-12-30' - interval '30 days'
         ORDER BY moved_at DESC, id LIMIT 50"
            .to_string()
    }),
    ("Active sellable products of a category", |random, _| {
        format!(
            "SELECT id, sku, name FROM products
             WHERE active AND sellable AND category_id = {} ORDER BY name, id LIMIT 50",
            random.random_range(1..=200)
        )
    }),
    ("Receipts of a product", |random, moves| {
        format!(
            "SELECT id, quantity, unit_cost, moved_at FROM stock_moves
             WHERE product_id = {} AND kind = 'receipt' AND state = 'done'
             ORDER BY moved_at DESC, id",
            product(random, moves)
        )
    }),
    ("Low stock in a location", |random, _| {
        format!(
            "SELECT product_id, quantity FROM levels
             WHERE location_id = {} AND quantity < 3 ORDER BY quantity, product_id LIMIT 50",
            random.random_range(1..=5)
        )
    }),
    ("FIFO layers of a product", |random, moves| {
        format!(
            "SELECT id, remaining, unit_cost FROM stock_moves
             WHERE product_id = {} AND remaining > 0 ORDER BY moved_at, id",
            product(random, moves)
        )
    }),
    ("Transfers between two locations", |random, _| {
        format!(
            "SELECT id, product_id, quantity, moved_at FROM stock_moves
             WHERE from_location = {} AND to_location = {} AND kind = 'transfer'
             ORDER BY moved_at DESC, id LIMIT 50",
            random.random_range(1..=40),
            random.random_range(1..=40)
        )
    }),
];

/// Products that move much are asked for more often.
fn product(random: &mut StdRng, moves: i64) -> i64 {
    1 + ((moves / 20) as f64 * random.random::<f64>().powi(2)) as i64
}

pub fn run(bench: &mut Bench) {
    let mut client = bench.server.create_database("stock");
    advice::run(&mut client, "CREATE EXTENSION hypopg");
    advice::run(&mut client, "CREATE EXTENSION pg_stat_statements");
    let moves = bench.scale.moves;
    let schema = SCHEMA.replace("{moves}", &moves.to_string());
    advice::run(&mut client, &schema);
    advice::run(&mut client, "VACUUM ANALYZE");
    // Loading is no part of the workload: it is not charged as writes.
    advice::run(&mut client, "SELECT pg_stat_reset()");
    advice::run(&mut client, "SELECT pg_stat_statements_reset()");

    let mut random = StdRng::seed_from_u64(1);
    let asked: Vec<Vec<String>> = QUESTIONS
        .iter()
        .map(|(_, question)| (0..TIMES).map(|_| question(&mut random, moves)).collect())
        .collect();
    let before: Vec<_> = asked.iter().map(|q| advice::time(&mut client, q)).collect();
    let (advice, seconds) = advice::advise(&mut client, None, None);
    advice::apply(&mut client, &advice);
    for (((name, _), queries), (rows, before)) in QUESTIONS.iter().zip(&asked).zip(&before) {
        let (rows_after, after) = advice::time(&mut client, queries);
        assert!(*rows == rows_after, "{name}: the rows changed");
        assert!(rows.iter().any(|rows| !rows.is_empty()), "{name}: no rows");
        let (before, after) = (percentile(before, 0.95), percentile(&after, 0.95));
        bench.report.ratio(
            format!("{name}, p95: with the advice, against without"),
            duration(after),
            duration(before),
            after / before,
            None,
        );
    }
    let report = &mut bench.report;
    report.figure("Stock ledger: advice takes", seconds, duration, None);
    report.figure(
        "Stock ledger: indexes advised",
        advice.len() as f64,
        grouped,
        None,
    );
}
