//! A world small enough to know the best choice: a table, conditions on columns, B-trees.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::iter;

use super::*;

/// A statement: columns compared for equality, and what a scan of the table costs.
pub struct Ask {
    pub columns: Vec<u8>,
    /// What it compares when it is planned another way, as often.
    pub otherwise: Option<Vec<u8>>,
    pub weight: f64,
}

pub struct Fake {
    pub asks: Vec<Ask>,
    pub indexes: Vec<Vec<u8>>,
    concerned: Vec<Vec<usize>>,
    /// Rows written for each row read.
    pub writes: f64,
    pub plans: Cell<u64>,
    pub patience: Cell<u64>,
}

pub const SCAN: f64 = 10_000.0;

impl Fake {
    pub fn new(asks: &[(&[u8], f64)]) -> Self {
        Self {
            asks: asks
                .iter()
                .map(|(columns, weight)| Ask {
                    columns: columns.to_vec(),
                    otherwise: None,
                    weight: *weight,
                })
                .collect(),
            indexes: Vec::new(),
            concerned: Vec::new(),
            writes: 0.0,
            plans: Cell::new(0),
            patience: Cell::new(u64::MAX),
        }
    }

    pub fn id(&mut self, columns: &[u8]) -> Id {
        self.indexes
            .iter()
            .position(|index| index == columns)
            .unwrap_or_else(|| {
                self.indexes.push(columns.to_vec());
                let asks = self.asks.iter().enumerate();
                self.concerned.push(
                    asks.filter(|(_, ask)| {
                        let mut ways = iter::once(&ask.columns).chain(&ask.otherwise);
                        ways.any(|asked| asked.contains(&columns[0]))
                    })
                    .map(|(statement, _)| statement)
                    .collect(),
                );
                self.indexes.len() - 1
            })
    }

    /// Every column alone, and every statement's columns together.
    pub fn candidates(&mut self) -> Vec<Id> {
        let asks: Vec<Vec<u8>> = self
            .asks
            .iter()
            .flat_map(|ask| iter::once(&ask.columns).chain(&ask.otherwise))
            .cloned()
            .collect();
        let mut ids = BTreeSet::new();
        for columns in asks {
            for column in &columns {
                ids.insert(self.id(&[*column]));
            }
            ids.insert(self.id(&columns));
        }
        ids.into_iter().collect()
    }

    /// Each equality leaves a hundredth; column 9 alone leaves everything.
    fn cost(&self, asked: &[u8], index: &[u8]) -> f64 {
        let matching = index
            .iter()
            .take_while(|column| asked.contains(column))
            .count();
        if matching == 0 || index == [9] {
            return SCAN;
        }
        (SCAN / 100f64.powi(matching as i32)).max(5.0)
    }
}

impl Costs for Fake {
    fn statements(&self) -> usize {
        self.asks.len()
    }

    fn weight(&self, statement: usize) -> f64 {
        self.asks[statement].weight
    }

    fn concerned(&self, index: Id) -> &[usize] {
        &self.concerned[index]
    }

    fn plan(&mut self, statement: usize, config: &[Id]) -> Planned {
        self.plans.set(self.plans.get() + 1);
        let ask = &self.asks[statement];
        let best = |asked: &[u8]| {
            let costs = config
                .iter()
                .map(|id| (self.cost(asked, &self.indexes[*id]), *id));
            costs
                .filter(|(cost, _)| *cost < SCAN)
                .min_by(|(a, _), (b, _)| a.total_cmp(b))
        };
        let ways: Vec<_> = iter::once(&ask.columns)
            .chain(&ask.otherwise)
            .map(|asked| best(asked))
            .collect();
        let used: BTreeSet<Id> = ways.iter().flatten().map(|(_, id)| *id).collect();
        Planned {
            cost: ways
                .iter()
                .map(|way| way.map_or(SCAN, |(cost, _)| cost))
                .sum::<f64>()
                / ways.len() as f64,
            used: used.into_iter().collect(),
        }
    }

    fn bytes(&self, index: Id) -> u64 {
        100 + 20 * self.indexes[index].len() as u64
    }

    fn write_cost(&self, config: &[Id]) -> f64 {
        self.writes * config.len() as f64
    }

    fn same_table(&self, _left: Id, _right: Id) -> bool {
        true
    }

    fn is_single(&self, index: Id) -> bool {
        self.indexes[index].len() == 1
    }

    fn extensions(&mut self, index: Id) -> Vec<Id> {
        let columns: BTreeSet<u8> = self
            .asks
            .iter()
            .flat_map(|ask| ask.columns.clone())
            .collect();
        let index = self.indexes[index].clone();
        columns
            .into_iter()
            .filter(|column| !index.contains(column) && index.len() < 3)
            .map(|column| {
                let mut wider = index.clone();
                wider.push(column);
                self.id(&wider)
            })
            .collect()
    }

    fn reductions(&mut self, index: Id) -> Vec<Id> {
        let mut index = self.indexes[index].clone();
        index.pop();
        if index.is_empty() {
            return vec![];
        }
        vec![self.id(&index)]
    }

    fn merged(&mut self, left: Id, right: Id) -> Option<Id> {
        let mut both = self.indexes[left].clone();
        let right = self.indexes[right].clone();
        both.extend(
            right
                .into_iter()
                .filter(|c| !self.indexes[left].contains(c)),
        );
        (both.len() <= 3).then(|| self.id(&both))
    }

    fn reads_once(&self, _statement: usize) -> bool {
        true
    }

    fn enter(&mut self, _phase: Phase) {}

    fn expired(&mut self) -> bool {
        let left = self.patience.get();
        self.patience.set(left.saturating_sub(1));
        left == 0
    }
}

fn run(world: Fake, limits: &Limits) -> (Vec<Vec<u8>>, Chosen, Evaluator<Fake>) {
    let mut evaluator = Evaluator::new(world);
    let candidates = evaluator.costs.candidates();
    let chosen = choose(&mut evaluator, &candidates, limits);
    let indexes = chosen
        .order
        .iter()
        .map(|id| evaluator.costs.indexes[*id].clone())
        .collect();
    (indexes, chosen, evaluator)
}

#[test]
fn one_statement_gets_the_index_of_its_columns() {
    let (indexes, chosen, _) = run(Fake::new(&[(&[1, 2], 1.0)]), &Limits::default());
    assert_eq!(indexes.len(), 1);
    assert_eq!(indexes[0].len(), 2);
    assert!(chosen.objective_after < 10.0);
}

#[test]
fn a_composite_whose_first_column_does_not_help_alone() {
    let (indexes, chosen, _) = run(Fake::new(&[(&[9, 4], 1.0)]), &Limits::default());
    assert_eq!(indexes.len(), 1);
    assert!(chosen.objective_after < 10.0);
}

#[test]
fn nothing_for_a_table_that_is_only_written() {
    let mut world = Fake::new(&[]);
    world.writes = 100.0;
    let (indexes, ..) = run(world, &Limits::default());
    assert!(indexes.is_empty());
}

#[test]
fn nothing_where_writes_cost_more_than_reads_save() {
    let mut world = Fake::new(&[(&[1], 1.0)]);
    world.writes = SCAN;
    let (indexes, ..) = run(world, &Limits::default());
    assert!(indexes.is_empty());
}

#[test]
fn a_budget_is_kept_and_zero_means_nothing() {
    let asks: &[(&[u8], f64)] = &[(&[1], 5.0), (&[2], 3.0), (&[3], 1.0)];
    for budget in [0, 100, 130, 250, 300, 1000] {
        let limits = Limits {
            budget: Some(budget),
            ..Limits::default()
        };
        let (indexes, chosen, evaluator) = run(Fake::new(asks), &limits);
        let bytes: u64 = chosen
            .order
            .iter()
            .map(|id| evaluator.costs.bytes(*id))
            .sum();
        assert!(bytes <= budget);
        assert!(chosen.objective_after <= chosen.objective_extend);
        assert_eq!(indexes.len() as u64, (budget / 120).min(3));
    }
}

#[test]
fn under_every_budget_no_worse_than_extend() {
    let asks: &[(&[u8], f64)] = &[
        (&[1, 2], 4.0),
        (&[1, 3], 4.0),
        (&[9, 4], 9.0),
        (&[2], 1.0),
        (&[5, 6, 7], 2.0),
        (&[6], 0.5),
    ];
    for budget in (0..1200).step_by(40) {
        let limits = Limits {
            budget: Some(budget),
            least_share: 0.0,
            least_share_of_one: 0.0,
            ..Limits::default()
        };
        let (_, chosen, _) = run(Fake::new(asks), &limits);
        assert!(
            chosen.objective_after <= chosen.objective_extend + 1e-6,
            "{budget}"
        );
    }
}

#[test]
fn what_saves_little_is_not_said() {
    let (indexes, ..) = run(
        Fake::new(&[(&[1], 10_000.0), (&[2], 0.01)]),
        &Limits::default(),
    );
    assert_eq!(indexes, [[1]]);
}

#[test]
fn one_index_where_two_ways_of_planning_would_have_one_each() {
    let mut world = Fake::new(&[(&[1, 2], 1.0), (&[5], 1.0)]);
    world.asks[0].otherwise = Some(vec![1, 3]);
    let (indexes, ..) = run(world, &Limits::default());
    assert_eq!(indexes.len(), 2, "{indexes:?}");
    // where the other way needs one of its own, there are both
    let mut world = Fake::new(&[(&[1, 2], 1.0)]);
    world.asks[0].otherwise = Some(vec![3, 4]);
    let (indexes, ..) = run(world, &Limits::default());
    assert_eq!(indexes.len(), 2, "{indexes:?}");
}

#[test]
fn no_index_gains_more_than_it_promises() {
    let mut evaluator = Evaluator::new(Fake::new(&[
        (&[1, 2], 4.0),
        (&[1, 3], 2.0),
        (&[5, 6, 7], 2.0),
        (&[6], 0.5),
    ]));
    let candidates = evaluator.costs.candidates();
    for statement in 0..4 {
        evaluator.plan(statement, &candidates);
    }
    let wider = evaluator.costs.extensions(candidates[0]);
    let mut useless = 0;
    for config in [
        vec![],
        vec![candidates[0]],
        vec![candidates[1], candidates[2]],
    ] {
        for id in candidates.iter().chain(&wider) {
            let mut step = config.clone();
            step.push(*id);
            step.sort_unstable();
            step.dedup();
            let promise = evaluator.promise(&config, &[*id]);
            let gain = evaluator.gain(&config, &step);
            assert!(gain <= promise + 1e-9, "{config:?} {id}: {gain} {promise}");
            useless += usize::from(evaluator.promise(&config, &[*id]) <= 0.0);
        }
    }
    // where a better one is there already, nothing need be planned to know it
    assert!(useless > 0);
}

#[test]
fn what_is_left_of_a_budget_is_used() {
    // Saves too little to be said where there is no budget.
    let asks: &[(&[u8], f64)] = &[(&[1], 10_000.0), (&[2], 0.05)];
    let within = |budget| {
        let limits = Limits {
            budget,
            ..Limits::default()
        };
        run(Fake::new(asks), &limits).0
    };
    assert_eq!(within(None), [[1]]);
    assert_eq!(within(Some(300)), [[1], [2]]);
}

#[test]
fn most_questions_are_answered_from_memory() {
    let (.., evaluator) = run(
        Fake::new(&[
            (&[1, 2], 1.0),
            (&[3, 4], 1.0),
            (&[5, 6], 1.0),
            (&[1, 6], 1.0),
        ]),
        &Limits::default(),
    );
    assert!(
        evaluator.counts.hit_percent() > 60.0,
        "{:?}",
        evaluator.counts
    );
    let planned = evaluator.counts.asked - evaluator.counts.answered;
    assert_eq!(planned, evaluator.costs.plans.get());
}

#[test]
fn time_that_is_up_ends_the_search_with_what_there_is() {
    let world = Fake::new(&[(&[1, 2], 1.0), (&[3, 4], 1.0)]);
    world.patience.set(0);
    let (indexes, ..) = run(world, &Limits::default());
    assert!(indexes.is_empty());
}
