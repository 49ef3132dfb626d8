//! Local moves: what greedy steps cannot take back.

use std::collections::BTreeSet;

use super::evaluator::{with, without};
use super::{Config, Costs, Evaluator, Id, Limits};

/// A narrower index may lose this share of what the index saves.
const SHRINK_LOSS: f64 = 0.05;

/// Drops, widens, swaps, merges and adds while the workload becomes cheaper, until no move helps
/// or time is up.
pub fn improve<C: Costs>(
    evaluator: &mut Evaluator<C>,
    mut config: Config,
    pool: &BTreeSet<Id>,
    limits: &Limits,
) -> Config {
    // Merging gives a little away for space, so that descent alone does not bound the moves.
    for _ in 0..200 {
        let least = evaluator.objective(&config) * 1e-4;
        let Some(next) = better(evaluator, &config, pool, limits, least) else {
            break;
        };
        config = next;
    }
    config
}

/// Makes indexes narrower that save nearly as much then, while the workload costs no more than
/// `most`.
pub fn shrink<C: Costs>(
    evaluator: &mut Evaluator<C>,
    mut config: Config,
    most: f64,
    limits: &Limits,
) -> Config {
    while let Some(next) = narrower(evaluator, &config, most, limits) {
        config = next;
    }
    config
}

fn narrower<C: Costs>(
    evaluator: &mut Evaluator<C>,
    config: &Config,
    most: f64,
    limits: &Limits,
) -> Option<Config> {
    for id in config {
        let rest = without(config, *id);
        let worth = evaluator.gain(&rest, config);
        for narrower in evaluator.costs.reductions(*id) {
            let next = with(&rest, narrower);
            if !config.contains(&narrower)
                && evaluator.costs.bytes(narrower) < evaluator.costs.bytes(*id)
                && !evaluator.costs.expired()
                && evaluator.gain(config, &next) >= -SHRINK_LOSS * worth
                && evaluator.objective(&next) <= most
                && evaluator.allowed(&next, limits)
            {
                return Some(next);
            }
        }
    }
    None
}

/// The first move found that helps.
fn better<C: Costs>(
    evaluator: &mut Evaluator<C>,
    config: &Config,
    pool: &BTreeSet<Id>,
    limits: &Limits,
    least: f64,
) -> Option<Config> {
    for id in config {
        let rest = without(config, *id);
        if evaluator.gain(&rest, config) <= 0.0 {
            return Some(rest);
        }
        if evaluator.costs.expired() {
            return None;
        }
    }
    let mut steps: Vec<Config> = Vec::new();
    for (place, left) in config.iter().enumerate() {
        for right in &config[place + 1..] {
            for (a, b) in [(*left, *right), (*right, *left)] {
                if let Some(both) = evaluator.costs.merged(a, b) {
                    steps.push(with(&without(&without(config, a), b), both));
                }
            }
        }
        for wider in evaluator.costs.extensions(*left) {
            steps.push(with(&without(config, *left), wider));
        }
    }
    steps.extend(pool.iter().map(|id| with(config, *id)));
    for id in config {
        let rest = without(config, *id);
        steps.extend(
            pool.iter()
                .filter(|other| !config.contains(other))
                .map(|other| with(&rest, *other)),
        );
    }
    for step in steps {
        if evaluator.costs.expired() {
            return None;
        }
        if step == *config
            || limits
                .budget
                .is_some_and(|budget| evaluator.bytes(&step) > budget)
        {
            continue;
        }
        let gain = evaluator.gain(config, &step);
        // Merging two is worth it for the space alone.
        let fewer = step.len() < config.len() && evaluator.bytes(&step) < evaluator.bytes(config);
        if (gain > least || (fewer && gain > -least)) && evaluator.allowed(&step, limits) {
            return Some(step);
        }
    }
    None
}
