//! Index advice: what it does for a search of an inventory and for other workloads, and how it
//! compares with simpler ways to choose.
//!
//!     cargo bench --bench advisor                every section
//!     cargo bench --bench advisor -- search      this section only
//!
//! Data and workloads come from fixed seeds. `advisor/scale.rs` lists the variables that set the
//! scale. Needs hypopg and pg_trgm.

#[path = "advisor/advice.rs"]
mod advice;
#[path = "kit/cluster.rs"]
#[allow(dead_code)]
mod cluster;
#[path = "../tests/common/mod.rs"]
mod common;
#[path = "kit/machine.rs"]
mod machine;
#[path = "kit/measure.rs"]
#[allow(dead_code)]
mod measure;
#[path = "advisor/quality.rs"]
mod quality;
#[path = "kit/report.rs"]
#[allow(dead_code)]
mod report;
#[path = "kit/run.rs"]
mod run;
#[path = "advisor/scale.rs"]
mod scale;
#[path = "advisor/search.rs"]
mod search;
#[path = "advisor/stock.rs"]
mod stock;

/// What the sections share: the server, the scale, and the report they fill.
pub struct Bench {
    pub server: cluster::Server,
    pub scale: scale::Scale,
    pub report: report::Report,
}

const SECTIONS: [run::Section<Bench>; 3] = [
    ("search", search::run),
    ("stock", stock::run),
    ("quality", quality::run),
];

fn main() {
    let start = || Bench {
        server: cluster::Server::start(&scale::settings()),
        scale: scale::Scale::from_environment(),
        report: report::Report::default(),
    };
    let (bench, quiet) = run::sections(&SECTIONS, start, |bench| {
        bench.server.assert_no_errors_logged();
    });
    let settings = scale::settings();
    let heading = machine::describe(
        &mut bench.server.connect("postgres"),
        &settings.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        &bench.scale.describe(),
        &quiet,
    );
    bench.report.publish(&heading);
}
