//! Local moves: what greedy steps cannot take back.

use std::collections::BTreeSet;

use super::evaluator::{with, without};
use super::{Config, Costs, Evaluator, Id, Limits};

/// A narrower index may lose this share of what the index saves.
const SHRINK_LOSS: f64 = 0.05;
/// No statement may become this much more expensive by it, or this many units for each execution.
const SHRINK_WORST: f64 = 1.25;
const SHRINK_UNITS: f64 = 1.0;

/// An index of this share of the bytes may lose this share of what its index saves.
const SMALL: f64 = 0.25;
const SMALL_LOSS: f64 = 0.005;
/// One of this share of the bytes may make a statement cost up to so many times as much, if the
/// statement loses no more than this share of what its index saves: that is within what the planner
/// misjudges for the order of the first key.
const TINY: f64 = 1.0 / 16.0;
const TINY_WORST: f64 = 2.0;
const TINY_LOSS: f64 = 0.01;

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
                && nearly_as_good(evaluator, config, &next)
                && evaluator.allowed(&next, limits)
            {
                return Some(next);
            }
        }
    }
    None
}

/// Whether each statement costs nearly the same.
fn nearly_as_good<C: Costs>(evaluator: &mut Evaluator<C>, before: &Config, after: &Config) -> bool {
    evaluator.concerned(before).into_iter().all(|statement| {
        let cost = evaluator.plan(statement, before).cost;
        evaluator.plan(statement, after).cost <= (cost * SHRINK_WORST).max(cost + SHRINK_UNITS)
    })
}

/// Whether each statement keeps nearly all that it saves, and costs a little more at most.
fn good_enough<C: Costs>(
    evaluator: &mut Evaluator<C>,
    without: &Config,
    before: &Config,
    after: &Config,
) -> bool {
    evaluator.concerned(before).into_iter().all(|statement| {
        let alone = evaluator.plan(statement, without).cost;
        let cost = evaluator.plan(statement, before).cost;
        let next = evaluator.plan(statement, after).cost;
        next <= cost || next <= cost * TINY_WORST && next - cost <= TINY_LOSS * (alone - cost)
    })
}

/// Puts a much smaller index in the place of one, such as one over a part of the rows, where next to
/// nothing is lost and the workload costs no more than `most`.
pub fn replace_by_smaller<C: Costs>(
    evaluator: &mut Evaluator<C>,
    mut config: Config,
    candidates: &[Id],
    most: f64,
    limits: &Limits,
) -> Config {
    for id in config.clone() {
        let rest = without(&config, id);
        let worth = evaluator.gain(&rest, &config);
        let bytes = evaluator.costs.bytes(id) as f64;
        let mut best: Option<(f64, Config)> = None;
        for other in candidates {
            let shares_a_statement = evaluator
                .costs
                .concerned(id)
                .iter()
                .any(|statement| evaluator.costs.relevant(*statement, *other));
            let share = evaluator.costs.bytes(*other) as f64 / bytes;
            if share > SMALL || !shares_a_statement {
                continue;
            }
            if evaluator.costs.expired() {
                return config;
            }
            let next = with(&rest, *other);
            let gain = evaluator.gain(&config, &next);
            let loss = if share > TINY { SMALL_LOSS } else { TINY_LOSS };
            if gain >= -loss * worth
                && best.as_ref().is_none_or(|(best, _)| gain > *best)
                && evaluator.objective(&next) <= most
                && (nearly_as_good(evaluator, &config, &next)
                    || share <= TINY && good_enough(evaluator, &rest, &config, &next))
                && evaluator.allowed(&next, limits)
            {
                best = Some((gain, next));
            }
        }
        if let Some((_, next)) = best {
            config = next;
        }
    }
    config
}

/// The first move found that helps, the most promising ones tried first.
fn better<C: Costs>(
    evaluator: &mut Evaluator<C>,
    config: &Config,
    pool: &BTreeSet<Id>,
    limits: &Limits,
    least: f64,
) -> Option<Config> {
    let mut losses = Vec::with_capacity(config.len());
    for id in config {
        let rest = without(config, *id);
        let loss = evaluator.gain(&rest, config);
        if loss <= 0.0 {
            return Some(rest);
        }
        if evaluator.costs.expired() {
            return None;
        }
        losses.push((rest, loss));
    }
    for step in rebuilt(evaluator, config) {
        if evaluator.costs.expired() {
            return None;
        }
        if helps(evaluator, config, &step, limits, least) {
            return Some(step);
        }
    }
    let mut steps: Vec<(f64, Config)> = Vec::new();
    let alternatives = losses.iter().map(|(rest, loss)| (rest, *loss));
    for (rest, loss) in std::iter::once((config, 0.0)).chain(alternatives) {
        if evaluator.costs.expired() {
            return None;
        }
        let writes = evaluator.costs.write_cost(rest);
        for id in pool.iter().filter(|id| !config.contains(id)) {
            let step = with(rest, *id);
            let more = evaluator.costs.write_cost(&step) - writes;
            let promise = evaluator.promise(rest, &[*id]) - loss - more;
            let fits = limits
                .budget
                .is_none_or(|budget| evaluator.bytes(&step) <= budget);
            if promise > least && fits {
                steps.push((promise, step));
            }
        }
    }
    steps.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    for (_, step) in steps {
        if evaluator.costs.expired() {
            return None;
        }
        if helps(evaluator, config, &step, limits, least) {
            return Some(step);
        }
    }
    None
}

/// Two indexes as one, or one made wider.
fn rebuilt<C: Costs>(evaluator: &mut Evaluator<C>, config: &Config) -> Vec<Config> {
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
    steps
}

fn helps<C: Costs>(
    evaluator: &mut Evaluator<C>,
    config: &Config,
    step: &Config,
    limits: &Limits,
    least: f64,
) -> bool {
    let bytes = evaluator.bytes(step);
    if step == config || limits.budget.is_some_and(|budget| bytes > budget) {
        return false;
    }
    let gain = evaluator.gain(config, step);
    // Merging two is worth it for the space alone.
    let fewer = step.len() < config.len() && bytes < evaluator.bytes(config);
    (gain > least || (fewer && gain > -least)) && evaluator.allowed(step, limits)
}
