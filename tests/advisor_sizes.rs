//! How near the sizes that the advisor foretells are to those of B-trees that are built.

mod common;

use common::{Ask, Cluster};

const SCHEMA: &str = include_str!("sizes/schema.sql");

/// What is foretold may be so far off what is built; or by one page, which of an index of six pages
/// is more than that.
const TOLERANCE: f64 = 0.15;
const PAGE: f64 = 8192.0;

const INDEXES: &[&str] = &[
    // One column of each type.
    "wares (id)",
    "wares (big)",
    "wares (uid)",
    "wares (code)",
    "wares (category)",
    "wares (name)",
    "wares (note)",
    "wares (price)",
    "wares (weight)",
    "wares (day)",
    "wares (at)",
    "wares (active)",
    "wares (deleted_at)",
    "wares (parent)",
    "wares (customer)",
    "wares (mood)",
    "wares (box)",
    "wares (label)",
    "wares (parent DESC NULLS LAST)",
    // Several.
    "wares (category, day)",
    "wares (category, customer)",
    "wares (day, category)",
    "wares (active, category)",
    "wares (code, name)",
    "wares (price, code)",
    "wares (deleted_at, parent)",
    "wares (parent, category, active)",
    "wares (mood, box)",
    // That depend on each other.
    "wares (zip, city)",
    "wares (city, zip)",
    "wares (a, b)",
    "wares (b, a, active)",
    "wares (order_no, line)",
    "wares (order_no, day)",
    "wares (order_no, customer)",
    "wares (day, at)",
    "wares (grid_x, grid_y)",
    "wares (customer, city_of_customer)",
    "wares (category, kind_of_category)",
    "wares (day, week)",
    "wares (zip, city, category)",
    // Of a part of the rows.
    "wares (id) WHERE active",
    "wares (customer) WHERE status = 'open'",
    "wares (customer) WHERE status = 'held'",
    "wares (customer) WHERE status <> 'done'",
    "wares (customer, day) WHERE deleted_at IS NULL",
    "wares (deleted_at) WHERE deleted_at IS NOT NULL",
    "wares (id) WHERE NOT active",
    "wares (city) WHERE zip < 1000",
    "wares (id) WHERE zip < 1000 AND city < 50",
    "wares (order_no) WHERE category = 'c1' AND kind_of_category = 'k1'",
    "wares (category) WHERE price > 900",
    // Of expressions.
    "wares (lower(code))",
    "wares (lower(name))",
    "wares ((id % 100))",
    "wares (date_trunc('month', at AT TIME ZONE 'UTC'))",
    "wares ((attrs ->> 'serial'))",
    "wares ((attrs ->> 'color'), category)",
    "wares (coalesce(parent, 0))",
    "wares (md5(code))",
    // That carry columns, or are filled differently.
    "wares (category) INCLUDE (price)",
    "wares (customer) INCLUDE (name, day)",
    "wares (parent) INCLUDE (deleted_at) WHERE parent IS NOT NULL",
    "wares (id) WITH (fillfactor = 70)",
    "wares (category) WITH (fillfactor = 60)",
    "wares (zip, city) WITH (fillfactor = 100)",
    "wares (name) WITH (deduplicate_items = off)",
    "wares (category) WITH (deduplicate_items = off)",
    // Of a narrow table, a small one, an empty one and a partitioned one.
    "links (one, other)",
    "links (other)",
    "shops (id)",
    "shops (region, city)",
    "shops (name) WHERE region = 'north'",
    "shops (region)",
    "shops (region) WHERE region = 'none'",
    "nothing (id, name)",
    "events (device, kind)",
    "events (device, at) WHERE kind = 'error'",
];

#[test]
fn sizes_are_foretold_within_fifteen_percent() {
    let cluster = Cluster::with_test_settings().start();
    let database = cluster.database();
    let (mut client, messages) = cluster.connect_hearing(&database);
    client.run("CREATE EXTENSION hypopg");
    // One by one: VACUUM runs in no transaction block.
    for statement in SCHEMA.split_inclusive(";\n") {
        client.run(statement);
    }
    let ddl: Vec<String> = (0..)
        .zip(INDEXES)
        .map(|(number, index)| format!("CREATE INDEX size_{number} ON {index}"))
        .collect();
    client.run("SET client_min_messages = debug1");
    client
        .query(
            "SELECT FROM inventory_perf.evaluate_indexes($1, '{}')",
            &[&ddl],
        )
        .expect("what these indexes would be");
    client.run("RESET client_min_messages");
    let messages = messages.lock().expect("the messages").clone();
    let mut worst: Vec<(f64, String)> = Vec::new();
    let mut failed = 0;
    for (number, (index, ddl)) in INDEXES.iter().zip(&ddl).enumerate() {
        let start = format!("size of size_{number}: ");
        let foretold: f64 = messages
            .iter()
            .find_map(|message| message.strip_prefix(&start)?.strip_suffix(" bytes"))
            .unwrap_or_else(|| panic!("no size of {index}"))
            .parse()
            .expect("bytes");
        client.run(ddl);
        let built: i64 = client.ask(&format!(
            "SELECT (pg_relation_size('size_{number}') + coalesce(sum(pg_relation_size(relid)), 0))::bigint
             FROM pg_partition_tree('size_{number}') WHERE isleaf"
        ));
        client.run(&format!("DROP INDEX size_{number}"));
        let built = built as f64;
        let error = foretold / built - 1.0;
        let right = error.abs() <= TOLERANCE || (foretold - built).abs() <= PAGE;
        failed += usize::from(!right);
        let text = format!(
            "{:+6.1} %  {:>5} of {:>5} pages  {index}{}",
            100.0 * error,
            foretold / PAGE,
            built / PAGE,
            if right { "" } else { "  <-- WRONG" }
        );
        worst.push((error.abs(), text));
    }
    worst.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    for (_, text) in &worst {
        println!("{text}");
    }
    assert_eq!(failed, 0, "of {} sizes", INDEXES.len());
}
