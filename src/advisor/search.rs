//! Chooses indexes: those that lower the cost of the workload most, writes charged, within a
//! budget of bytes.
//!
//! The planner's own choice among all of a statement's candidates makes the pool. Extend (Schlosser,
//! Kossmann, Boissier 2019) then adds or widens one index after the other, the most benefit per
//! byte first: once from single columns as published, once from the whole pool. Local moves improve
//! both until none helps or time is up. The best one is returned, so it is never worse than Extend
//! under a budget; without one, next to nothing is given away for an index that is much smaller.

mod evaluator;
mod extend;
mod moves;
mod prune;

#[cfg(test)]
mod fake;

use std::collections::BTreeSet;

pub use evaluator::Evaluator;

/// Place of an index in the table that a `Costs` keeps of them.
pub type Id = usize;

/// Indexes that are there, ascending.
pub type Config = Vec<Id>;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Planned {
    pub cost: f64,
    /// Of the indexes that were there, those that the plan uses, ascending.
    pub used: Vec<Id>,
}

/// What the search knows of the world.
pub trait Costs {
    fn statements(&self) -> usize;

    /// How often the statement counts.
    fn weight(&self, statement: usize) -> f64;

    /// The statements in whose plans the index could be, ascending.
    fn concerned(&self, index: Id) -> &[usize];

    /// Whether the index could be in a plan of the statement.
    fn relevant(&self, statement: usize, index: Id) -> bool {
        self.concerned(index).binary_search(&statement).is_ok()
    }

    /// Plans the statement, with these indexes and no others of the table.
    fn plan(&mut self, statement: usize, config: &[Id]) -> Planned;

    fn bytes(&self, index: Id) -> u64;

    /// What these indexes make writing more expensive, over the period of the workload.
    fn write_cost(&self, config: &[Id]) -> f64;

    fn same_table(&self, left: Id, right: Id) -> bool;

    /// One key only.
    fn is_single(&self, index: Id) -> bool;

    /// The index with one more column that a statement could use.
    fn extensions(&mut self, index: Id) -> Vec<Id>;

    /// The index without its last key, without carried columns, without its predicate.
    fn reductions(&mut self, index: Id) -> Vec<Id>;

    /// One index that serves for both.
    fn merged(&mut self, left: Id, right: Id) -> Option<Id>;

    /// Called often: whether time is up. May raise what cancels.
    fn expired(&mut self) -> bool;
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Bytes.
    pub budget: Option<u64>,
    /// A statement may cost this much times what it costs now.
    pub worst: f64,
    /// Share of the workload's cost that an index must save.
    pub least_share: f64,
    /// Share that is enough if a statement becomes much cheaper.
    pub least_share_of_one: f64,
    /// What one execution of a statement must save, in the planner's units.
    pub least_saving: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            budget: None,
            worst: 1.1,
            least_share: 0.01,
            least_share_of_one: 0.001,
            least_saving: 10.0,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chosen {
    /// The most benefit per byte first.
    pub order: Vec<Id>,
    pub objective_before: f64,
    pub objective_after: f64,
    /// What Extend alone comes to, without what is hardly worth it.
    pub objective_extend: f64,
}

/// Chooses among `candidates` and what extends, reduces and merges them.
pub fn choose<C: Costs>(
    evaluator: &mut Evaluator<C>,
    candidates: &[Id],
    limits: &Limits,
) -> Chosen {
    let before = evaluator.objective(&[]);
    let mut chosen = Chosen {
        objective_before: before,
        objective_after: before,
        objective_extend: before,
        order: Vec::new(),
    };
    if limits.budget == Some(0) || candidates.is_empty() {
        return chosen;
    }
    let singles: BTreeSet<Id> = candidates
        .iter()
        .copied()
        .filter(|id| evaluator.costs.is_single(*id))
        .collect();
    let (pool, sets) = pool(evaluator, candidates);
    let extend = extend::extend(evaluator, &singles, &BTreeSet::new(), limits);
    let published = prune::prune(evaluator, extend.clone(), limits);
    chosen.objective_extend = evaluator.objective(&published);
    let seeded = extend::extend(evaluator, &pool, &sets, limits);
    let mut config = published;
    let mut least = chosen.objective_extend;
    for start in [seeded, extend] {
        let moved = moves::improve(evaluator, start, &pool, limits);
        let moved = prune::prune(evaluator, moved, limits);
        let objective = evaluator.objective(&moved);
        if objective < least {
            least = objective;
            config = moved;
        }
    }
    let config = moves::shrink(evaluator, config, chosen.objective_extend, limits);
    // Where bytes are counted, the costs for them are, too.
    let most = match limits.budget {
        Some(_) => chosen.objective_extend.max(evaluator.objective(&config)),
        None => f64::INFINITY,
    };
    let config = moves::replace_by_smaller(evaluator, config, candidates, most, limits);
    let config = prune::prune(evaluator, config, limits);
    chosen.objective_after = evaluator.objective(&config);
    chosen.order = extend::by_benefit(evaluator, &config);
    chosen
}

/// What the planner picks for each statement when it may pick from everything, and again without
/// what it picked; and every single column that helps by itself. What it picks together, for the
/// arms of an OR or the sides of a join, may be of no use alone: it comes as sets, too.
fn pool<C: Costs>(
    evaluator: &mut Evaluator<C>,
    candidates: &[Id],
) -> (BTreeSet<Id>, BTreeSet<Config>) {
    const ROUNDS: usize = 3;
    let mut pool = BTreeSet::new();
    let mut sets = BTreeSet::new();
    for statement in 0..evaluator.costs.statements() {
        let mut open: Config = candidates
            .iter()
            .copied()
            .filter(|id| evaluator.costs.relevant(statement, *id))
            .collect();
        let alone = evaluator.plan(statement, &[]).cost;
        for id in &open {
            if evaluator.costs.is_single(*id) && evaluator.plan(statement, &[*id]).cost < alone {
                pool.insert(*id);
            }
        }
        for _ in 0..ROUNDS {
            if open.is_empty() || evaluator.costs.expired() {
                break;
            }
            let planned = evaluator.plan(statement, &open);
            if planned.used.is_empty() || planned.cost >= alone {
                break;
            }
            pool.extend(planned.used.iter().copied());
            if planned.used.len() > 1 {
                sets.insert(planned.used.clone());
            }
            open.retain(|id| !planned.used.contains(id));
        }
    }
    (pool, sets)
}
