//! Indexes that the planner cannot be asked about: inverted ones. They are advised by rule, and no
//! figure is invented for them.

use super::candidates::Candidate;
use super::search::{Costs, Evaluator, Id, Limits};
use super::sizing;
use super::whatif::WhatIf;
use super::world::World;

/// A table smaller than this, in pages, is read as fast as its index.
const SMALL_TABLE: f64 = 64.0;
/// Conditions that leave more of the table's rows are not worth an inverted index.
const MOST_SELECTED: f64 = 0.1;
/// Of what a statement costs today, what it must still cost with the other indexes.
const STILL: f64 = 0.3;
/// Of what a statement still costs, what an index is taken to save.
const SAVES: f64 = 0.5;

pub struct Ruled {
    pub candidate: Candidate,
    /// Statements, and what each costs today.
    pub statements: Vec<(usize, f64)>,
    pub bytes: u64,
    pub write_cost: f64,
}

/// The candidates that statements need for which the costed indexes, `config`, do not do enough,
/// within the bytes that are left.
pub fn choose<W: WhatIf>(
    search: &mut Evaluator<World<W>>,
    config: &[Id],
    candidates: &[(Candidate, Vec<usize>)],
    left: &mut Option<u64>,
) -> Vec<Ruled> {
    let limits = Limits::default();
    let whole = search.objective(config);
    let mut chosen: Vec<(f64, Ruled)> = Vec::new();
    for (candidate, wanted) in candidates {
        let definition = &candidate.definition;
        let Some(table) = search.costs.tables.get(&definition.relation.oid) else {
            continue;
        };
        if table.pages < SMALL_TABLE || candidate.reason.selectivity > MOST_SELECTED {
            continue;
        }
        let mut statements = Vec::new();
        let mut benefit = 0.0;
        for statement in wanted {
            let today = search.costs.today[*statement].cost;
            let still = search.plan(*statement, config).cost;
            if still >= STILL * today && SAVES * still >= limits.least_saving {
                statements.push((*statement, today));
                benefit += SAVES * still * search.costs.weight(*statement);
            }
        }
        // An index whose predicate the planner cannot judge has all rows.
        let role = search.costs.statements[wanted[0]].role;
        let share = search.costs.share_for(definition, role);
        let share = share.unwrap_or(1.0);
        let write_cost = search.costs.write_cost_of(definition, share);
        let bytes = sizing::estimate(definition, table, share, None).bytes();
        if statements.is_empty()
            || benefit < limits.least_share_of_one * whole
            || benefit <= write_cost
        {
            continue;
        }
        chosen.push((
            benefit / bytes.max(1) as f64,
            Ruled {
                candidate: candidate.clone(),
                statements,
                bytes,
                write_cost,
            },
        ));
    }
    chosen.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    chosen
        .into_iter()
        .map(|(_, ruled)| ruled)
        .filter(|ruled| match left {
            Some(bytes) if ruled.bytes > *bytes => false,
            Some(bytes) => {
                *bytes -= ruled.bytes;
                true
            }
            None => true,
        })
        .collect()
}
