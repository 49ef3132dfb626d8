//! UPDATE and DELETE of 1,000 rows a statement, by one client.

use postgres::Client;

use crate::Bench;
use crate::measure::{alternate, seconds};
use crate::report::duration;
use crate::writers::{ATTACHED, BARE, Indexes, LOGGED, assert_logged, create_ledgers, settle};

const DATABASE: &str = "changes";
const STATEMENT_ROWS: usize = 1_000;
const STATEMENTS: usize = 100;

type Change = fn(&str, usize, usize) -> String;

pub fn run(bench: &mut Bench) {
    let changes: [(&str, Change); 4] = [
        (
            "UPDATE of the quantity of 1,000 rows",
            |table, first, last| {
                format!(
                    "UPDATE {table} SET quantity = quantity + 1 WHERE id BETWEEN {first} AND {last}"
                )
            },
        ),
        ("UPDATE of the day of 1,000 rows", |table, first, last| {
            format!(
                "UPDATE {table} SET moved_at = moved_at + interval '3 days'
                 WHERE id BETWEEN {first} AND {last}"
            )
        }),
        (
            "UPDATE of 1,000 rows in a column that is not mapped",
            |table, first, last| {
                format!("UPDATE {table} SET note = 'checked' WHERE id BETWEEN {first} AND {last}")
            },
        ),
        ("DELETE of 1,000 rows", |table, first, last| {
            format!("DELETE FROM {table} WHERE id BETWEEN {first} AND {last}")
        }),
    ];

    let rows = STATEMENT_ROWS * STATEMENTS * changes.len();
    let mut client = create_ledgers(bench, DATABASE, rows as i64, Indexes::Covering);
    for (position, (work, change)) in changes.into_iter().enumerate() {
        settle(&mut client);
        let run = |client: &mut Client, table: &str, round: usize| {
            let first = 1 + (position * STATEMENTS + round) * STATEMENT_ROWS;
            seconds(client, &change(table, first, first + STATEMENT_ROWS - 1))
        };
        let rounds = alternate(
            &mut client,
            STATEMENTS,
            &[
                &|client: &mut Client, round: usize| run(client, BARE, round),
                &|client: &mut Client, round: usize| run(client, LOGGED, round),
                &|client: &mut Client, round: usize| run(client, ATTACHED, round),
            ],
        );
        let [bare, logged, attached] = [0, 1, 2].map(|side| duration(rounds.median(side)));
        bench.report.ratio(
            format!("{work}, time against no trigger"),
            attached.clone(),
            bare,
            rounds.ratio(2, 0),
            None,
        );
        bench.report.ratio(
            format!("{work}, time against a delta log in PL/pgSQL"),
            attached,
            logged,
            rounds.ratio(2, 1),
            None,
        );
    }
    settle(&mut client);
    assert_logged(&mut client);
    drop(client);
    bench.server.drop_database(DATABASE);
}
