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
#[path = "advisor/scale.rs"]
mod scale;
#[path = "advisor/search.rs"]
mod search;
#[path = "advisor/stock.rs"]
mod stock;

use std::time::Instant;

/// What the sections share: the server, the scale, and the report they fill.
pub struct Bench {
    pub server: cluster::Server,
    pub scale: scale::Scale,
    pub report: report::Report,
}

type Section = (&'static str, fn(&mut Bench));

const SECTIONS: [Section; 3] = [
    ("search", search::run),
    ("stock", stock::run),
    ("quality", quality::run),
];

fn main() {
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let known = SECTIONS.map(|(name, _)| name);
    for wanted in &chosen {
        assert!(
            known.contains(&wanted.as_str()),
            "no section {wanted:?}; there are {known:?}"
        );
    }
    let settings = scale::settings();
    let mut bench = Bench {
        server: cluster::Server::start(&settings),
        scale: scale::Scale::from_environment(),
        report: report::Report::default(),
    };
    let mut quiet = machine::Quiet::default();
    for (name, section) in SECTIONS {
        if !chosen.is_empty() && !chosen.iter().any(|wanted| wanted == name) {
            continue;
        }
        quiet.sample();
        eprintln!("== {name}");
        let started = Instant::now();
        section(&mut bench);
        bench.server.assert_no_errors_logged();
        eprintln!("== {name}: {:.0} s", started.elapsed().as_secs_f64());
    }
    let heading = machine::describe(
        &mut bench.server.connect("postgres"),
        &settings.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        &bench.scale.describe(),
        &quiet,
    );
    bench.report.publish(&heading);
}
