//! Greedy choice by benefit per byte.

use std::collections::BTreeSet;

use super::evaluator::{with, without};
use super::{Config, Costs, Evaluator, Id, Limits};

/// Share of what the workload costs by then that a step must save.
const LEAST_STEP: f64 = 1e-4;

/// Adds one of `seeds`, or all of one of `sets`, which help together only, or widens an index that
/// is chosen by one column, whatever saves most for each byte, as long as something does and fits.
pub fn extend<C: Costs>(
    evaluator: &mut Evaluator<C>,
    seeds: &BTreeSet<Id>,
    sets: &BTreeSet<Config>,
    limits: &Limits,
) -> Config {
    let mut config = Config::new();
    loop {
        let least = evaluator.objective(&config) * LEAST_STEP;
        let mut steps: Vec<Config> = seeds
            .iter()
            .filter(|id| !config.contains(id))
            .map(|id| with(&config, *id))
            .collect();
        for set in sets {
            let together = set.iter().fold(config.clone(), |all, id| with(&all, *id));
            if together.len() > config.len() + 1 {
                steps.push(together);
            }
        }
        for id in config.clone() {
            for wider in evaluator.costs.extensions(id) {
                if !config.contains(&wider) {
                    steps.push(with(&without(&config, id), wider));
                }
            }
        }
        let mut best: Option<(f64, Config)> = None;
        let now = evaluator.bytes(&config);
        for step in steps {
            if evaluator.costs.expired() {
                break;
            }
            let bytes = evaluator.bytes(&step);
            if limits.budget.is_some_and(|budget| bytes > budget) {
                continue;
            }
            let gain = evaluator.gain(&config, &step);
            if gain <= least {
                continue;
            }
            let ratio = gain / (bytes.saturating_sub(now)).max(1) as f64;
            if best.as_ref().is_none_or(|(most, _)| ratio > *most)
                && evaluator.allowed(&step, limits)
            {
                best = Some((ratio, step));
            }
        }
        match best {
            Some((_, step)) => config = step,
            None => return config,
        }
    }
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
