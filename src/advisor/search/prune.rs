//! Says nothing that is hardly worth it.
//!
//! Within a budget it is the bytes that count, and what saves anything worth a step of the search
//! stays.

use super::evaluator::without;
use super::{Config, Costs, Evaluator, Id, Limits};

/// A statement that becomes this much cheaper is a reason by itself.
const MUCH: f64 = 0.7;
/// One statement at least must become this much cheaper.
const SOME: f64 = 0.85;
/// Within a budget, the share that is enough.
const WITHIN_BUDGET: f64 = 1e-4;

/// Of what is saved of a statement, what an index must add where another one of the same table serves
/// the statement, too: in its generic plan one, with typical values the other.
const ADDS: f64 = 0.02;

/// Takes away the index that saves least, as long as one saves less than is worth saying.
pub fn prune<C: Costs>(
    evaluator: &mut Evaluator<C>,
    mut config: Config,
    limits: &Limits,
) -> Config {
    loop {
        let mut least: Option<(f64, Id)> = None;
        for id in &config {
            if evaluator.costs.expired() {
                return config;
            }
            let rest = without(&config, *id);
            let gain = evaluator.gain(&rest, &config);
            // of what the workload costs with everything else that is advised
            let share = gain / evaluator.objective(&rest).max(f64::MIN_POSITIVE);
            if (!worth_it(evaluator, &rest, &config, share, limits)
                || limits.budget.is_none() && doubles(evaluator, &rest, &config, *id))
                && least.is_none_or(|(smallest, _)| gain < smallest)
            {
                least = Some((gain, *id));
            }
        }
        match least {
            Some((_, id)) => config = without(&config, id),
            None => return config,
        }
    }
}

fn worth_it<C: Costs>(
    evaluator: &mut Evaluator<C>,
    rest: &[Id],
    config: &[Id],
    share: f64,
    limits: &Limits,
) -> bool {
    if limits.budget.is_some() {
        return share >= WITHIN_BUDGET;
    }
    if share < limits.least_share_of_one {
        return false;
    }
    let mut saves_enough = false;
    let mut helps = 1.0_f64;
    for statement in evaluator.concerned(config) {
        let without = evaluator.plan(statement, rest).cost;
        let with = evaluator.plan(statement, config).cost;
        saves_enough |= without - with >= limits.least_saving;
        helps = helps.min(with / without.max(f64::MIN_POSITIVE));
    }
    saves_enough && helps <= SOME && (share >= limits.least_share || helps <= MUCH)
}

/// Whether every statement that uses the index would do nearly as well with the others.
fn doubles<C: Costs>(evaluator: &mut Evaluator<C>, rest: &[Id], config: &[Id], id: Id) -> bool {
    let mut used = false;
    for statement in evaluator.concerned(&[id]) {
        let with = evaluator.plan(statement, config);
        if !with.used.contains(&id) {
            continue;
        }
        used = true;
        let another = with
            .used
            .iter()
            .any(|other| *other != id && evaluator.costs.same_table(*other, id));
        let today = evaluator.plan(statement, &[]).cost;
        let without = evaluator.plan(statement, rest).cost;
        if !another || without - with.cost > ADDS * (today - with.cost) {
            return false;
        }
    }
    used
}
