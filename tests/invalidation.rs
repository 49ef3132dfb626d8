//! What the invalidation trigger writes down where one golden file does not reach: keys of ledgers
//! for events, dumps, prepared transactions, and changes that arrive by replication.

mod common;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::{Ask, Cluster};
use postgres::Client;

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        Cluster::with_test_settings()
            .set("wal_level", "logical")
            .set("inventory_perf.notify_events", "on")
            .start()
    })
}

/// What the outbox says of changed levels, in the order of the statements; then it is emptied.
fn changes(client: &mut Client) -> Vec<String> {
    let rows = client
        .query(
            "SELECT coalesce(changes::text, 'none') FROM inventory_perf.cache_outbox ORDER BY ctid",
            &[],
        )
        .expect("read the outbox");
    client.run("TRUNCATE inventory_perf.cache_outbox");
    rows.iter().map(|row| row.get(0)).collect()
}

fn keys(client: &mut Client) -> Vec<Vec<String>> {
    client
        .query(
            "SELECT coalesce(keys, '{}') FROM inventory_perf.cache_outbox ORDER BY ctid",
            &[],
        )
        .expect("read the outbox")
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[test]
fn changed_levels_of_a_ledger_are_named() {
    let mut client = cluster().connect(&cluster().database());
    client.run(
        "CREATE TABLE moves (tenant uuid, product_id int, \"Lot\" text, quantity int, moved_at date);
         SELECT * FROM inventory_perf.attach_ledger('moves', tenant => 'tenant', dimensions => '{Lot}');
         SELECT inventory_perf.invalidate_on_change('moves')",
    );
    let tenant = "00000000-0000-0000-0000-00000000000a";
    let key = |product: i32, lot: &str| {
        format!("{{\"Lot\": \"{lot}\", \"tenant\": \"{tenant}\", \"product_id\": {product}}}")
    };
    client.run(&format!(
        "INSERT INTO moves VALUES ('{tenant}', 1, 'a', 5, '2024-01-01'), ('{tenant}', 1, 'a', 6, '2024-03-01'), \
                                  ('{tenant}', 2, 'it''s', 7, '2024-01-01'), (NULL, 3, 'x', 1, '2024-01-01')"
    ));
    // no level changes: no key is named, though the table changed
    client.run("UPDATE moves SET quantity = quantity");
    client.run("UPDATE moves SET \"Lot\" = 'b' WHERE product_id = 2");
    client.run("UPDATE moves SET quantity = 1e9 WHERE product_id = 2");
    client.run("DELETE FROM moves WHERE product_id = 1 AND quantity = 5");
    client.run(&format!(
        "INSERT INTO moves SELECT '{tenant}', n, '', 1, '2024-01-01' FROM generate_series(1, 101) AS n"
    ));
    client.run("TRUNCATE moves");
    assert_eq!(
        changes(&mut client),
        [
            format!("[{}, {}]", key(1, "a"), key(2, "it's")),
            "none".to_owned(),
            format!("[{}, {}]", key(2, "it's"), key(2, "b")),
            format!("[{}]", key(2, "b")),
            format!("[{}]", key(1, "a")),
            "{\"truncated\": true}".to_owned(),
            "{\"truncated\": true}".to_owned(),
        ]
    );
    // what is named can be asked for
    client.run(&format!(
        "INSERT INTO moves VALUES ('{tenant}', 1, 'a', 5, '2024-01-01')"
    ));
    let level: String = client
        .query_one(
            "SELECT s.quantity::text FROM inventory_perf.cache_outbox o, jsonb_array_elements(o.changes) AS c(key), \
                    inventory_perf.stock_on(o.relation::regclass, 'infinity', c.key) s",
            &[],
        )
        .expect("ask for the level")
        .get(0);
    assert_eq!(level, "5");
    client.run(
        "TRUNCATE inventory_perf.cache_outbox; SELECT * FROM inventory_perf.detach_ledger('moves')",
    );
    client.run("INSERT INTO moves VALUES (NULL, 1, 'a', 5, '2024-01-01')");
    assert_eq!(changes(&mut client), ["none"]);
}

#[test]
fn both_sides_of_a_transfer_and_every_partition_are_named() {
    let mut client = cluster().connect(&cluster().database());
    client.run(
        "CREATE TABLE moves (product_id int, location_from int, location_to int, quantity int, moved_at date)
             PARTITION BY RANGE (moved_at);
         CREATE TABLE moves_2024 PARTITION OF moves FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
         SELECT * FROM inventory_perf.attach_ledger('moves', from_location => 'location_from', to_location => 'location_to');
         SELECT inventory_perf.invalidate_on_change('moves')",
    );
    let name: String = client
        .query_one(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = 'stock_levels'::regclass AND attnum = 2",
            &[],
        )
        .expect("the location's name")
        .get(0);
    client.run("INSERT INTO moves VALUES (1, 10, 20, 5, '2024-01-01')");
    client.run("DELETE FROM moves_2024");
    let both =
        format!("[{{\"{name}\": 10, \"product_id\": 1}}, {{\"{name}\": 20, \"product_id\": 1}}]");
    assert_eq!(changes(&mut client), [both.clone(), both]);
}

#[test]
fn nothing_is_named_when_nobody_listens() {
    let silent = Cluster::with_test_settings().start();
    let mut client = silent.connect(&silent.database());
    client.run(
        "CREATE TABLE moves (product_id int, quantity int, moved_at date);
         SELECT * FROM inventory_perf.attach_ledger('moves');
         SELECT inventory_perf.invalidate_on_change('moves')",
    );
    client.run("INSERT INTO moves VALUES (1, 5, '2024-01-01')");
    assert_eq!(changes(&mut client), ["none"]);
}

#[test]
fn what_is_past_the_limit_is_logged_once_for_a_session_and_table() {
    let cluster = cluster();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    for table in ["wide", "by_row"] {
        client.run(&format!(
            "CREATE TABLE {table} (id int);
             SELECT inventory_perf.invalidate_on_change('{table}', ARRAY['w:{{id}}'])"
        ));
    }
    client.run(
        "SELECT inventory_perf.stop_invalidating('by_row');
         CREATE TRIGGER told AFTER INSERT ON by_row FOR EACH ROW
             EXECUTE FUNCTION inventory_perf.invalidate_cache('w:{id}')",
    );
    let lines = |table: &str| {
        let log = std::fs::read_to_string(cluster.log_file()).expect("the log");
        let about = format!("LOG:  a statement on \"public\".\"{table}\" makes more invalid");
        log.matches(&about).count()
    };
    let fill = |client: &mut Client, table: &str, rows: usize| {
        client.run(&format!(
            "INSERT INTO {table} SELECT generate_series(1, {rows})"
        ));
    };
    client.run("SET inventory_perf.outbox_keys_limit = 10");
    fill(&mut client, "wide", 10);
    client.run("TRUNCATE wide");
    assert_eq!(lines("wide"), 0);
    for _ in 0..3 {
        fill(&mut client, "wide", 11);
        fill(&mut client, "by_row", 15);
    }
    assert_eq!((lines("wide"), lines("by_row")), (1, 1));
    let mut other = cluster.connect(&database);
    fill(&mut other, "wide", 11);
    assert_eq!(lines("wide"), 1, "the limit is 1000 there");
    fill(&mut other, "wide", 1_001);
    assert_eq!(lines("wide"), 2);
}

#[test]
fn a_dump_carries_the_triggers() {
    let source = cluster().database();
    let mut client = cluster().connect(&source);
    client.run(
        "CREATE TABLE \"My Moves\" (\"Id\" int, day date) PARTITION BY RANGE (day);
         CREATE TABLE first PARTITION OF \"My Moves\" FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
         SELECT inventory_perf.invalidate_on_change('\"My Moves\"', keys => ARRAY['it''s {{{Id}}}\\'], when_changed => '{Id}');
         INSERT INTO \"My Moves\" VALUES (1, '2024-01-01')",
    );
    let target = cluster().empty_database();
    cluster().copy_by_dump(&source, &target);
    let triggers = "SELECT string_agg(concat_ws(' ', tgrelid::regclass, tgname, tgenabled::text, encode(tgargs, 'escape')), ', ' \
                    ORDER BY tgrelid::regclass::text, tgname) FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'inventory%'";
    let expected: String = client.query_one(triggers, &[]).expect("triggers").get(0);
    let mut restored = cluster().connect(&target);
    let found: String = restored.query_one(triggers, &[]).expect("triggers").get(0);
    assert_eq!(found, expected);
    // four of each table, and that of the partitioned one for rows that MERGE moves
    assert_eq!(found.matches(" A ").count(), 9, "{found}");
    // what was not delivered is of the other database; altering the new tables is told
    assert!(keys(&mut restored).iter().all(Vec::is_empty));
    restored.run("TRUNCATE inventory_perf.cache_outbox");
    restored.run("CREATE TABLE second PARTITION OF \"My Moves\" FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')");
    restored.run("TRUNCATE inventory_perf.cache_outbox");
    restored.run("INSERT INTO second VALUES (2, '2025-01-01')");
    restored.run("UPDATE \"My Moves\" SET \"Id\" = 3 WHERE \"Id\" = 1");
    assert_eq!(
        keys(&mut restored),
        [vec!["it's {2}\\"], vec!["it's {1}\\", "it's {3}\\"]]
    );
}

#[test]
fn a_prepared_transaction_counts_when_it_is_committed() {
    let database = cluster().database();
    let mut client = cluster().connect(&database);
    client.run(
        "CREATE TABLE t (id int);
         SELECT inventory_perf.invalidate_on_change('t', keys => ARRAY['t:{id}'])",
    );
    client.run("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'invalidation one'");
    client.run("BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'invalidation two'");
    assert!(keys(&mut client).is_empty());
    let mut other = cluster().connect(&database);
    other.run("COMMIT PREPARED 'invalidation one'");
    other.run("ROLLBACK PREPARED 'invalidation two'");
    assert_eq!(keys(&mut client), [vec!["t:1"]]);
}

#[test]
fn changes_that_arrive_by_replication_count() {
    let publisher = cluster().database();
    let subscriber = cluster().database();
    let mut source = cluster().connect(&publisher);
    let mut target = cluster().connect(&subscriber);
    let table = "CREATE TABLE t (id int PRIMARY KEY, a text)";
    source.run(table);
    target.run(table);
    // a session that applies changes itself
    target.run("SELECT inventory_perf.invalidate_on_change('t', keys => ARRAY['t:{id}'])");
    target.run("SET session_replication_role = replica; INSERT INTO t VALUES (0); RESET session_replication_role");
    assert_eq!(keys(&mut target), [vec!["t:0"]]);
    target
        .run("SELECT inventory_perf.stop_invalidating('t'); TRUNCATE inventory_perf.cache_outbox");

    source.run(
        "CREATE PUBLICATION p FOR ALL TABLES;
         SELECT inventory_perf.invalidate_on_change('t', keys => ARRAY['source:{id}'])",
    );
    source.run("SELECT pg_create_logical_replication_slot('invalidation', 'pgoutput')");
    target.run(&format!(
        "CREATE SUBSCRIPTION s CONNECTION 'dbname={publisher} host={} user=postgres' PUBLICATION p
         WITH (create_slot = false, slot_name = 'invalidation', copy_data = false)",
        cluster().directory().display()
    ));
    let refused = target
        .batch_execute("SELECT inventory_perf.invalidate_on_change('t')")
        .expect_err("statement triggers do not fire");
    assert!(
        refused
            .as_db_error()
            .is_some_and(|error| error.message().contains("subscription"))
    );
    target.run(
        "CREATE TRIGGER each_row AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW
             EXECUTE FUNCTION inventory_perf.invalidate_cache('t:{id}', 't:{a}');
         ALTER TABLE t ENABLE ALWAYS TRIGGER each_row",
    );
    source.run("INSERT INTO t VALUES (1, 'a')");
    source.run("UPDATE t SET a = 'b'");
    source.run("DELETE FROM t");
    let begun = Instant::now();
    while !keys(&mut target).iter().any(|keys| keys == &["t:1", "t:b"]) {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{:?}",
            keys(&mut target)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    // a publication of all tables does not stop the delivery from deleting
    source.run("DELETE FROM inventory_perf.cache_outbox");
    target.run("ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s");
    source.run("SELECT pg_drop_replication_slot('invalidation') FROM pg_stat_activity LIMIT 1");
}
