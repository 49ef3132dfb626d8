//! Timing: contenders take turns, so that a drifting machine moves all of them alike.

use std::time::Instant;

use postgres::Client;

/// What each contender measured in each round: `samples[contender][round]`.
pub struct Rounds {
    samples: Vec<Vec<f64>>,
}

impl Rounds {
    pub fn median(&self, contender: usize) -> f64 {
        median(self.samples[contender].clone())
    }

    /// The median of the ratios of each round, whose two measurements are neighbours in time.
    pub fn ratio(&self, contender: usize, baseline: usize) -> f64 {
        let pairs = self.samples[contender].iter().zip(&self.samples[baseline]);
        median(
            pairs
                .map(|(contender, baseline)| contender / baseline)
                .collect(),
        )
    }
}

/// Does the work once, as the given round, and says how long it took, in seconds.
type Contender<'a, C> = dyn Fn(&mut C, usize) -> f64 + 'a;

/// Every contender once a round, in an order that turns around from one round to the next.
pub fn alternate<C>(context: &mut C, rounds: usize, contenders: &[&Contender<'_, C>]) -> Rounds {
    let mut samples = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for contender in order {
            samples[contender].push(contenders[contender](context, round));
        }
    }
    Rounds { samples }
}

pub fn median(mut samples: Vec<f64>) -> f64 {
    assert!(!samples.is_empty(), "nothing was measured");
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    if samples.len() % 2 == 1 {
        samples[middle]
    } else {
        (samples[middle - 1] + samples[middle]) / 2.0
    }
}

/// Seconds that the statements take, as the client sees it.
pub fn seconds(client: &mut Client, statements: &str) -> f64 {
    let started = Instant::now();
    client
        .batch_execute(statements)
        .unwrap_or_else(|error| panic!("{error:?}\n{statements}"));
    started.elapsed().as_secs_f64()
}

/// Seconds to run a query to its last row, without sending the rows to the client.
pub fn seconds_on_server(client: &mut Client, query: &str) -> f64 {
    seconds(client, &format!("EXPLAIN (ANALYZE, TIMING OFF) {query}"))
}

/// Runs statements one by one, each in a transaction of its own, as VACUUM and CHECKPOINT want.
pub fn each(client: &mut Client, statements: &[&str]) {
    for statement in statements {
        seconds(client, statement);
    }
}

/// Fails unless both queries return the same rows.
pub fn assert_same_rows(client: &mut Client, expected: &str, actual: &str) {
    let difference = client
        .query_one(
            &format!(
                "WITH expected AS MATERIALIZED ({expected}), actual AS MATERIALIZED ({actual})
                 SELECT (SELECT count(*) FROM expected),
                        (SELECT count(*) FROM (TABLE expected EXCEPT ALL TABLE actual) missing),
                        (SELECT count(*) FROM (TABLE actual EXCEPT ALL TABLE expected) surplus)"
            ),
            &[],
        )
        .unwrap_or_else(|error| panic!("{error:?}\n{expected}\n{actual}"));
    let [rows, missing, surplus]: [i64; 3] = [0, 1, 2].map(|column| difference.get(column));
    assert!(rows > 0, "an empty answer compares nothing:\n{expected}");
    assert!(
        missing == 0 && surplus == 0,
        "{missing} rows are missing and {surplus} are wrong of {rows}:\n{actual}"
    );
}

pub fn count(client: &mut Client, query: &str) -> i64 {
    client
        .query_one(query, &[])
        .unwrap_or_else(|error| panic!("{error:?}\n{query}"))
        .get(0)
}
