//! Folding pending deltas into the snapshots of the reference ledger.

use postgres::Client;

use crate::Bench;
use crate::dataset::{BEGIN, END, assert_exact, attached_reference, fold, scatter};
use crate::measure::{each, median, seconds};
use crate::report::{Target, deltas, duration, grouped};

const LATE_ROWS: i64 = 1_500;
const LATE_ROUNDS: i64 = 7;
/// Rows of each statement that adds recent moves, as an import job writes them.
const STATEMENT_ROWS: i64 = 1_000;

pub fn run(bench: &mut Bench) {
    let mut client = attached_reference(bench);

    let (mut inserts, mut folds) = (Vec::new(), Vec::new());
    for round in 0..LATE_ROUNDS {
        let late = scatter(
            &bench.scale,
            "stock_moves",
            LATE_ROWS,
            BEGIN,
            END,
            100 + round,
        );
        inserts.push(seconds(&mut client, &late));
        let (elapsed, folded) = fold(&mut client, "stock_moves");
        assert!(
            folded > LATE_ROWS / 2,
            "only {folded} deltas of {LATE_ROWS} late rows"
        );
        folds.push(elapsed);
    }
    bench.report.figure(
        "fold of 1,500 late rows scattered over two years",
        median(folds),
        duration,
        Some(Target::AtMost(0.3)),
    );
    bench.report.figure(
        "… and their INSERT, in one statement; exact from then on",
        median(inserts),
        duration,
        None,
    );

    let target = Some(Target::AtLeast(150_000.0));
    recent_moves(
        bench,
        &mut client,
        "today and yesterday",
        "2025-12-30",
        target,
    );
    recent_moves(bench, &mut client, "the last week", "2025-12-25", None);
    assert_exact(&mut client, "stock_moves");
}

/// Many statements' deltas, all dated from `begin` to the end of the ledger, folded at once.
fn recent_moves(
    bench: &mut Bench,
    client: &mut Client,
    days: &str,
    begin: &str,
    target: Option<Target>,
) {
    let statements = (bench.scale.moves / 10).clamp(100_000, 1_000_000) / STATEMENT_ROWS;
    let mut throughputs = Vec::new();
    for round in 0..bench.scale.rounds as i64 {
        each(client, &["VACUUM", "CHECKPOINT"]);
        for statement in 0..statements {
            let seed = 1_000_000 + round * statements + statement;
            let moves = scatter(
                &bench.scale,
                "stock_moves",
                STATEMENT_ROWS,
                begin,
                END,
                seed,
            );
            each(client, &[&moves]);
        }
        let (elapsed, folded) = fold(client, "stock_moves");
        assert!(
            folded > statements * STATEMENT_ROWS / 2,
            "only {folded} deltas were folded"
        );
        throughputs.push(folded as f64 / elapsed);
    }
    bench.report.figure(
        format!(
            "fold of {} recent deltas, of {days}",
            grouped((statements * STATEMENT_ROWS) as f64)
        ),
        median(throughputs),
        deltas,
        target,
    );
}
