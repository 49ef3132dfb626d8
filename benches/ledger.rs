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
#[path = "kit/run.rs"]
mod run;
#[path = "ledger/scale.rs"]
mod scale;
#[path = "ledger/writers.rs"]
mod writers;

/// What the sections share: the server, the scale, and the report they fill.
pub struct Bench {
    pub server: cluster::Server,
    pub scale: scale::Scale,
    pub report: report::Report,
}

const SECTIONS: [run::Section<Bench>; 7] = [
    ("backfill", backfill::run),
    ("reads", reads::run),
    ("fold", fold::run),
    ("inserts", inserts::run),
    ("changes", changes::run),
    ("growth", growth::run),
    ("memory", memory::run),
];

fn main() {
    let start = || {
        let scale = scale::Scale::from_environment();
        Bench {
            server: cluster::Server::start(&scale.settings()),
            scale,
            report: report::Report::default(),
        }
    };
    let (bench, quiet) = run::sections(&SECTIONS, start, |bench| {
        bench.server.assert_no_errors_logged();
    });
    let settings = bench.scale.settings();
    let heading = machine::describe(
        &mut bench.server.connect("postgres"),
        &settings.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        &bench.scale.describe(),
        &quiet,
    );
    bench.report.publish(&heading);
}
