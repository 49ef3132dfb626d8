//! Whether the advisor finds the best index where it is known, and is silent where none helps.

mod common;
mod planted;

use std::collections::BTreeSet;

use common::{Ask, Cluster};
use planted::cases::{CASES, Case};
use postgres::Client;

/// Of the workloads, those whose advice is exactly one of the listed ones.
const FOUND_PERCENT: usize = 95;

fn inventory(cluster: &Cluster) -> Client {
    let mut client = cluster.connect(&cluster.database());
    client.run("CREATE EXTENSION hypopg; CREATE EXTENSION pg_trgm");
    // One by one: VACUUM runs in no transaction block.
    for statement in include_str!("planted/schema.sql").split_inclusive(";\n") {
        client.run(statement);
    }
    client
}

/// `CREATE INDEX name ON public.items USING btree (sku)` as `items (sku)`.
fn essence(definition: &str) -> String {
    let (_, index) = definition.split_once(" ON ").unwrap_or(("", definition));
    index
        .replacen("ONLY ", "", 1)
        .replacen("public.", "", 1)
        .replacen("USING btree ", "", 1)
}

/// Builds what is advised as it is written, and takes it back: PostgreSQL says what it is.
fn advised(client: &mut Client, case: &Case) -> BTreeSet<String> {
    let advice = client
        .query(
            "SELECT create_ddl, rollback_ddl
             FROM inventory_perf.advise_indexes($1, storage_budget => $2)",
            &[&case.workload, &case.storage_budget],
        )
        .unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
    let newest: u32 = client.ask("SELECT max(indexrelid::oid) FROM pg_index");
    for row in &advice {
        client.run(row.get(0));
    }
    let built = client
        .query(
            "SELECT pg_get_indexdef(i.indexrelid)
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             WHERE i.indexrelid > $1 AND i.indisvalid AND NOT c.relispartition",
            &[&newest],
        )
        .expect("what was built");
    for row in &advice {
        client.run(row.get(1));
    }
    built.iter().map(|row| essence(row.get(0))).collect()
}

fn is_best(case: &Case, advised: &BTreeSet<String>) -> bool {
    case.best.iter().any(|best| {
        best.len() == advised.len() && best.iter().all(|index| advised.contains(*index))
    })
}

#[test]
fn the_best_indexes_are_advised_and_no_others() {
    let cluster = Cluster::with_test_settings().start();
    let mut client = inventory(&cluster);
    let (mut planted, mut found, mut without, mut silent) = (0, 0, 0, 0);
    for case in CASES {
        let advised = advised(&mut client, case);
        let right = is_best(case, &advised);
        let nothing_helps = case.best.iter().all(|best| best.is_empty());
        if nothing_helps {
            without += 1;
            silent += usize::from(right);
        } else {
            planted += 1;
            found += usize::from(right);
        }
        if !right {
            println!(
                "{}: {:#?}\nadvised: {advised:#?}\nnot: {:#?}\n",
                case.name, case.workload, case.best
            );
        }
    }
    println!("best indexes advised: {found} of {planted}; rightly silent: {silent} of {without}");
    assert!(planted >= 40 && without >= 10, "{planted}, {without}");
    assert_eq!(silent, without, "advice where nothing helps");
    assert!(
        100 * found >= FOUND_PERCENT * planted,
        "{found} of {planted}"
    );
}
