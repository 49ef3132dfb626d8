//! Greedy choice by benefit per byte.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluator::{with, without};
use super::{Config, Costs, Evaluator, Id, Limits};

/// Share of what the workload costs by then that a step must save.
const LEAST_STEP: f64 = 1e-4;

/// Adds to `config` one of `seeds`, or all of one of `sets`, which help together only, or widens an
/// index that is chosen by one column, whatever saves most for each byte, as long as something does
/// and fits.
pub fn extend<C: Costs>(
    evaluator: &mut Evaluator<C>,
    mut config: Config,
    seeds: &BTreeSet<Id>,
    sets: &BTreeSet<Config>,
    limits: &Limits,
) -> Config {
    while let Some(step) = best_step(evaluator, &config, seeds, sets, limits) {
        config = step;
    }
    config
}

fn best_step<C: Costs>(
    evaluator: &mut Evaluator<C>,
    config: &Config,
    seeds: &BTreeSet<Id>,
    sets: &BTreeSet<Config>,
    limits: &Limits,
) -> Option<Config> {
    let now = evaluator.bytes(config);
    let writes = evaluator.costs.write_cost(config);
    let least = evaluator.objective(config) * LEAST_STEP;
    let mut rated: Vec<(f64, Config)> = Vec::new();
    for step in steps(evaluator, config, seeds, sets) {
        if evaluator.costs.expired() {
            return None;
        }
        let bytes = evaluator.bytes(&step);
        if limits.budget.is_some_and(|budget| bytes > budget) {
            continue;
        }
        let added: Config = step
            .iter()
            .filter(|id| !config.contains(id))
            .copied()
            .collect();
        let promise =
            evaluator.promise(config, &added) + writes - evaluator.costs.write_cost(&step);
        if promise > least {
            rated.push((promise / per(bytes, now), step));
        }
    }
    // What promises less than another step has been seen to give need not be planned.
    rated.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut best: Option<(f64, Config)> = None;
    for (promise, step) in rated {
        let beaten = best.as_ref().is_some_and(|(most, _)| *most >= promise);
        if beaten || evaluator.costs.expired() {
            break;
        }
        let gain = evaluator.gain(config, &step);
        let ratio = gain / per(evaluator.bytes(&step), now);
        if gain > least
            && best.as_ref().is_none_or(|(most, _)| ratio > *most)
            && evaluator.allowed(&step, limits)
        {
            best = Some((ratio, step));
        }
    }
    best.map(|(_, step)| step)
}

/// Bytes that a step takes.
fn per(bytes: u64, now: u64) -> f64 {
    bytes.saturating_sub(now).max(1) as f64
}

fn steps<C: Costs>(
    evaluator: &mut Evaluator<C>,
    config: &Config,
    seeds: &BTreeSet<Id>,
    sets: &BTreeSet<Config>,
) -> Vec<Config> {
    let mut steps: Vec<Config> = seeds
        .iter()
        .filter(|id| !config.contains(id))
        .map(|id| with(config, *id))
        .collect();
    for set in sets {
        let together = set.iter().fold(config.clone(), |all, id| with(&all, *id));
        if together.len() > config.len() + 1 {
            steps.push(together);
        }
    }
    for id in config {
        for wider in evaluator.costs.extensions(*id) {
            if !config.contains(&wider) {
                steps.push(with(&without(config, *id), wider));
            }
        }
    }
    steps
}

/// What the planner picked for each statement, the most of its gain per byte first, as far as it
/// fits: as DB2's advisor does (Valentin and others 2000).
pub fn by_share<C: Costs>(
    evaluator: &mut Evaluator<C>,
    picked: &[(usize, Config)],
    limits: &Limits,
) -> Config {
    let mut gains: BTreeMap<Id, f64> = BTreeMap::new();
    for (statement, used) in picked {
        let gain = evaluator.plan(*statement, &[]).cost - evaluator.plan(*statement, used).cost;
        let share = evaluator.costs.weight(*statement) * gain / used.len().max(1) as f64;
        for id in used {
            *gains.entry(*id).or_default() += share;
        }
    }
    let mut rated: Vec<(f64, Id)> = gains
        .into_iter()
        .map(|(id, gain)| (gain / per(evaluator.costs.bytes(id), 0), id))
        .collect();
    rated.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut config = Config::new();
    for (_, id) in rated {
        let wider = with(&config, id);
        if evaluator.allowed(&wider, limits) {
            config = wider;
        }
    }
    config
}

/// The same indexes, the one that saves most for each byte first.
pub fn by_benefit<C: Costs>(evaluator: &mut Evaluator<C>, config: &[Id]) -> Vec<Id> {
    let mut order = Vec::new();
    let mut there = Config::new();
    let mut left = config.to_vec();
    while !left.is_empty() {
        let mut best = (f64::NEG_INFINITY, 0);
        for (place, id) in left.iter().enumerate() {
            let gain = evaluator.gain(&there, &with(&there, *id));
            let ratio = gain / evaluator.costs.bytes(*id).max(1) as f64;
            if ratio > best.0 {
                best = (ratio, place);
            }
        }
        let id = left.remove(best.1);
        there = with(&there, id);
        order.push(id);
    }
    order
}
