//! The extension against plain PostgreSQL, measured side by side in one run.
//!
//!     cargo bench --bench ledger                    every section, 1,000,000 moves
//!     cargo bench --bench ledger -- reads growth    these sections only
//!
//! Each figure is a ratio of two things timed alternately on one throwaway server, and each pair of
//! queries that is compared must return the same rows. docs/benchmarks.md explains the figures;
//! `ledger/scale.rs` lists the variables that set the scale.

#[path = "ledger/backfill.rs"]
mod backfill;
#[path = "ledger/baseline.rs"]
mod baseline;
#[path = "ledger/changes.rs"]
mod changes;
#[path = "kit/cluster.rs"]
#[allow(dead_code)]
mod cluster;
#[path = "../tests/common/mod.rs"]
mod common;
#[path = "ledger/dataset.rs"]
mod dataset;
#[path = "ledger/fold.rs"]
mod fold;
#[path = "ledger/growth.rs"]
mod growth;
#[path = "ledger/inserts.rs"]
mod inserts;
#[path = "kit/machine.rs"]
mod machine;
#[path = "kit/measure.rs"]
mod measure;
#[path = "ledger/memory.rs"]
mod memory;
#[path = "kit/pgbench.rs"]
mod pgbench;
#[path = "ledger/reads.rs"]
mod reads;
#[path = "kit/report.rs"]
mod report;
#[path = "ledger/scale.rs"]
mod scale;
#[path = "ledger/writers.rs"]
mod writers;

use std::time::Instant;

/// What the sections share: the server, the scale, and the report they fill.
pub struct Bench {
    pub server: cluster::Server,
    pub scale: scale::Scale,
    pub report: report::Report,
    pub quiet: machine::Quiet,
}

type Section = (&'static str, fn(&mut Bench));

const SECTIONS: [Section; 7] = [
    ("backfill", backfill::run),
    ("reads", reads::run),
    ("fold", fold::run),
    ("inserts", inserts::run),
    ("changes", changes::run),
    ("growth", growth::run),
    ("memory", memory::run),
];

fn main() {
    let chosen = chosen_sections();
    let scale = scale::Scale::from_environment();
    let mut quiet = machine::Quiet::default();
    quiet.sample();
    let server = cluster::Server::start(&scale.settings());
    let mut bench = Bench {
        server,
        scale,
        report: report::Report::default(),
        quiet,
    };

    for (name, section) in SECTIONS {
        if !chosen.is_empty() && !chosen.iter().any(|wanted| wanted == name) {
            continue;
        }
        bench.quiet.sample();
        eprintln!("== {name}");
        let started = Instant::now();
        section(&mut bench);
        bench.server.assert_no_errors_logged();
        eprintln!("== {name}: {:.0} s", started.elapsed().as_secs_f64());
    }

    let settings = bench.scale.settings();
    let heading = machine::describe(
        &mut bench.server.connect("postgres"),
        &settings.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        &bench.scale.describe(),
        &bench.quiet,
    );
    bench.report.publish(&heading);
}

/// Section names given as arguments; none means all. Cargo itself adds `--bench`.
fn chosen_sections() -> Vec<String> {
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    for wanted in &chosen {
        let known = SECTIONS.map(|(name, _)| name);
        assert!(
            known.contains(&wanted.as_str()),
            "no section {wanted:?}; there are {known:?}"
        );
    }
    chosen
}
