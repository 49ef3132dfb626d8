//! The workload and the indexes that are considered for it, as the search sees them.

mod parts;

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::parts::{code_of, has_code, keys_of};
use super::analysis::shape::{Command, TableUse};
use super::facts::TableFacts;
use super::index::{IndexDefinition, IndexKey, Method};
use super::progress::Progress;
use super::relevance::concerns;
use super::sample::Samples;
use super::search::{Costs, Id, Phase, Planned};
use super::size::SizeEstimate;
use super::sizing;
use super::statement::Statement;
use super::subtransaction::Refusal;
use super::whatif::{Hypothetical, PlanCost, Scenario, WhatIf};
use super::writes::{self, TableWrites, Update, Written};
use crate::security;

/// Indexes considered at most.
const CONSIDERED: usize = 2_000;
/// An index that carries columns is a copy of its rows: at most this share of their size.
const MOST_CARRIED: f64 = 0.5;
/// Time that was measured and cost that was estimated may differ by this factor before it counts
/// as chance.
const MOST_CORRECTION: f64 = 20.0;

pub struct World<'a, W> {
    pub whatif: &'a mut W,
    pub statements: Vec<Statement>,
    /// What each statement costs today.
    pub today: Vec<PlanCost>,
    weights: Vec<f64>,
    pub tables: &'a BTreeMap<u32, TableFacts>,
    writes: BTreeMap<u32, TableWrites>,
    only: Option<BTreeSet<u32>>,
    max_columns: usize,
    /// Columns that are only read may widen an index, too.
    pub covering_keys: bool,
    entries: Vec<Entry>,
    /// With the role that asked for it, as another may be refused less.
    known: HashMap<IndexDefinition, (Role, Option<Id>)>,
    shares: HashMap<(u32, String), f64>,
    samples: Samples,
    progress: Progress,
}

/// Who ran a statement, and with whose rights what stems from it is looked at.
pub type Role = Option<u32>;

struct Entry {
    role: Role,
    definition: IndexDefinition,
    hypothetical: Hypothetical,
    written: Written,
    concerned: Vec<usize>,
}

impl<'a, W: WhatIf> World<'a, W> {
    /// Plans every statement as things are. Statements that cannot be planned do not count.
    pub fn new(
        whatif: &'a mut W,
        statements: Vec<Statement>,
        tables: &'a BTreeMap<u32, TableFacts>,
        only: Option<BTreeSet<u32>>,
        max_columns: usize,
        mut progress: Progress,
    ) -> Self {
        progress.enter(Phase::Workload);
        let mut counted = Vec::with_capacity(statements.len());
        let mut today = Vec::with_capacity(statements.len());
        let all = statements.len();
        for (place, statement) in statements.into_iter().enumerate() {
            progress.tick();
            if place > 0 && progress.is_over() {
                left_out(place, all);
                break;
            }
            progress.plans += 1;
            if let Ok(cost) = whatif.cost(&statement, Scenario::default()) {
                counted.push(statement);
                today.push(cost);
            }
        }
        Self {
            whatif,
            weights: weights(&counted, &today),
            statements: counted,
            today,
            tables,
            writes: BTreeMap::new(),
            only,
            max_columns,
            covering_keys: false,
            entries: Vec::new(),
            known: HashMap::new(),
            shares: HashMap::new(),
            samples: Samples::default(),
            progress,
        }
    }

    /// Takes what is written to the tables: by the statements, and as far as `counted` (rows in the
    /// same period) says more.
    pub fn count_writes(&mut self, counted: &BTreeMap<u32, TableWrites>) {
        let mut writes: BTreeMap<u32, TableWrites> = BTreeMap::new();
        for (oid, table) in self.tables {
            let counted = counted.get(oid);
            writes.insert(
                *oid,
                TableWrites {
                    rows: table.rows,
                    heap_only: counted.map_or(0.5, |counted| counted.heap_only),
                    indexes: table.indexes.len() as f64,
                    indexed: table
                        .indexes
                        .iter()
                        .flat_map(|index| writes::columns_of(&index.definition, names_of(table)))
                        .collect(),
                    ..TableWrites::default()
                },
            );
        }
        for (statement, cost) in self.statements.iter().zip(&self.today) {
            let Some(written) = &statement.shape.written else {
                continue;
            };
            let Some(table) = writes.get_mut(&written.relation) else {
                continue;
            };
            let rows = statement.calls * cost.rows;
            match statement.shape.command {
                Command::Insert => table.inserted += rows,
                Command::Delete => table.deleted += rows,
                Command::Select => {}
                Command::Update | Command::Merge => table.updates.push(Update {
                    columns: written.columns.clone(),
                    rows,
                }),
            }
        }
        for (oid, table) in &mut writes {
            let Some(counted) = counted.get(oid) else {
                continue;
            };
            let known: f64 = table.updates.iter().map(|update| update.rows).sum();
            table.inserted = table.inserted.max(counted.inserted);
            table.deleted = table.deleted.max(counted.deleted);
            table.updated = (counted.updated - known).max(0.0);
        }
        self.writes = writes;
    }

    /// Considers an index for a statement that `role` ran. `None` if there is one like it, or it
    /// cannot be.
    ///
    /// The planner is asked about it with the rights of `role`, as its expressions and predicate are
    /// that role's code. In plans of others it is only compared with what these ask for themselves.
    pub fn consider(&mut self, definition: IndexDefinition, role: Role) -> Option<Id> {
        let definition = definition.normalised();
        if let Some((asked, known)) = self.known.get(&definition)
            && (known.is_some() || *asked == role)
        {
            return *known;
        }
        let oid = role.map(pg_sys::Oid::from);
        let entry = security::on_behalf_of(oid, || self.entry(&definition, role));
        let id = entry.map(|entry| {
            self.entries.push(entry);
            self.entries.len() - 1
        });
        self.known.insert(definition, (role, id));
        id
    }

    /// Considers an index made of another one and something that `role` wants.
    fn consider_with(&mut self, definition: IndexDefinition, from: Id, role: Role) -> Option<Id> {
        let source = &self.entries[from];
        if source.role == role || !has_code(&definition) {
            self.consider(definition, role)
        } else if !has_code(&source.definition) {
            // The code is the other's, and columns can be anybody's.
            self.consider(definition, role)
        } else if code_of(&source.definition) == code_of(&definition) {
            let role = source.role;
            self.consider(definition, role)
        } else {
            None
        }
    }

    fn entry(&mut self, definition: &IndexDefinition, role: Role) -> Option<Entry> {
        let relation = definition.relation.oid;
        let table = self.tables.get(&relation)?;
        let allowed = self
            .only
            .as_ref()
            .is_none_or(|only| only.contains(&relation));
        if !allowed
            || self.entries.len() >= CONSIDERED
            || definition.keys.len() > self.max_columns
            || table.has(definition)
        {
            return None;
        }
        let planned = self.share(definition).ok()?;
        let seen = self.samples.seen(definition, table);
        let share = sizing::share(planned, seen.as_ref());
        let size = sizing::estimate(definition, table, share, seen.as_ref());
        if !definition.include.is_empty() && size.pages as f64 > MOST_CARRIED * table.pages * share
        {
            return None;
        }
        let hypothetical = self.whatif.create(definition, size).ok()?;
        let written = Written::new(definition, share, names_of(table));
        let concerned = (0..self.statements.len())
            .filter(|statement| {
                concerns(
                    &self.statements[*statement].shape,
                    definition,
                    &written.columns,
                )
            })
            .collect();
        Some(Entry {
            role,
            definition: definition.clone(),
            hypothetical,
            written,
            concerned,
        })
    }

    /// Share of the table's rows that are in the index, as the planner estimates it.
    fn share(&mut self, definition: &IndexDefinition) -> Result<f64, Refusal> {
        let Some(predicate) = &definition.predicate else {
            return Ok(1.0);
        };
        let key = (definition.relation.oid, predicate.clone());
        if let Some(share) = self.shares.get(&key) {
            return Ok(*share);
        }
        let share = share(self.whatif, definition)?;
        self.shares.insert(key, share);
        Ok(share)
    }

    /// [`Self::share`], of an index for a statement that `role` ran.
    pub fn share_for(&mut self, definition: &IndexDefinition, role: Role) -> Result<f64, Refusal> {
        security::on_behalf_of(role.map(pg_sys::Oid::from), || self.share(definition))
    }

    /// Whether the keys of one index could be all that is read.
    fn could_hold(&self, table_use: &TableUse) -> bool {
        !table_use.whole_row && table_use.columns.len() <= self.max_columns
    }

    pub fn definition(&self, id: Id) -> &IndexDefinition {
        &self.entries[id].definition
    }

    pub fn size(&self, id: Id) -> SizeEstimate {
        self.entries[id].hypothetical.size
    }

    /// What a statement costs with these indexes, all ways of planning it apart.
    pub fn detail(&mut self, statement: usize, config: &[Id]) -> Result<PlanCost, Refusal> {
        let there: Vec<Hypothetical> = config
            .iter()
            .map(|id| self.entries[*id].hypothetical)
            .collect();
        let scenario = Scenario {
            there: &there,
            gone: &[],
        };
        self.whatif.cost(&self.statements[statement], scenario)
    }

    /// How long each phase took.
    pub fn phases(&self) -> String {
        self.progress.phases()
    }

    pub fn id_of(&self, oid: u32, config: &[Id]) -> Option<Id> {
        config
            .iter()
            .copied()
            .find(|id| self.entries[*id].hypothetical.oid == oid)
    }

    /// What an index that is not among those considered would cost writers.
    pub fn write_cost_of(&self, definition: &IndexDefinition, share: f64) -> f64 {
        let relation = definition.relation.oid;
        match (self.tables.get(&relation), self.writes.get(&relation)) {
            (Some(table), Some(writes)) => {
                let written = Written::new(definition, share, names_of(table));
                writes::cost(writes, &[&written])
            }
            _ => 0.0,
        }
    }
}

/// Says that time was too short to plan every statement once.
fn left_out(planned: usize, all: usize) {
    ereport!(
        PgLogLevel::NOTICE,
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        format!(
            "advice is for the first {planned} of {all} statements: time_limit is too short for all"
        )
    );
}

/// Share of its table's rows that satisfy the predicate of an index, as the planner estimates it.
pub fn share(whatif: &mut impl WhatIf, definition: &IndexDefinition) -> Result<f64, Refusal> {
    let Some(predicate) = &definition.predicate else {
        return Ok(1.0);
    };
    let table = definition.relation.qualified();
    let all = whatif.rows(&format!("SELECT FROM {table}"))?;
    let some = whatif.rows(&format!("SELECT FROM {table} WHERE {predicate}"))?;
    Ok((some / all.max(1.0)).clamp(0.0, 1.0))
}

/// How often each statement counts. Where time was measured, a statement counts as often as its
/// time says, in the unit of all estimated costs together.
fn weights(statements: &[Statement], today: &[PlanCost]) -> Vec<f64> {
    let mut time = 0.0;
    let mut cost = 0.0;
    for (statement, plan) in statements.iter().zip(today) {
        if let Some(measured) = statement.total_time_ms {
            time += measured;
            cost += statement.calls * plan.cost;
        }
    }
    statements
        .iter()
        .zip(today)
        .map(|(statement, plan)| {
            let estimated = statement.calls * plan.cost;
            let correction = match statement.total_time_ms {
                Some(measured) if time > 0.0 && cost > 0.0 && estimated > 0.0 => {
                    ((measured / time) / (estimated / cost))
                        .clamp(1.0 / MOST_CORRECTION, MOST_CORRECTION)
                }
                _ => 1.0,
            };
            statement.calls * correction
        })
        .collect()
}

fn names_of(table: &TableFacts) -> impl Iterator<Item = String> {
    table.columns.iter().map(|column| column.name.clone())
}

impl<W: WhatIf> Costs for World<'_, W> {
    fn statements(&self) -> usize {
        self.statements.len()
    }

    fn weight(&self, statement: usize) -> f64 {
        self.weights[statement]
    }

    fn concerned(&self, index: Id) -> &[usize] {
        &self.entries[index].concerned
    }

    fn plan(&mut self, statement: usize, config: &[Id]) -> Planned {
        let today = self.today[statement].cost;
        if config.is_empty() {
            return Planned {
                cost: today,
                used: Vec::new(),
            };
        }
        self.progress.plans += 1;
        match self.detail(statement, config) {
            Ok(plan) => {
                let mut used: Vec<Id> = plan
                    .used
                    .iter()
                    .filter_map(|oid| self.id_of(*oid, config))
                    .collect();
                used.sort_unstable();
                Planned {
                    cost: plan.cost,
                    used,
                }
            }
            // What cannot be planned is not what to advise for.
            Err(_) => Planned {
                cost: today,
                used: Vec::new(),
            },
        }
    }

    fn bytes(&self, index: Id) -> u64 {
        self.size(index).bytes()
    }

    fn write_cost(&self, config: &[Id]) -> f64 {
        let mut by_table: BTreeMap<u32, Vec<&Written>> = BTreeMap::new();
        for id in config {
            let entry = &self.entries[*id];
            by_table
                .entry(entry.definition.relation.oid)
                .or_default()
                .push(&entry.written);
        }
        by_table
            .iter()
            .filter_map(|(oid, indexes)| Some(writes::cost(self.writes.get(oid)?, indexes)))
            .sum()
    }

    fn same_table(&self, left: Id, right: Id) -> bool {
        self.definition(left).relation.oid == self.definition(right).relation.oid
    }

    fn is_single(&self, index: Id) -> bool {
        let definition = self.definition(index);
        definition.keys.len() == 1
            && definition.include.is_empty()
            && definition.predicate.is_none()
    }

    fn extensions(&mut self, index: Id) -> Vec<Id> {
        let definition = self.definition(index).clone();
        if definition.method != Method::Btree || definition.keys.len() >= self.max_columns {
            return Vec::new();
        }
        let mut keys: BTreeSet<(IndexKey, Role)> = BTreeSet::new();
        for statement in &self.entries[index].concerned {
            let Statement { role, shape, .. } = &self.statements[*statement];
            for table_use in &shape.uses {
                if table_use.relation == definition.relation.oid {
                    let mut found = keys_of(table_use);
                    if self.covering_keys && self.could_hold(table_use) {
                        found.extend(table_use.columns.iter().map(IndexKey::column));
                    }
                    keys.extend(found.into_iter().map(|key| (key, *role)));
                }
            }
        }
        keys.into_iter()
            .filter(|(key, _)| {
                definition
                    .keys
                    .iter()
                    .all(|there| there.expression != key.expression)
            })
            .filter_map(|(key, role)| {
                let mut wider = definition.clone();
                wider.keys.push(key);
                self.consider_with(wider, index, role)
            })
            .collect::<BTreeSet<Id>>()
            .into_iter()
            .collect()
    }

    fn reductions(&mut self, index: Id) -> Vec<Id> {
        let definition = self.definition(index).clone();
        let role = self.entries[index].role;
        let mut narrower = Vec::new();
        if !definition.include.is_empty() {
            narrower.push(IndexDefinition {
                include: Vec::new(),
                ..definition.clone()
            });
        }
        if definition.keys.len() > 1 && definition.method == Method::Btree {
            let mut shorter = definition.clone();
            shorter.keys.pop();
            narrower.push(shorter);
        }
        narrower
            .into_iter()
            .filter_map(|definition| self.consider(definition, role))
            .collect()
    }

    fn merged(&mut self, left: Id, right: Id) -> Option<Id> {
        let mut both = self.definition(left).clone();
        let other = self.definition(right).clone();
        if both.method != Method::Btree
            || other.method != Method::Btree
            || both.relation.oid != other.relation.oid
            || both.predicate != other.predicate
        {
            return None;
        }
        both.keys.extend(other.keys);
        both.include.extend(other.include);
        self.consider_with(both, left, self.entries[right].role)
    }

    fn reads_once(&self, statement: usize) -> bool {
        self.statements[statement].shape.uses.len() == 1
    }

    fn enter(&mut self, phase: Phase) {
        self.progress.enter(phase);
    }

    fn expired(&mut self) -> bool {
        self.progress.tick();
        self.progress.is_over()
    }
}
