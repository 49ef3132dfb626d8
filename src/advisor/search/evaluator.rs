//! Costs of statements and of the whole workload, with everything remembered that was planned.

use std::collections::{BTreeSet, HashMap};

use super::{Config, Costs, Id, Limits, Planned};

/// Plans that are remembered at most.
const CAPACITY: usize = 200_000;
/// Of a statement, the latest plans that may stand for others.
const RECENT: usize = 24;
/// An index that a statement was never planned with may make it this much cheaper than anything
/// that was tried.
const UNSEEN: f64 = 0.5;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CacheCounts {
    pub asked: u64,
    pub answered: u64,
}

impl CacheCounts {
    /// Percent that needed no planning.
    pub fn hit_percent(&self) -> f64 {
        if self.asked == 0 {
            return 0.0;
        }
        100.0 * self.answered as f64 / self.asked as f64
    }
}

pub struct Evaluator<C> {
    pub costs: C,
    pub counts: CacheCounts,
    known: HashMap<(usize, Config), Planned>,
    recent: Vec<Vec<(Config, Planned)>>,
    /// The least that each statement was seen to cost.
    floors: Vec<f64>,
    /// The least that a statement was seen to cost with an index that its plan used, or that was
    /// alone.
    lowest: HashMap<(usize, Id), f64>,
}

impl<C: Costs> Evaluator<C> {
    pub fn new(costs: C) -> Self {
        let statements = costs.statements();
        Self {
            costs,
            counts: CacheCounts::default(),
            known: HashMap::new(),
            recent: vec![Vec::new(); statements],
            floors: vec![f64::INFINITY; statements],
            lowest: HashMap::new(),
        }
    }

    /// Of the indexes given, only those that could matter to the statement are looked at.
    pub fn plan(&mut self, statement: usize, config: &[Id]) -> Planned {
        let relevant: Config = config
            .iter()
            .copied()
            .filter(|id| self.costs.relevant(statement, *id))
            .collect();
        self.counts.asked += 1;
        let key = (statement, relevant);
        if let Some(planned) = self.known.get(&key) {
            self.counts.answered += 1;
            return planned.clone();
        }
        // A plan made with more indexes, that uses only what is there, is the best here too; so is
        // one made with less that was no worse than the best with more.
        let same = self.recent[statement]
            .iter()
            .find(|(wider, planned)| is_subset(&key.1, wider) && is_subset(&planned.used, &key.1))
            .map(|(_, planned)| planned.clone());
        let planned = match same {
            Some(planned) => {
                self.counts.answered += 1;
                planned
            }
            None => {
                let planned = self.costs.plan(statement, &key.1);
                let recent = &mut self.recent[statement];
                if recent.len() == RECENT {
                    recent.remove(0);
                }
                recent.push((key.1.clone(), planned.clone()));
                self.learn(statement, &key.1, &planned);
                planned
            }
        };
        if self.known.len() >= CAPACITY {
            self.known.clear();
        }
        self.known.insert(key, planned.clone());
        planned
    }

    fn learn(&mut self, statement: usize, config: &[Id], planned: &Planned) {
        let cost = planned.cost;
        self.floors[statement] = self.floors[statement].min(cost);
        let alone = if config.len() == 1 { config } else { &[] };
        for id in planned.used.iter().chain(alone) {
            let lowest = self.lowest.entry((statement, *id)).or_insert(cost);
            *lowest = lowest.min(cost);
        }
    }

    /// What the statement may come to cost once the index is there, at best: for one that reads
    /// one table, what it was seen to cost with it.
    fn at_best(&self, statement: usize, id: Id) -> f64 {
        let floor = self.floors[statement];
        let seen = self.lowest.get(&(statement, id));
        match seen {
            Some(cost) if self.costs.reads_once(statement) => *cost,
            Some(_) => floor,
            None => UNSEEN * floor,
        }
    }

    /// What adding the indexes can gain at most, as far as is known without planning anything with
    /// them.
    pub fn promise(&mut self, config: &[Id], added: &[Id]) -> f64 {
        let mut gain = 0.0;
        for statement in self.concerned(added) {
            let now = self.plan(statement, config).cost;
            let best = added
                .iter()
                .filter(|id| self.costs.relevant(statement, **id))
                .map(|id| self.at_best(statement, *id))
                .fold(f64::INFINITY, f64::min);
            // Several may do together what none does alone.
            let best = if added.len() > 1 {
                best.min(self.floors[statement])
            } else {
                best
            };
            gain += self.costs.weight(statement) * (now - best).max(0.0);
        }
        gain
    }

    /// Weighted cost of all statements, writes included.
    pub fn objective(&mut self, config: &[Id]) -> f64 {
        let queries: f64 = (0..self.costs.statements())
            .map(|statement| self.costs.weight(statement) * self.plan(statement, config).cost)
            .sum();
        queries + self.costs.write_cost(config)
    }

    /// How much less `after` costs than `before`. Looks at the statements only that can tell
    /// them apart.
    pub fn gain(&mut self, before: &[Id], after: &[Id]) -> f64 {
        let differing: Config = before
            .iter()
            .filter(|id| !after.contains(id))
            .chain(after.iter().filter(|id| !before.contains(id)))
            .copied()
            .collect();
        let mut gain = self.costs.write_cost(before) - self.costs.write_cost(after);
        for statement in self.concerned(&differing) {
            let cost = self.plan(statement, before).cost - self.plan(statement, after).cost;
            gain += self.costs.weight(statement) * cost;
        }
        gain
    }

    /// The statements in whose plans one of the indexes could be.
    pub fn concerned(&self, config: &[Id]) -> BTreeSet<usize> {
        config
            .iter()
            .flat_map(|id| self.costs.concerned(*id))
            .copied()
            .collect()
    }

    pub fn bytes(&self, config: &[Id]) -> u64 {
        config.iter().map(|id| self.costs.bytes(*id)).sum()
    }

    /// Whether it fits the budget, and no statement becomes too much worse.
    pub fn allowed(&mut self, config: &[Id], limits: &Limits) -> bool {
        if limits
            .budget
            .is_some_and(|budget| self.bytes(config) > budget)
        {
            return false;
        }
        self.concerned(config).into_iter().all(|statement| {
            let now = self.plan(statement, &[]).cost;
            self.plan(statement, config).cost <= now * limits.worst
        })
    }
}

/// Both ascending.
fn is_subset(part: &[Id], whole: &[Id]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|id| rest.any(|other| other == id))
}

/// The index added, ascending.
pub fn with(config: &[Id], id: Id) -> Config {
    let mut wider = config.to_vec();
    if let Err(place) = wider.binary_search(&id) {
        wider.insert(place, id);
    }
    wider
}

pub fn without(config: &[Id], id: Id) -> Config {
    config
        .iter()
        .copied()
        .filter(|other| *other != id)
        .collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn subsets_of_ascending_lists() {
        assert!(is_subset(&[], &[1]));
        assert!(is_subset(&[1, 3], &[1, 2, 3]));
        assert!(!is_subset(&[1, 4], &[1, 2, 3]));
        assert!(!is_subset(&[1], &[]));
    }

    #[test]
    fn configurations_stay_ascending_and_without_doubles() {
        assert_eq!(with(&[1, 5], 3), [1, 3, 5]);
        assert_eq!(with(&[1, 5], 5), [1, 5]);
        assert_eq!(without(&[1, 3, 5], 3), [1, 5]);
    }
}
