//! What-if costs for the baselines: hypopg asked directly, each cost remembered.

use std::collections::{BTreeSet, HashMap};

use postgres::Client;

use crate::advice;

/// Place of an index in `Planner::indexes`.
pub type Id = usize;
pub type Config = BTreeSet<Id>;

pub struct Index {
    pub table: String,
    pub columns: Vec<String>,
    bytes: Option<i64>,
    hypothetical: Option<u32>,
}

pub struct Planner<'a> {
    client: &'a mut Client,
    pub queries: &'a [String],
    pub indexes: Vec<Index>,
    /// Columns of each table that each query names.
    named: Vec<HashMap<String, Vec<String>>>,
    costs: HashMap<(usize, Config), f64>,
}

impl<'a> Planner<'a> {
    pub fn new(client: &'a mut Client, queries: &'a [String]) -> Self {
        let columns = client
            .query(
                "SELECT c.relname::text, a.attname::text
                 FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
                 ORDER BY 1, attnum",
                &[],
            )
            .expect("the columns");
        let named = queries
            .iter()
            .map(|query| {
                let words: BTreeSet<&str> = query
                    .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                    .collect();
                let mut named: HashMap<String, Vec<String>> = HashMap::new();
                for row in &columns {
                    let (table, column): (String, String) = (row.get(0), row.get(1));
                    if words.contains(column.as_str()) {
                        named.entry(table).or_default().push(column);
                    }
                }
                named
            })
            .collect();
        advice::run(client, "SELECT hypopg_reset()");
        Self {
            client,
            queries,
            indexes: Vec::new(),
            named,
            costs: HashMap::new(),
        }
    }

    pub fn index(&mut self, table: &str, columns: Vec<String>) -> Id {
        let known = self
            .indexes
            .iter()
            .position(|index| index.table == table && index.columns == columns);
        known.unwrap_or_else(|| {
            self.indexes.push(Index {
                table: table.to_string(),
                columns,
                bytes: None,
                hypothetical: None,
            });
            self.indexes.len() - 1
        })
    }

    /// An index on each column that a query names.
    pub fn singles(&mut self) -> Config {
        let mut all = BTreeSet::new();
        for named in &self.named {
            for (table, columns) in named {
                all.extend(columns.iter().map(|column| (table.clone(), column.clone())));
            }
        }
        all.into_iter()
            .map(|(table, column)| self.index(&table, vec![column]))
            .collect()
    }

    /// The index with one more of the columns that any query names, or one that names all of its
    /// columns, too.
    pub fn extensions(&mut self, index: Id, together: bool) -> Vec<Id> {
        let (table, columns) = (
            self.indexes[index].table.clone(),
            self.indexes[index].columns.clone(),
        );
        let mut wider = BTreeSet::new();
        for named in self.named.iter().filter_map(|named| named.get(&table)) {
            if together && !columns.iter().all(|column| named.contains(column)) {
                continue;
            }
            let more = named.iter().filter(|column| !columns.contains(column));
            wider.extend(more.map(|column| [&columns[..], std::slice::from_ref(column)].concat()));
        }
        wider
            .into_iter()
            .map(|columns| self.index(&table, columns))
            .collect()
    }

    /// Indexes that a plan of the query could use: it names one of their columns.
    pub fn relevant(&self, query: usize, config: &Config) -> Config {
        let could = |id: &&Id| {
            let index = &self.indexes[**id];
            let named = self.named[query].get(&index.table);
            named.is_some_and(|named| index.columns.iter().any(|column| named.contains(column)))
        };
        config.iter().filter(could).copied().collect()
    }

    pub fn ddl(&self, config: &Config) -> Vec<String> {
        config
            .iter()
            .map(|id| {
                let index = &self.indexes[*id];
                format!(
                    "CREATE INDEX ON {} ({})",
                    index.table,
                    index.columns.join(", ")
                )
            })
            .collect()
    }

    /// What the index takes once built: it is built, measured and taken back, so that no baseline
    /// suffers from hypopg's guess.
    pub fn bytes(&mut self, id: Id) -> i64 {
        if let Some(bytes) = self.indexes[id].bytes {
            return bytes;
        }
        let ddl = self.ddl(&BTreeSet::from([id])).remove(0);
        let ddl = ddl.replacen(" ON ", " measured ON ", 1);
        advice::run(self.client, &format!("BEGIN; {ddl}"));
        let bytes: i64 = self
            .client
            .query_one("SELECT pg_relation_size('measured')", &[])
            .expect("the size of an index")
            .get(0);
        advice::run(self.client, "ROLLBACK");
        self.indexes[id].bytes = Some(bytes);
        bytes
    }

    pub fn cost(&mut self, query: usize, config: &Config) -> f64 {
        let relevant = self.relevant(query, config);
        if let Some(cost) = self.costs.get(&(query, relevant.clone())) {
            return *cost;
        }
        self.show(&relevant);
        let cost = self.plan(query)["Total Cost"].as_f64().expect("a cost");
        self.costs.insert((query, relevant), cost);
        cost
    }

    /// Those of the indexes that the query's plan uses.
    pub fn used(&mut self, query: usize, config: &Config) -> Config {
        let relevant = self.relevant(query, config);
        self.show(&relevant);
        let plan = self.plan(query).to_string();
        relevant
            .into_iter()
            .filter(|id| {
                let oid = self.indexes[*id].hypothetical.expect("shown");
                plan.contains(&format!("<{oid}>"))
            })
            .collect()
    }

    pub fn total(&mut self, config: &Config) -> f64 {
        (0..self.queries.len())
            .map(|query| self.cost(query, config))
            .sum()
    }

    fn plan(&mut self, query: usize) -> serde_json::Value {
        plan(self.client, &self.queries[query])
    }

    /// Makes these the only hypothetical indexes.
    fn show(&mut self, config: &Config) {
        for id in 0..self.indexes.len() {
            match (self.indexes[id].hypothetical, config.contains(&id)) {
                (Some(oid), false) => {
                    advice::run(self.client, &format!("SELECT hypopg_drop_index({oid})"));
                    self.indexes[id].hypothetical = None;
                }
                (None, true) => {
                    let ddl = self.ddl(&BTreeSet::from([id])).remove(0);
                    let oid: u32 = self
                        .client
                        .query_one("SELECT indexrelid FROM hypopg_create_index($1)", &[&ddl])
                        .unwrap_or_else(|error| panic!("{error:?}\n{ddl}"))
                        .get(0);
                    self.indexes[id].hypothetical = Some(oid);
                }
                _ => {}
            }
        }
    }
}

/// The plan of a query, its topmost node.
pub fn plan(client: &mut Client, query: &str) -> serde_json::Value {
    let (rows, _) = advice::fetch(client, &format!("EXPLAIN (FORMAT JSON) {query}"));
    let text = rows[0][0].as_deref().expect("a plan");
    let mut plan: serde_json::Value = serde_json::from_str(text).expect("a plan in JSON");
    plan[0]["Plan"].take()
}
