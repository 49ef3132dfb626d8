//! What the mains of all benches do: read the environment and the arguments, run the sections.

use std::env;
use std::str::FromStr;
use std::time::Instant;

use crate::machine::Quiet;

/// A part of a bench that runs by itself, by the name that chooses it.
pub type Section<Bench> = (&'static str, fn(&mut Bench));

/// The number or text in `INVENTORY_PERF_BENCH_{name}`.
pub fn variable<T: FromStr>(name: &str, default: T) -> T {
    let name = format!("INVENTORY_PERF_BENCH_{name}");
    match env::var(&name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} cannot be {text:?}")),
        Err(_) => default,
    }
}

/// Runs the sections that are named as arguments, or all, and `after` behind each. Tells how much
/// else the machine did. `start` comes once the arguments are known to be right.
pub fn sections<Bench>(
    sections: &[Section<Bench>],
    start: impl FnOnce() -> Bench,
    after: fn(&mut Bench),
) -> (Bench, Quiet) {
    // Cargo itself adds `--bench`.
    let chosen: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let known: Vec<&str> = sections.iter().map(|(name, _)| *name).collect();
    for wanted in &chosen {
        assert!(
            known.contains(&wanted.as_str()),
            "no section {wanted:?}; there are {known:?}"
        );
    }
    let mut quiet = Quiet::default();
    quiet.sample();
    let mut bench = start();
    for (name, section) in sections {
        if !chosen.is_empty() && !chosen.iter().any(|wanted| wanted == name) {
            continue;
        }
        quiet.sample();
        eprintln!("== {name}");
        let started = Instant::now();
        section(&mut bench);
        after(&mut bench);
        eprintln!("== {name}: {:.0} s", started.elapsed().as_secs_f64());
    }
    (bench, quiet)
}
