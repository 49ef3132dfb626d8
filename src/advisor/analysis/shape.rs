//! What a statement asks of each table, as far as an index could help. Free of PostgreSQL's types.

use std::collections::BTreeSet;

use super::super::index::{IndexKey, KeyExpression};

/// One entry for each place where the statement reads a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryShape {
    pub command: Command,
    pub uses: Vec<TableUse>,
    /// The table that it writes, and the columns that an UPDATE sets.
    pub written: Option<Written>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Command {
    #[default]
    Select,
    Insert,
    Update,
    Delete,
    Merge,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub relation: u32,
    pub columns: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableUse {
    pub relation: u32,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// Of each list, one arm must hold: what OR joins.
    pub alternatives: Vec<Vec<Vec<Condition>>>,
    /// The order wanted of the result, as far as this table alone can give it.
    pub order: Vec<SortKey>,
    /// This order is all that the result needs: a LIMIT can stop early.
    pub order_is_whole: bool,
    /// Only the first rows are wanted.
    pub limited: bool,
    /// Keys of GROUP BY or DISTINCT, all of this table.
    pub groups: Vec<Key>,
    /// Columns that the statement reads of this table.
    pub columns: BTreeSet<String>,
    /// System columns or the whole row are read, which no index holds.
    pub whole_row: bool,
    /// Rows that all conditions together leave, estimated.
    pub rows: f64,
    /// Parameters that switch a condition off when they are NULL: `$1 IS NULL OR a = $1`.
    pub optional: Vec<usize>,
    /// Parameters that are the LIMIT and the OFFSET.
    pub limit_parameter: Option<usize>,
    pub offset_parameter: Option<usize>,
}

/// An expression over one table's columns that could be a key of an index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub expression: KeyExpression,
    /// Type OID, domains replaced by their base type.
    pub type_oid: u32,
    /// The collation that the condition compares with, as SQL names it, when it is not the one
    /// that the index would have by itself.
    pub collation: Option<String>,
    /// Columns that it reads.
    pub columns: Vec<String>,
}

impl Key {
    /// As an index has it.
    pub fn in_index(&self) -> IndexKey {
        let mut key = match &self.expression {
            KeyExpression::Column(name) => IndexKey::column(name),
            KeyExpression::Expression(sql) => IndexKey::expression(sql),
        };
        key.collation.clone_from(&self.collation);
        key
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    pub key: Key,
    pub descending: bool,
    pub nulls_first: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The key that is tested; `None`: no index key can help, but a predicate may.
    pub key: Option<Key>,
    pub test: Test,
    pub value: Value,
    /// Share of the table's rows for which it holds, estimated by the planner; 0 to 1.
    pub selectivity: f64,
    /// The whole condition as SQL, when it depends on this table's row alone and an index may
    /// have it as its predicate.
    pub predicate: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `=`, or a boolean column.
    Equal,
    /// IN and = ANY.
    AnyOf,
    IsNull,
    IsNotNull,
    /// `<`, `<=`
    Below,
    /// `>`, `>=`
    Above,
    NotEqual,
    /// LIKE 'x%': a range only for an index of the pattern operator class, unless the collation is C.
    Prefix {
        needs_pattern_class: bool,
    },
    /// LIKE and ILIKE with a pattern that begins with a wildcard or is not known, regular
    /// expressions, similarity: what trigrams answer.
    Trigram,
    /// An operator of another access method's operator class.
    Special {
        method: super::super::index::Method,
        /// Schema-qualified; `None`: the default of the type.
        opclass: Option<String>,
    },
    Other,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Constant,
    /// $n; the operand is exactly this parameter.
    Parameter(usize),
    /// A list of parameters: IN ($1, $2).
    Parameters(Vec<usize>),
    /// Columns of other tables in the same query: table OID and column, where it is one column.
    Join(Option<(u32, String)>),
    /// Known when the statement runs: now() - $1, the result of a sub-query.
    Later,
}

impl TableUse {
    /// Conditions that hold for every row, and those of arms.
    pub fn every_condition(&self) -> impl Iterator<Item = &Condition> {
        self.conditions
            .iter()
            .chain(self.alternatives.iter().flatten().flatten())
    }

    /// Leaves only those predicates that the statement's own text has.
    pub fn forget_constants(&mut self, of_the_text: &[Self]) {
        let known = |predicate: &Option<String>| {
            of_the_text
                .iter()
                .filter(|used| used.relation == self.relation)
                .flat_map(Self::every_condition)
                .any(|condition| condition.predicate == *predicate)
        };
        let forgotten: Vec<Condition> = self
            .conditions
            .iter()
            .filter(|condition| condition.key.is_some() || known(&condition.predicate))
            .map(|condition| Condition {
                predicate: condition
                    .predicate
                    .clone()
                    .filter(|_| known(&condition.predicate)),
                ..condition.clone()
            })
            .collect();
        self.conditions = forgotten;
    }

    /// Whether the other one differs in nothing that decides which indexes could help.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let tests = |table_use: &Self| -> Vec<_> {
            table_use
                .every_condition()
                .map(|condition| (condition.key.clone(), condition.test.clone()))
                .collect()
        };
        self.relation == other.relation
            && self.order == other.order
            && self.limited == other.limited
            && self.groups == other.groups
            && self.columns == other.columns
            && tests(self) == tests(other)
    }
}

impl QueryShape {
    /// The tables that it reads.
    pub fn tables(&self) -> BTreeSet<u32> {
        self.uses.iter().map(|used| used.relation).collect()
    }
}
