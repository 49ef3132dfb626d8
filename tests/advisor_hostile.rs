//! What the advisor leaves behind when it is stopped, and what it takes for a large workload.

mod common;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster};
use postgres::Client;

const TABLE: &str = "
    CREATE TABLE items AS
    SELECT n AS id, n % 5000 AS product, n % 97 AS zone, n % 31 AS shelf, 'part ' || n AS name, n % 7 AS level
    FROM generate_series(1, 60000) n;
    ANALYZE items";

/// Statements of many shapes, so that the search has something to do.
const MANY: &str = "
    SELECT array_agg(format('SELECT * FROM items WHERE %s = $1 AND %s > $2 ORDER BY %s LIMIT %s', a, b, c, n))
    FROM generate_series(1, 12) n,
         unnest('{id,product,zone,shelf,name,level}'::text[]) a,
         unnest('{id,product,zone,shelf}'::text[]) b, unnest('{id,zone,level}'::text[]) c
    WHERE a <> b AND a <> c";

fn items(cluster: &Cluster) -> Client {
    let mut client = cluster.connect(&cluster.database());
    client.run("CREATE EXTENSION hypopg");
    client.run(TABLE);
    client
}

/// A hypothetical index of the session's own, a prepared statement and a setting; and the plans
/// that show them.
fn assert_as_it_was(client: &mut Client) {
    assert_eq!(
        client.ask::<i64>("SELECT count(*) FROM hypopg_list_indexes"),
        1
    );
    let plan = client
        .query(
            "EXPLAIN (COSTS OFF) SELECT FROM items WHERE name = 'part 7'",
            &[],
        )
        .expect("a plan");
    assert!(
        plan[0].get::<_, String>(0).contains("btree_items_name"),
        "{plan:?}"
    );
    let plan = client
        .query(
            "EXPLAIN (COSTS OFF) SELECT FROM items WHERE product = 7",
            &[],
        )
        .expect("a plan");
    assert!(plan[0].get::<_, String>(0).contains("Seq Scan"), "{plan:?}");
    assert_eq!(client.ask::<i32>("EXECUTE mine"), 1);
    assert_eq!(client.ask::<String>("SHOW work_mem"), "7MB");
}

#[test]
fn nothing_stays_when_it_is_cancelled() {
    let cluster = Cluster::with_test_settings().start();
    let mut client = items(&cluster);
    client.run(
        "SET work_mem = '7MB'; PREPARE mine AS SELECT 1;
         SELECT FROM hypopg_create_index('CREATE INDEX ON items (name)')",
    );
    let advise = format!(
        "SELECT count(*) FROM inventory_perf.advise_indexes(({MANY}), time_limit => '30 s')"
    );
    // At every stage: while statements are read, planned, and searched for.
    let mut cancelled = 0;
    for milliseconds in [1, 3, 10, 30, 100, 200, 400, 700, 1000, 1500] {
        client.run(&format!("SET statement_timeout = {milliseconds}"));
        if let Err(error) = client.batch_execute(&advise) {
            assert_eq!(error.code().expect("a code").code(), "57014");
            cancelled += 1;
        }
        client.run("RESET statement_timeout");
        assert_as_it_was(&mut client);
    }
    assert!(cancelled >= 5, "{cancelled}");
    // By another session, as Ctrl-C does, inside a transaction that goes on.
    let backend: i32 = client.ask("SELECT pg_backend_pid()");
    let mut other = cluster.connect("postgres");
    let canceller = thread::spawn(move || {
        thread::sleep(Duration::from_millis(900));
        other.ask::<bool>(&format!("SELECT pg_cancel_backend({backend})"))
    });
    client.run("BEGIN; SAVEPOINT here");
    let refused = client.batch_execute(&advise).expect_err("cancelled");
    assert_eq!(refused.code().expect("a code").code(), "57014");
    client.run("ROLLBACK TO here");
    assert!(canceller.join().expect("the canceller"));
    assert_as_it_was(&mut client);
    client.run("COMMIT");
}

#[test]
fn a_workload_that_takes_longer_than_the_limit_is_told() {
    let cluster = Cluster::with_test_settings().start();
    let database = cluster.database();
    let (mut client, messages) = cluster.connect_hearing(&database);
    client.run("CREATE EXTENSION hypopg");
    client.run(TABLE);
    let mut told = |statements: usize, limit: &str| {
        messages.lock().expect("the messages").clear();
        client.run(&format!(
            "SELECT count(*) FROM inventory_perf.advise_indexes((
                 SELECT array_agg(format('SELECT name FROM items WHERE product = %s AND zone > %s ORDER BY id', n, n % 50))
                 FROM generate_series(1, {statements}) n), time_limit => '{limit}')"
        ));
        let messages = messages.lock().expect("the messages");
        messages
            .iter()
            .any(|message| message.starts_with("the workload alone took"))
    };
    assert!(told(40_000, "200 ms"));
    assert!(!told(10, "60 s"));
}

#[test]
fn ten_thousand_statements_are_a_matter_of_seconds_and_little_memory() {
    let cluster = Cluster::with_test_settings().start();
    let mut client = items(&cluster);
    let backend: i32 = client.ask("SELECT pg_backend_pid()");
    let memory = || -> u64 {
        let status = fs::read_to_string(format!("/proc/{backend}/status")).expect("its status");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
        kilobytes.expect("a peak").parse().expect("a number")
    };
    let before = memory();
    let started = Instant::now();
    let indexes: i64 = client.ask(
        "SELECT count(*) FROM inventory_perf.advise_indexes((
             SELECT array_agg(format('SELECT name FROM items WHERE product = %s AND zone > %s ORDER BY id', n, n % 50))
             FROM generate_series(1, 10000) n), time_limit => '30 s')",
    );
    let (seconds, megabytes) = (started.elapsed().as_secs_f64(), (memory() - before) / 1024);
    println!("{indexes} indexes in {seconds:.1} s, {megabytes} MiB more");
    assert!((1..=3).contains(&indexes), "{indexes}");
    assert!(megabytes < 500, "{megabytes} MiB");
    assert!(seconds < 60.0, "{seconds} s");
}
