//! Asking for advice, and taking it.

use std::time::Instant;

use postgres::{Client, SimpleQueryMessage};

/// A row of `advise_indexes()`.
pub struct Index {
    pub create_ddl: String,
    pub access_method: String,
    pub size_bytes: Option<i64>,
}

impl Index {
    /// An index that was not advised.
    pub fn plain(create_ddl: String) -> Self {
        Self {
            create_ddl,
            access_method: "btree".to_string(),
            size_bytes: None,
        }
    }
}

/// The advice, and the seconds that it took.
pub fn advise(
    client: &mut Client,
    workload: Option<&[String]>,
    budget: Option<i64>,
) -> (Vec<Index>, f64) {
    let started = Instant::now();
    let rows = client
        .query(
            "SELECT create_ddl, access_method, size_bytes, costed, reason
             FROM inventory_perf.advise_indexes($1, $2) ORDER BY rank",
            &[&workload, &budget],
        )
        .unwrap_or_else(|error| panic!("advise_indexes: {error:?}"));
    let seconds = started.elapsed().as_secs_f64();
    let advice = rows
        .iter()
        .map(|row| {
            eprintln!(
                "   {};{} {}",
                row.get::<_, &str>("create_ddl"),
                if row.get("costed") {
                    ""
                } else {
                    " -- by rule:"
                },
                row.get::<_, &str>("reason")
            );
            Index {
                create_ddl: row.get("create_ddl"),
                access_method: row.get("access_method"),
                size_bytes: row.get("size_bytes"),
            }
        })
        .collect();
    (advice, seconds)
}

/// Runs the DDL exactly as it was given; then what any operator does after building indexes.
pub fn apply(client: &mut Client, advice: &[Index]) {
    for index in advice {
        run(client, &index.create_ddl);
    }
    run(client, "VACUUM ANALYZE");
}

pub fn run(client: &mut Client, statement: &str) {
    client
        .batch_execute(statement)
        .unwrap_or_else(|error| panic!("{error:?}\n{statement}"));
}

/// Rows of a query, as text.
pub type Rows = Vec<Vec<Option<String>>>;

/// The rows of each query, and its seconds. One unmeasured pass first, so that no side of a
/// comparison pays for a cold cache.
pub fn time(client: &mut Client, queries: &[String]) -> (Vec<Rows>, Vec<f64>) {
    for query in queries {
        fetch(client, query);
    }
    queries.iter().map(|query| fetch(client, query)).unzip()
}

/// The rows of a query, and the seconds until the client has them.
pub fn fetch(client: &mut Client, query: &str) -> (Rows, f64) {
    let started = Instant::now();
    let messages = client
        .simple_query(query)
        .unwrap_or_else(|error| panic!("{error:?}\n{query}"));
    let seconds = started.elapsed().as_secs_f64();
    let rows = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|column| row.get(column).map(str::to_string))
                    .collect(),
            ),
            _ => None,
        })
        .collect();
    (rows, seconds)
}

/// The smallest sample that the share `rank` of all samples does not exceed.
pub fn percentile(samples: &[f64], rank: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = (rank * sorted.len() as f64).ceil() as usize;
    sorted[position.clamp(1, sorted.len()) - 1]
}
