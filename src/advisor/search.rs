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

/// What the search does, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Statements are analysed.
    Reading,
    Workload,
    Candidates,
    /// The planner's own choice for each statement.
    Picking,
    /// Greedy choices, each from another start.
    Published,
    Seeded,
    Shared,
    Moving,
    Finishing,
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

    /// Whether the statement reads one table, once.
    fn reads_once(&self, statement: usize) -> bool;

    /// What is done from here on.
    fn enter(&mut self, phase: Phase);

    /// Called often: whether the time for this phase is up. May raise what cancels.
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
    evaluator.costs.enter(Phase::Picking);
    let picks = pick(evaluator, candidates);
    evaluator.costs.enter(Phase::Published);
    let empty = Config::new;
    let extend = extend::extend(evaluator, empty(), &singles, &BTreeSet::new(), limits);
    let published = prune::prune(evaluator, extend.clone(), limits);
    chosen.objective_extend = evaluator.objective(&published);
    evaluator.costs.enter(Phase::Seeded);
    let mut starts = vec![extend::extend(
        evaluator,
        empty(),
        &picks.pool,
        &picks.sets,
        limits,
    )];
    starts.push(extend);
    if limits.budget.is_some() {
        evaluator.costs.enter(Phase::Shared);
        starts.push(extend::by_share(evaluator, &picks.first, limits));
    }
    evaluator.costs.enter(Phase::Moving);
    let mut config = published;
    let mut least = chosen.objective_extend;
    for start in starts {
        let moved = moves::improve(evaluator, start, &picks.pool, limits);
        let moved = prune::prune(evaluator, moved, limits);
        let objective = evaluator.objective(&moved);
        if objective < least {
            least = objective;
            config = moved;
        }
    }
    evaluator.costs.enter(Phase::Finishing);
    let config = finish(evaluator, config, candidates, &picks, &chosen, limits);
    chosen.objective_after = evaluator.objective(&config);
    chosen.order = extend::by_benefit(evaluator, &config);
    chosen
}

/// Takes back what is hardly worth its bytes, and uses what that leaves of a budget.
fn finish<C: Costs>(
    evaluator: &mut Evaluator<C>,
    config: Config,
    candidates: &[Id],
    picks: &Picks,
    chosen: &Chosen,
    limits: &Limits,
) -> Config {
    let before = config.clone();
    let config = moves::shrink(evaluator, config, chosen.objective_extend, limits);
    // Where bytes are counted, the costs for them are, too.
    let most = match limits.budget {
        Some(_) => chosen.objective_extend.max(evaluator.objective(&config)),
        None => f64::INFINITY,
    };
    let config = moves::replace_by_smaller(evaluator, config, candidates, most, limits);
    let config = prune::prune(evaluator, config, limits);
    if limits.budget.is_none() {
        return config;
    }
    let filled = extend::extend(evaluator, config, &picks.pool, &picks.sets, limits);
    let filled = moves::improve(evaluator, filled, &picks.pool, limits);
    let filled = prune::prune(evaluator, filled, limits);
    if evaluator.objective(&filled) < evaluator.objective(&before) {
        filled
    } else {
        before
    }
}

/// What the planner picks.
#[derive(Default)]
struct Picks {
    /// Every index that it picks for some statement, and every single column that helps one.
    pool: BTreeSet<Id>,
    /// What it picks together.
    sets: BTreeSet<Config>,
    /// What it picks for each statement first.
    first: Vec<(usize, Config)>,
}

/// What the planner picks for each statement when it may pick from everything, and again without
/// what it picked; and every single column that helps by itself. What it picks together, for the
/// arms of an OR or the sides of a join, may be of no use alone: it comes as sets, too.
fn pick<C: Costs>(evaluator: &mut Evaluator<C>, candidates: &[Id]) -> Picks {
    const ROUNDS: usize = 3;
    let mut picks = Picks::default();
    for statement in 0..evaluator.costs.statements() {
        let mut open: Config = candidates
            .iter()
            .copied()
            .filter(|id| evaluator.costs.relevant(statement, *id))
            .collect();
        let alone = evaluator.plan(statement, &[]).cost;
        for round in 0..ROUNDS {
            if open.is_empty() || evaluator.costs.expired() {
                break;
            }
            let planned = evaluator.plan(statement, &open);
            if planned.used.is_empty() || planned.cost >= alone {
                break;
            }
            if round == 0 {
                picks.first.push((statement, planned.used.clone()));
            }
            picks.pool.extend(planned.used.iter().copied());
            if planned.used.len() > 1 {
                picks.sets.insert(planned.used.clone());
            }
            open.retain(|id| !planned.used.contains(id));
        }
    }
    for statement in 0..evaluator.costs.statements() {
        let alone = evaluator.plan(statement, &[]).cost;
        for id in candidates {
            if evaluator.costs.is_single(*id)
                && !picks.pool.contains(id)
                && evaluator.costs.relevant(statement, *id)
                && !evaluator.costs.expired()
                && evaluator.plan(statement, &[*id]).cost < alone
            {
                picks.pool.insert(*id);
            }
        }
    }
    picks
}
