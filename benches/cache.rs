//! The cache: how soon an invalidation arrives, what it costs writers, what a hit saves readers.
//!
//!     cargo bench --bench cache                     every section
//!     cargo bench --bench cache -- hits delivery    these sections only
//!
//! Server, worker and Redis share the machine with the clients. `cache/scale.rs` lists the
//! variables that set the scale.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "cache/delivery.rs"]
mod delivery;
#[path = "cache/endurance.rs"]
mod endurance;
#[path = "cache/hits.rs"]
mod hits;
#[path = "../tests/loss/mod.rs"]
mod loss;
#[path = "kit/machine.rs"]
mod machine;
#[path = "kit/measure.rs"]
#[allow(dead_code)]
mod measure;
#[path = "kit/pgbench.rs"]
mod pgbench;
#[path = "kit/report.rs"]
#[allow(dead_code)]
mod report;
#[path = "kit/run.rs"]
mod run;
#[path = "cache/scale.rs"]
mod scale;
#[path = "cache/site.rs"]
mod site;
#[path = "../tests/staleness/mod.rs"]
mod staleness;
#[path = "cache/writers.rs"]
mod writers;

/// What the sections share: the scale, and the report they fill.
pub struct Bench {
    pub scale: scale::Scale,
    pub report: report::Report,
}

const SECTIONS: [run::Section<Bench>; 7] = [
    ("latency", delivery::latency),
    ("delivery", delivery::backlog),
    ("writers", writers::run),
    ("outage", writers::outage),
    ("hits", hits::run),
    ("staleness", endurance::staleness),
    ("loss", endurance::loss),
];

fn main() {
    let start = || Bench {
        scale: scale::Scale::from_environment(),
        report: report::Report::default(),
    };
    let (bench, quiet) = run::sections(&SECTIONS, start, |_| {});
    let site = site::Site::start();
    let heading = machine::describe(
        &mut site.connect(),
        &site::SETTINGS.map(|(name, _)| name),
        &bench.scale.describe(),
        &quiet,
    );
    bench.report.publish(&heading);
}
