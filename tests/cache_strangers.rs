//! What a role without any right of its own can cost the cache of the others.

mod common;

use common::{Ask, Cluster};
use postgres::Client;
use std::fmt::Write;

/// A watched table with something cached from it, in a database without Redis.
fn shop(cluster: &Cluster) -> (String, Client) {
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    client.run(
        "CREATE ROLE stranger LOGIN;
         CREATE TABLE items (id int, name text);
         INSERT INTO items VALUES (1, 'bolt');
         SELECT inventory_perf.invalidate_on_change('items')",
    );
    client.run("SELECT inventory_perf.deliver_invalidations()");
    (database, client)
}

const QUERY: &str = "SELECT count(*) FROM inventory_perf.cached_query('SELECT * FROM items')";

fn hits(client: &mut Client) -> i64 {
    client.ask("SELECT hits FROM inventory_perf.cache_stats")
}

/// Whether the query comes out of the cache after a few calls.
fn is_cached(client: &mut Client) -> bool {
    for _ in 0..3 {
        client.run(QUERY);
    }
    let before = hits(client);
    client.run(QUERY);
    hits(client) > before
}

#[test]
fn no_lock_that_a_stranger_can_take_stops_storing() {
    let cluster = Cluster::with_test_settings().start();
    let (database, mut client) = shop(&cluster);
    let mut stranger = cluster.connect_as("stranger", &database);
    let mut locks = stranger.transaction().expect("a transaction");
    let extension: i64 =
        client.ask("SELECT oid::bigint FROM pg_extension WHERE extname = 'inventory_perf'");
    let names = ["writer", "entry", "stamp", "room"];
    for name in names {
        locks
            .batch_execute(&format!(
                "SELECT pg_advisory_xact_lock(hashtextextended('inventory_perf cache {name}', 0))"
            ))
            .expect("an advisory lock");
    }
    // and those that look most like the extension's own
    locks
        .batch_execute(&format!(
            "SELECT count(pg_advisory_xact_lock({extension}, n)) FROM generate_series(0, 5000) n"
        ))
        .expect("advisory locks");
    assert!(is_cached(&mut client));
}

#[test]
fn what_a_stranger_stores_and_does_not_commit_stops_nobody_else() {
    let cluster = Cluster::with_test_settings().start();
    let (database, mut client) = shop(&cluster);
    let mut stranger = cluster.connect_as("stranger", &database);
    let mut open = stranger.transaction().expect("a transaction");
    for n in 0..3 {
        open.batch_execute(&format!(
            "SELECT inventory_perf.cached_query('SELECT 1 AS a', tags => '{{own}}');
             SELECT inventory_perf.cached_query('SELECT 1 AS a', '[]', '{} s', '{{own}}')",
            60 + n
        ))
        .expect("store");
    }
    assert!(is_cached(&mut client));
}

#[test]
fn tags_are_counted_in_what_tables_may_take() {
    let cluster = Cluster::with_test_settings()
        .set("inventory_perf.cache_table_size", "8")
        .start();
    let (database, mut client) = shop(&cluster);
    let mut stranger = cluster.connect_as("stranger", &database);
    for call in 0..60 {
        let mut tags = String::new();
        for n in 0..1000 {
            let name = format!("{call}-{n}");
            write!(tags, "{}{name:x<500}", if n > 0 { "," } else { "" }).expect("a text");
        }
        stranger.run(&format!(
            "SELECT inventory_perf.cached_query('SELECT 1 AS a', tags => '{{{tags}}}')"
        ));
    }
    let stored: i64 =
        client.ask("SELECT sum(octet_length(name))::bigint FROM inventory_perf.cache_stamps");
    assert!(stored < 4 * 1024 * 1024, "{stored} bytes of tags");
    // Who delivers makes room again.
    client.run("SELECT inventory_perf.invalidate_tags('any')");
    let mut deliverer = cluster.connect(&database);
    deliverer.run("SELECT inventory_perf.deliver_invalidations()");
    let left: i64 =
        client.ask("SELECT sum(octet_length(name))::bigint FROM inventory_perf.cache_stamps");
    assert!(left <= 1024 * 1024, "{left} bytes of tags");
    let mut reader = cluster.connect(&database);
    assert!(is_cached(&mut reader));
}

#[test]
fn names_that_one_transaction_invalidates_are_bounded() {
    let cluster = Cluster::with_test_settings().start();
    let (_, mut client) = shop(&cluster);
    let mut transaction = client.transaction().expect("a transaction");
    let statement = "SELECT inventory_perf.invalidate_tags(VARIADIC ARRAY(
        SELECT repeat('x', 1000) || n FROM generate_series(1, 5000) n))";
    for _ in 0..3 {
        transaction.batch_execute(statement).expect("invalidate");
    }
    let refused = transaction.batch_execute(statement).expect_err("too much");
    assert_eq!(refused.code().map(|code| code.code()), Some("54000"));
    drop(transaction);
    client.run(statement);
}

#[test]
fn many_bytes_are_delivered_at_once_as_many_rows_are() {
    let cluster = Cluster::with_test_settings()
        .set("inventory_perf.outbox_cap", "4000")
        .start();
    let (_, mut client) = shop(&cluster);
    client.run("SELECT inventory_perf.deliver_invalidations()");
    let epoch: String = client.ask("SELECT epoch FROM inventory_perf.cache_state");
    client.run(
        "DO $$ BEGIN
            FOR n IN 1..3000 LOOP
                PERFORM inventory_perf.invalidate_tags(repeat('x', 5000) || n);
            END LOOP;
        END $$",
    );
    client.run("SELECT inventory_perf.deliver_invalidations()");
    let now: String = client.ask("SELECT epoch FROM inventory_perf.cache_state");
    assert_ne!(epoch, now);
}

/// Rows of the catalog of triggers that a command reads.
fn triggers_read(client: &mut Client, command: &str) -> i64 {
    let mut transaction = client.transaction().expect("a transaction");
    let read = "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
                FROM pg_stat_xact_sys_tables WHERE relid = 'pg_trigger'::regclass";
    let before: i64 = transaction.query_one(read, &[]).expect("counts").get(0);
    transaction.batch_execute(command).expect("a command");
    let after: i64 = transaction.query_one(read, &[]).expect("counts").get(0);
    transaction.rollback().expect("rollback");
    after - before
}

#[test]
fn a_command_costs_by_what_it_names_not_by_what_is_watched() {
    let cluster = Cluster::with_test_settings().start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    client.run("CREATE TABLE other (id int)");
    let watch = |client: &mut Client, from: i32, to: i32| {
        for n in from..to {
            client.run(&format!(
                "CREATE TABLE watched_{n} (id int) PARTITION BY LIST (id);
                 CREATE TABLE watched_{n}_1 PARTITION OF watched_{n} FOR VALUES IN (1);
                 SELECT inventory_perf.invalidate_on_change('watched_{n}')"
            ));
        }
        client.run("ANALYZE pg_trigger, pg_inherits");
    };
    let commands = [
        "CREATE TABLE new (id int)",
        "ALTER TABLE other ADD COLUMN more int",
        "DROP TABLE other",
        "CREATE SCHEMA empty; DROP SCHEMA empty",
        "ALTER TABLE watched_0 ADD COLUMN more int",
        "CREATE TABLE watched_0_2 PARTITION OF watched_0 FOR VALUES IN (2)",
        "ALTER TABLE watched_0 DETACH PARTITION watched_0_1",
    ];
    watch(&mut client, 0, 2);
    let few: Vec<i64> = commands
        .iter()
        .map(|command| triggers_read(&mut client, command))
        .collect();
    watch(&mut client, 2, 60);
    for (command, few) in commands.iter().zip(few) {
        let many = triggers_read(&mut client, command);
        assert!(
            many <= few + 5,
            "{command}: {few} rows with 2, {many} with 60"
        );
    }
}
