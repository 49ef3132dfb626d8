//! What a writer does in one transaction, chosen by its generator alone.
//!
//! Writers must not deadlock among themselves, or a deadlock of the extension's making could not be
//! told from one of theirs. So a writer changes its own rows as it likes, and takes locks on rows
//! that it shares with others at most once in a transaction, in the order of their ids.

use rand::Rng;
use rand::rngs::StdRng;

use super::comparison::Comparison;
use super::shape::{Column, Shape, literal};

/// Writers are numbered from 1.
pub const MOST_WRITERS: usize = 8;
const DOCUMENTS_OF_A_WRITER: usize = 5;
const REFERENCES_OF_A_WRITER: usize = 12;
/// The owner of rows that every writer may change.
const SHARED: usize = 0;

pub enum Step {
    Run(String),
    Copy {
        statement: String,
        rows: String,
    },
    /// What the transaction has written so far must show in every answer at once.
    Compare(Comparison),
}

pub enum End {
    Commit,
    Rollback,
    PrepareThenCommit,
    PrepareThenRollback,
}

pub struct Plan {
    pub isolation: &'static str,
    pub truncates: bool,
    pub steps: Vec<Step>,
    pub end: End,
}

pub fn transaction(rng: &mut StdRng, shape: &Shape, writer: usize) -> Plan {
    let mut planner = Planner {
        rng,
        shape,
        writer,
        shared_locks_taken: false,
        partition_truncated: false,
        steps: Vec::new(),
    };
    let isolation = match planner.rng.random_range(0..20) {
        0..=1 => "REPEATABLE READ",
        2 => "SERIALIZABLE",
        _ => "READ COMMITTED",
    };
    if isolation != "READ COMMITTED" {
        // TRUNCATE is not multi-version: without the lock it could empty a snapshot taken before.
        planner.run(format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE", shape.ledger));
    }
    let truncates = planner.rng.random_ratio(1, 800);
    let truncate_first = truncates && planner.rng.random_bool(0.5);
    if truncate_first {
        planner.truncate();
    }
    for _ in 0..planner.rng.random_range(1..=4) {
        planner.statement_perhaps_in_savepoint();
    }
    if truncates && !truncate_first {
        planner.truncate();
        planner.insert();
    }
    // An old snapshot still holds the balances of rows that left with a truncated partition.
    let snapshot_is_torn = planner.partition_truncated && isolation != "READ COMMITTED";
    if planner.rng.random_bool(0.15) && !snapshot_is_torn {
        let comparison = Comparison::random(planner.rng, shape);
        planner.steps.push(Step::Compare(comparison));
    }
    let end = match planner.rng.random_range(0..40) {
        0..=4 => End::Rollback,
        5 => End::PrepareThenCommit,
        6 => End::PrepareThenRollback,
        _ => End::Commit,
    };
    Plan {
        isolation,
        truncates,
        steps: planner.steps,
        end,
    }
}

/// A single statement that inserts `rows` random rows that every writer may change.
pub fn filling(rng: &mut StdRng, shape: &Shape, rows: usize) -> String {
    let tuples: Vec<String> = (0..rows)
        .map(|_| row(rng, shape, SHARED, &None, &None))
        .collect();
    format!(
        "INSERT INTO {} ({}) VALUES {}",
        shape.ledger,
        column_list(shape),
        tuples.join(", ")
    )
}

/// The documents that the writers' rows refer to.
pub fn documents(shape: &Shape) -> String {
    format!(
        "INSERT INTO {} SELECT owner * 100 + number, owner FROM \
         generate_series(1, {MOST_WRITERS}) AS owner, \
         generate_series(1, {DOCUMENTS_OF_A_WRITER}) AS number",
        shape.documents()
    )
}

struct Planner<'a> {
    rng: &'a mut StdRng,
    shape: &'a Shape,
    writer: usize,
    shared_locks_taken: bool,
    partition_truncated: bool,
    steps: Vec<Step>,
}

impl Planner<'_> {
    fn run(&mut self, sql: String) {
        self.steps.push(Step::Run(sql));
    }

    fn statement_perhaps_in_savepoint(&mut self) {
        match self.rng.random_range(0..20) {
            0 => {
                self.run("SAVEPOINT a".to_owned());
                self.statement();
                self.run("ROLLBACK TO SAVEPOINT a".to_owned());
                self.statement();
                self.run("RELEASE SAVEPOINT a".to_owned());
            }
            1 => {
                self.run("SAVEPOINT a".to_owned());
                self.statement();
                self.run("SAVEPOINT b".to_owned());
                self.statement();
                self.run("ROLLBACK TO SAVEPOINT b".to_owned());
                self.statement();
                self.run("RELEASE SAVEPOINT a".to_owned());
            }
            2 => self.caught_exception(),
            _ => self.statement(),
        }
    }

    fn statement(&mut self) {
        match self.rng.random_range(0..100) {
            0..=21 => self.insert(),
            22..=26 => self.insert_copies_of_rows(),
            27..=33 => self.copy(),
            34..=47 => self.update_one(),
            48..=55 => self.update_many(),
            56..=58 => self.update_nothing_mapped(),
            59..=65 => self.delete(),
            66..=70 => self.delete_and_insert_in_one_statement(),
            71..=75 => self.insert_on_conflict(),
            76..=81 => self.merge(),
            82..=83 => self.delete_document(),
            84..=92 => self.change_shared_rows(),
            _ => match self.shape.own_statement {
                Some(own_statement) => {
                    let sql = own_statement(self.rng, self.writer);
                    self.partition_truncated |= sql.starts_with("TRUNCATE");
                    self.run(sql);
                }
                None => self.insert(),
            },
        }
    }

    fn insert(&mut self) {
        let rows = if self.rng.random_bool(0.6) {
            1
        } else {
            self.rng.random_range(2..=30)
        };
        let tuples: Vec<String> = (0..rows).map(|_| self.row_of_mine_or_shared()).collect();
        let (ledger, columns) = (self.shape.ledger, column_list(self.shape));
        self.run(format!(
            "INSERT INTO {ledger} ({columns}) VALUES {}",
            tuples.join(", ")
        ));
    }

    fn row_of_mine_or_shared(&mut self) -> String {
        if self.rng.random_bool(0.2) {
            row(self.rng, self.shape, SHARED, &None, &None)
        } else {
            let document = self.document();
            row(self.rng, self.shape, self.writer, &None, &document)
        }
    }

    fn document(&mut self) -> Option<String> {
        let number = self.rng.random_range(1..=DOCUMENTS_OF_A_WRITER);
        self.rng
            .random_bool(0.3)
            .then(|| (self.writer * 100 + number).to_string())
    }

    fn insert_copies_of_rows(&mut self) {
        let columns = column_names(self.shape).join(", ");
        let (ledger, writer) = (self.shape.ledger, self.writer);
        let limit = self.rng.random_range(1..=20);
        self.run(format!(
            "INSERT INTO {ledger} (owner, {columns}) SELECT owner, {columns} FROM {ledger} \
             WHERE owner = {writer} ORDER BY id LIMIT {limit}"
        ));
    }

    fn copy(&mut self) {
        let rows = self.rng.random_range(1..=40);
        let mut text = String::new();
        for _ in 0..rows {
            for column in self.shape.columns {
                text.push_str(&copy_field((column.value)(self.rng)));
                text.push('\t');
            }
            text.push_str(&format!("{}\n", self.writer));
        }
        let columns = column_names(self.shape).join(", ");
        let statement = format!("COPY {} ({columns}, owner) FROM STDIN", self.shape.ledger);
        self.steps.push(Step::Copy {
            statement,
            rows: text,
        });
    }

    fn update_one(&mut self) {
        let assignments = self.assignments();
        let (ledger, writer) = (self.shape.ledger, self.writer);
        let offset = self.rng.random_range(0..40);
        self.run(format!(
            "UPDATE {ledger} SET {assignments} WHERE owner = {writer} AND id = \
             (SELECT id FROM {ledger} WHERE owner = {writer} ORDER BY id OFFSET {offset} LIMIT 1)"
        ));
    }

    fn update_many(&mut self) {
        let assignments = self.assignments();
        let rows = self.some_rows();
        self.run(format!(
            "UPDATE {} SET {assignments} WHERE {rows}",
            self.shape.ledger
        ));
    }

    fn update_nothing_mapped(&mut self) {
        let rows = self.some_rows();
        let column = self.any_column().name;
        let change = match self.rng.random_range(0..2) {
            0 => "note = 'looked at'".to_owned(),
            _ => format!("{column} = {column}"),
        };
        self.run(format!(
            "UPDATE {} SET {change} WHERE {rows}",
            self.shape.ledger
        ));
    }

    fn delete(&mut self) {
        let rows = self.some_rows();
        self.run(format!("DELETE FROM {} WHERE {rows}", self.shape.ledger));
    }

    fn delete_and_insert_in_one_statement(&mut self) {
        let rows = self.some_rows();
        let (ledger, columns) = (self.shape.ledger, column_list(self.shape));
        let new = self.row_of_mine_or_shared();
        self.run(format!(
            "WITH gone AS (DELETE FROM {ledger} WHERE {rows} RETURNING id), \
             kept AS (UPDATE {ledger} SET note = 'kept' WHERE owner = {} AND NOT ({rows})) \
             INSERT INTO {ledger} ({columns}) VALUES {new}",
            self.writer
        ));
    }

    fn insert_on_conflict(&mut self) {
        let shared = self.may_lock_shared_rows();
        let rows = if shared {
            1
        } else {
            self.rng.random_range(1..=6)
        };
        let first = self.rng.random_range(0..REFERENCES_OF_A_WRITER);
        let owner = if shared { SHARED } else { self.writer };
        let mut tuples = Vec::new();
        for number in 0..rows {
            let number = (first + number) % REFERENCES_OF_A_WRITER;
            let reference = Some(format!("reference {owner} {number}"));
            tuples.push(row(self.rng, self.shape, owner, &reference, &None));
        }
        let action = if self.rng.random_bool(0.2) {
            "NOTHING".to_owned()
        } else {
            let columns = &self.shape.columns[..self.shape.conflict_columns];
            let column = columns[self.rng.random_range(0..columns.len())].name;
            format!("UPDATE SET {column} = EXCLUDED.{column}, note = 'met'")
        };
        let (ledger, target) = (self.shape.ledger, self.shape.conflict_target);
        self.run(format!(
            "INSERT INTO {ledger} ({}) VALUES {} ON CONFLICT {target} DO {action}",
            column_list(self.shape),
            tuples.join(", ")
        ));
    }

    fn merge(&mut self) {
        let names = column_names(self.shape);
        let writer = self.writer;
        let mut tuples = Vec::new();
        let first = self.rng.random_range(0..REFERENCES_OF_A_WRITER);
        for number in 0..self.rng.random_range(1..=5) {
            let number = (first + number) % REFERENCES_OF_A_WRITER;
            let mut fields = vec![format!("'reference {writer} {number}'")];
            for column in self.shape.columns {
                fields.push(literal(&(column.value)(self.rng), column.sql_type));
            }
            tuples.push(format!("({})", fields.join(", ")));
        }
        let changed = self.any_column().name;
        let deleted = self.rng.random_range(0..5);
        let inserted: Vec<String> = names.iter().map(|name| format!("new.{name}")).collect();
        let names = names.join(", ");
        // A statement fires the triggers of the actions that it names, whatever it does to rows.
        let mut actions = vec![format!("MATCHED THEN UPDATE SET {changed} = new.{changed}")];
        if self.rng.random_bool(0.5) {
            let delete = format!("MATCHED AND old.id % 5 = {deleted} THEN DELETE");
            actions.insert(0, delete);
        }
        if self.rng.random_bool(0.5) {
            actions.push(format!(
                "NOT MATCHED THEN INSERT (reference, owner, {names}) \
                 VALUES (new.reference, {writer}, {})",
                inserted.join(", ")
            ));
        }
        self.run(format!(
            "MERGE INTO {} AS old USING (VALUES {}) AS new (reference, {names}) \
             ON old.reference = new.reference AND old.owner = {writer} WHEN {}",
            self.shape.ledger,
            tuples.join(", "),
            actions.join(" WHEN ")
        ));
    }

    /// The rows of the document go by the foreign key's own DELETE.
    fn delete_document(&mut self) {
        let documents = self.shape.documents();
        let (writer, number) = (
            self.writer,
            self.rng.random_range(1..=DOCUMENTS_OF_A_WRITER),
        );
        let id = writer * 100 + number;
        self.run(format!("DELETE FROM {documents} WHERE id = {id}"));
        self.run(format!("INSERT INTO {documents} VALUES ({id}, {writer})"));
    }

    fn change_shared_rows(&mut self) {
        if !self.may_lock_shared_rows() {
            return self.update_one();
        }
        let (limit, offset) = (self.rng.random_range(1..=4), self.rng.random_range(0..10));
        let ledger = self.shape.ledger;
        let locked = format!(
            "WITH locked AS (SELECT id FROM {ledger} WHERE owner = {SHARED} \
             ORDER BY id OFFSET {offset} LIMIT {limit} FOR UPDATE)"
        );
        let sql = if self.rng.random_bool(0.4) {
            format!(
                "{locked} DELETE FROM {ledger} AS moves USING locked WHERE moves.id = locked.id"
            )
        } else {
            let assignments = self.assignments();
            format!(
                "{locked} UPDATE {ledger} AS moves SET {assignments} FROM locked \
                 WHERE moves.id = locked.id"
            )
        };
        self.run(sql);
    }

    fn may_lock_shared_rows(&mut self) -> bool {
        if self.shared_locks_taken || self.rng.random_bool(0.3) {
            return false;
        }
        self.shared_locks_taken = true;
        true
    }

    fn caught_exception(&mut self) {
        let before = self.steps.len();
        self.update_many();
        let sql = match self.steps.pop() {
            Some(Step::Run(sql)) if self.steps.len() == before => sql,
            _ => unreachable!("an update is one statement"),
        };
        self.run(format!(
            "DO $do$ BEGIN {sql}; RAISE EXCEPTION 'undo'; \
             EXCEPTION WHEN raise_exception THEN NULL; END $do$"
        ));
    }

    fn truncate(&mut self) {
        let relation = self.shape.documents();
        // Nothing is truncated that a deferred trigger still has to look at.
        self.run("SET CONSTRAINTS ALL IMMEDIATE".to_owned());
        if self.rng.random_bool(0.5) {
            self.run(format!("TRUNCATE {}", self.shape.ledger));
        } else {
            self.run(format!("TRUNCATE {relation} CASCADE"));
            self.run(documents(self.shape));
        }
    }

    fn any_column(&mut self) -> &'static Column {
        let columns: &'static [Column] = self.shape.columns;
        &columns[self.rng.random_range(0..columns.len())]
    }

    /// `column = value` for one or two columns.
    fn assignments(&mut self) -> String {
        let first = self.any_column();
        let second = self.any_column();
        let mut assignments = vec![format!(
            "{} = {}",
            first.name,
            literal(&(first.value)(self.rng), first.sql_type)
        )];
        if first.name != second.name && self.rng.random_bool(0.4) {
            let value = literal(&(second.value)(self.rng), second.sql_type);
            assignments.push(format!("{} = {value}", second.name));
        }
        assignments.join(", ")
    }

    /// A condition for a part of the writer's own rows.
    fn some_rows(&mut self) -> String {
        let modulus = self.rng.random_range(3..=12);
        let remainder = self.rng.random_range(0..modulus);
        format!("owner = {} AND id % {modulus} = {remainder}", self.writer)
    }
}

fn column_names(shape: &Shape) -> Vec<&'static str> {
    shape.columns.iter().map(|column| column.name).collect()
}

fn column_list(shape: &Shape) -> String {
    let names = column_names(shape).join(", ");
    format!("owner, reference, document, note, {names}")
}

fn row(
    rng: &mut StdRng,
    shape: &Shape,
    owner: usize,
    reference: &Option<String>,
    document: &Option<String>,
) -> String {
    let note = match rng.random_range(0..30) {
        0 => "'echo'",
        1 => "'late echo'",
        _ => "NULL",
    };
    let mut fields = vec![
        owner.to_string(),
        literal(reference, "text"),
        literal(document, "int"),
        note.to_owned(),
    ];
    for column in shape.columns {
        fields.push(literal(&(column.value)(rng), column.sql_type));
    }
    format!("({})", fields.join(", "))
}

fn copy_field(value: Option<String>) -> String {
    match value {
        Some(text) => text.replace('\\', "\\\\"),
        None => "\\N".to_owned(),
    }
}
