//! The staleness and the loss test, longer than `make test` has time for.

use crate::Bench;
use crate::report::{Target, grouped};
use crate::staleness::{Delivery, Setup};
use crate::{loss, staleness};

const SETUP: Setup = Setup {
    redis: true,
    delivery: Delivery::Worker,
};

pub fn staleness(bench: &mut Bench) {
    let outcome = staleness::run(SETUP, bench.scale.staleness);
    assert!(outcome.checks >= bench.scale.staleness, "too few answers");
    let figure = |figure: f64| format!("{} stale", grouped(figure));
    bench.report.figure(
        format!(
            "{} answers checked, {:.0} % of them hits",
            grouped(outcome.checks as f64),
            100.0 * outcome.hit_rate()
        ),
        outcome.stale.len() as f64,
        figure,
        Some(Target::AtMost(0.0)),
    );
}

pub fn loss(bench: &mut Bench) {
    let report = loss::run(SETUP, bench.scale.loss);
    let figure = |figure: f64| format!("{} lost", grouped(figure));
    bench.report.figure(
        format!(
            "{} failures under {} commits, {} good entries compared",
            grouped(report.failures as f64),
            grouped(report.outcome.writes as f64),
            grouped(report.compared as f64)
        ),
        report.lost.len() as f64,
        figure,
        Some(Target::AtMost(0.0)),
    );
}
