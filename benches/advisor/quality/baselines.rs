//! Other ways to choose indexes, as published, for comparison. They know the true size of each index.

use super::planner::{Config, Id, Planner};

/// Columns of an index at most.
const WIDTH: usize = 3;
/// Share of the workload's cost that a step must save.
const LEAST_STEP: f64 = 1e-4;

/// Extend (Schlosser, Kossmann, Boissier 2019): adds an index on one column, or one column of the
/// workload to an index that is chosen, whatever saves most for each byte. `width` 1 leaves the choice of single
/// columns.
pub fn extend(planner: &mut Planner, budget: i64, width: usize) -> Config {
    let singles = planner.singles();
    let mut config = Config::new();
    let mut size = 0;
    let mut cost = planner.total(&config);
    loop {
        let mut steps: Vec<Config> = Vec::new();
        for id in singles.difference(&config) {
            let mut step = config.clone();
            step.insert(*id);
            steps.push(step);
        }
        for id in config.clone() {
            if planner.indexes[id].columns.len() == width {
                continue;
            }
            for wider in planner.extensions(id, false) {
                let mut step = config.clone();
                step.remove(&id);
                if step.insert(wider) {
                    steps.push(step);
                }
            }
        }
        let mut best: Option<(f64, Config, i64, f64)> = None;
        for step in steps {
            let after = planner.total(&step);
            if cost - after <= cost * LEAST_STEP {
                continue;
            }
            let bytes: i64 = step.iter().map(|id| planner.bytes(*id)).sum();
            let ratio = (cost - after) / (bytes - size).max(1) as f64;
            if bytes <= budget && best.as_ref().is_none_or(|best| ratio > best.0) {
                best = Some((ratio, step, bytes, after));
            }
        }
        match best {
            Some((_, step, bytes, after)) => (config, size, cost) = (step, bytes, after),
            None => return config,
        }
    }
}

/// As in DB2's advisor (Valentin and others 2000): the planner picks for each query among all
/// candidates; what it picks shares the query's gain; then those with the most gain for each byte.
pub fn db2advis(planner: &mut Planner, budget: i64) -> Config {
    let singles = planner.singles();
    let mut candidates = singles.clone();
    let mut narrow = singles;
    for _ in 1..WIDTH - 1 {
        let wider = narrow.iter().flat_map(|id| planner.extensions(*id, true));
        narrow = wider.collect();
        candidates.extend(&narrow);
    }
    let mut gains: Vec<(Id, f64)> = Vec::new();
    for query in 0..planner.queries.len() {
        let used = planner.used(query, &candidates);
        let gain = planner.cost(query, &Config::new()) - planner.cost(query, &used);
        for id in &used {
            let share = gain / used.len() as f64;
            match gains.iter_mut().find(|(known, _)| known == id) {
                Some((_, gain)) => *gain += share,
                None => gains.push((*id, share)),
            }
        }
    }
    let mut rated: Vec<(f64, Id)> = gains
        .iter()
        .filter(|(_, gain)| *gain > 0.0)
        .map(|(id, gain)| (gain / planner.bytes(*id) as f64, *id))
        .collect();
    rated.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut config = Config::new();
    let mut left = budget;
    for (_, id) in rated {
        let bytes = planner.bytes(id);
        if bytes <= left {
            left -= bytes;
            config.insert(id);
        }
    }
    config
}

pub type Baseline = (&'static str, fn(&mut Planner, i64) -> Config);

pub const ALL: [Baseline; 3] = [
    ("Extend", |planner, budget| extend(planner, budget, WIDTH)),
    ("DB2Advis", db2advis),
    ("single columns", |planner, budget| {
        extend(planner, budget, 1)
    }),
];
