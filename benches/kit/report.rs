//! The table that a run prints.

use std::fmt::Write as _;

#[derive(Clone, Copy)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn is_met_by(&self, figure: f64) -> bool {
        match self {
            Target::AtMost(limit) => figure <= *limit,
            Target::AtLeast(limit) => figure >= *limit,
        }
    }
}

struct Row {
    work: String,
    extension: String,
    baseline: String,
    ratio: String,
    target: String,
    verdict: &'static str,
}

#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// A ratio of the extension to a baseline, both already written out with their units.
    pub fn ratio(
        &mut self,
        work: impl Into<String>,
        extension: String,
        baseline: String,
        ratio: f64,
        target: Option<Target>,
    ) {
        self.push(Row {
            work: work.into(),
            extension,
            baseline,
            ratio: format!("{} ×", three_digits(ratio)),
            verdict: verdict(&target, ratio),
            target: match target {
                Some(Target::AtMost(limit)) => format!("≤ {limit} ×"),
                Some(Target::AtLeast(limit)) => format!("≥ {limit} ×"),
                None => String::new(),
            },
        });
    }

    /// A figure that stands alone; `target` is in the unit of `figure`.
    pub fn figure(
        &mut self,
        work: impl Into<String>,
        figure: f64,
        unit: fn(f64) -> String,
        target: Option<Target>,
    ) {
        self.push(Row {
            work: work.into(),
            extension: unit(figure),
            baseline: String::new(),
            ratio: String::new(),
            verdict: verdict(&target, figure),
            target: match target {
                Some(Target::AtMost(limit)) => format!("≤ {}", unit(limit)),
                Some(Target::AtLeast(limit)) => format!("≥ {}", unit(limit)),
                None => String::new(),
            },
        });
    }

    fn push(&mut self, row: Row) {
        eprintln!(
            "   {}: {} | {} | {} | {} {}",
            row.work, row.extension, row.baseline, row.ratio, row.target, row.verdict
        );
        self.rows.push(row);
    }

    /// Prints the report, and writes it to the file that `INVENTORY_PERF_BENCH_REPORT` names.
    pub fn publish(&self, heading: &str) {
        let mut text = format!("{heading}\n");
        text += "| Work | inventory_perf | Plain PostgreSQL | Ratio | Target | |\n";
        text += "|---|---:|---:|---:|---:|---|\n";
        for row in &self.rows {
            let Row {
                work,
                extension,
                baseline,
                ratio,
                target,
                verdict,
            } = row;
            writeln!(
                text,
                "| {work} | {extension} | {baseline} | {ratio} | {target} | {verdict} |"
            )
            .expect("writing to a string cannot fail");
        }
        println!("{text}");
        if let Ok(path) = std::env::var("INVENTORY_PERF_BENCH_REPORT") {
            std::fs::write(&path, text).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }
}

fn verdict(target: &Option<Target>, figure: f64) -> &'static str {
    match target {
        Some(target) if target.is_met_by(figure) => "met",
        Some(_) => "**missed**",
        None => "",
    }
}

pub fn duration(seconds: f64) -> String {
    if seconds < 1e-3 {
        format!("{} µs", three_digits(seconds * 1e6))
    } else if seconds < 1.0 {
        format!("{} ms", three_digits(seconds * 1e3))
    } else {
        format!("{} s", three_digits(seconds))
    }
}

pub fn transactions(per_second: f64) -> String {
    format!("{} tps", grouped(per_second))
}

pub fn deltas(per_second: f64) -> String {
    format!("{} deltas/s", grouped(per_second))
}

pub fn mebibytes(bytes: f64) -> String {
    format!("{} MiB", grouped(bytes / f64::from(1 << 20)))
}

/// A whole number with a comma between thousands.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn three_digits(number: f64) -> String {
    let decimals = match number {
        n if n >= 99.95 => 0,
        n if n >= 9.995 => 1,
        n if n >= 0.9995 => 2,
        n if n >= 0.09995 => 3,
        _ => 4,
    };
    format!("{number:.decimals$}")
}
