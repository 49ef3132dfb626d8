//! What one ledger's owner, or anybody with a lock, can keep from the others: nothing.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster, Redis};
use postgres::Client;

const PATIENCE: Duration = Duration::from_secs(30);

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Ledgers `a.moves`, `b.moves`, …, each of a role of that name, with one pending movement.
fn attach(client: &mut Client, owners: &[&str]) {
    for owner in owners {
        client
            .batch_execute(&format!(
                "DO $$ BEGIN CREATE ROLE {owner}; EXCEPTION WHEN duplicate_object THEN END $$;
                 CREATE SCHEMA {owner} AUTHORIZATION {owner};
                 SET ROLE {owner};
                 CREATE TABLE {owner}.moves (product int, quantity int, moved_on date);
                 SELECT inventory_perf.attach_ledger('{owner}.moves', product => 'product',
                     quantity => 'quantity', moved_at => 'moved_on');
                 INSERT INTO {owner}.moves VALUES (1, 5, '2025-01-01');
                 RESET ROLE"
            ))
            .unwrap_or_else(|error| panic!("cannot attach: {error:?}"));
    }
}

fn pending(client: &mut Client, owner: &str) -> i64 {
    client.ask(&format!("SELECT count(*) FROM {owner}.stock_pending"))
}

#[test]
fn a_locked_ledger_keeps_nobody_waiting() {
    let cluster = Cluster::with_test_settings().start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    attach(&mut client, &["a", "b", "c"]);
    let mut other = cluster.connect(&database);
    for table in ["stock_pending", "stock_days", "stock_openings"] {
        let mut lock = other.transaction().expect("a transaction");
        lock.batch_execute(&format!("LOCK TABLE b.{table} IN ACCESS EXCLUSIVE MODE"))
            .expect("lock");
        let began = Instant::now();
        let shown: Vec<(String, Option<i64>)> = client
            .query(
                "SELECT ledger::text, pending_rows FROM inventory_perf.ledgers ORDER BY 1",
                &[],
            )
            .expect("the ledgers")
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        assert!(began.elapsed() < Duration::from_secs(5), "{table}");
        assert_eq!(shown.len(), 3, "{table}");
        assert_eq!(shown[1], ("b.moves".to_owned(), None), "{table}");
        assert!(shown[0].1.is_some() && shown[2].1.is_some(), "{table}");
        client
            .batch_execute("INSERT INTO a.moves VALUES (1, 1, '2025-01-01'); INSERT INTO c.moves VALUES (1, 1, '2025-01-01')")
            .expect("write");
        let folded: i64 = client.ask(
            "SELECT count(*) FROM inventory_perf.populate_daily_stock_snapshots() WHERE deltas_folded > 0",
        );
        assert_eq!(folded, 2, "{table}");
        lock.rollback().expect("unlock");
        let error: Option<String> = client.ask(
            "SELECT last_error FROM inventory_perf.ledgers WHERE ledger = 'b.moves'::regclass",
        );
        assert!(
            error.is_some_and(|error| error.contains("lock timeout")),
            "{table}"
        );
    }
    // what is waited for is a row as well: another fold whose transaction stays open
    let mut fold = other.transaction().expect("a transaction");
    fold.batch_execute("SELECT * FROM inventory_perf.populate_daily_stock_snapshots('b.moves')")
        .expect("fold");
    client
        .batch_execute("INSERT INTO c.moves VALUES (1, 1, '2025-01-01')")
        .expect("write");
    let folded: i64 = client.ask(
        "SELECT count(*) FROM inventory_perf.populate_daily_stock_snapshots() WHERE deltas_folded > 0",
    );
    assert_eq!(folded, 1);
}

#[test]
fn the_fold_worker_goes_on_past_a_locked_ledger() {
    let cluster = Cluster::with_test_settings()
        .set("shared_preload_libraries", "'inventory_perf'")
        .set("max_worker_processes", "16")
        .set("inventory_perf.worker_naptime", "'1s'")
        .set("inventory_perf.fold_interval", "'1s'")
        .start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    attach(&mut client, &["a", "b", "c"]);
    eventually("a first fold of all", || {
        ["a", "b", "c"]
            .iter()
            .all(|owner| pending(&mut client, owner) == 0)
    });
    let mut other = cluster.connect(&database);
    let mut lock = other.transaction().expect("a transaction");
    lock.batch_execute("INSERT INTO b.moves VALUES (1, 1, '2025-01-01'); LOCK TABLE b.stock_pending IN ACCESS EXCLUSIVE MODE")
        .expect("lock");
    for _ in 0..3 {
        client
            .batch_execute("INSERT INTO a.moves VALUES (1, 1, '2025-01-01'); INSERT INTO c.moves VALUES (1, 1, '2025-01-01')")
            .expect("write");
        eventually("the others are folded", || {
            pending(&mut client, "a") == 0 && pending(&mut client, "c") == 0
        });
    }
    eventually("the error is shown", || {
        client
            .ask::<Option<String>>(
                "SELECT last_error FROM inventory_perf.ledgers WHERE ledger = 'b.moves'::regclass",
            )
            .is_some()
    });
    lock.commit().expect("unlock");
    eventually("it is folded as well", || pending(&mut client, "b") == 0);
}

#[test]
fn what_an_owner_replaces_stops_no_events() {
    let redis = Redis::new();
    let cluster = Cluster::with_test_settings()
        .set("shared_preload_libraries", "'inventory_perf'")
        .set("max_worker_processes", "16")
        .set("inventory_perf.redis_url", &format!("'{}'", redis.url()))
        .set("inventory_perf.worker_naptime", "'1s'")
        .set("inventory_perf.notify_events", "on")
        .set("inventory_perf.fold_interval", "'1h'")
        .start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    attach(&mut client, &["a", "b"]);
    client
        .batch_execute(
            "SELECT inventory_perf.invalidate_on_change('a.moves');
             SELECT inventory_perf.invalidate_on_change('b.moves')",
        )
        .expect("watch");
    for body in [
        "SELECT 1, 1::numeric FROM pg_sleep(3600)",
        "SELECT 1, 1 / 0.0",
    ] {
        client
            .batch_execute(&format!(
                "SET ROLE a;
                 CREATE OR REPLACE FUNCTION a.stock_on(as_of date)
                     RETURNS TABLE (product int, quantity numeric) LANGUAGE sql AS $$ {body} $$;
                 RESET ROLE"
            ))
            .expect("replace");
        let mut listener = cluster.connect(&database);
        listener
            .batch_execute("LISTEN \"inventory:level:updated\"")
            .expect("listen");
        client
            .batch_execute("BEGIN; INSERT INTO a.moves VALUES (1, 1, '2025-01-01'); INSERT INTO b.moves VALUES (1, 1, '2025-01-01'); COMMIT")
            .expect("write");
        let mut heard = Vec::new();
        eventually("levels of both ledgers", || {
            use postgres::fallible_iterator::FallibleIterator;
            let mut notifications = listener.notifications();
            let mut arriving = notifications.timeout_iter(Duration::from_millis(50));
            while let Ok(Some(notification)) = arriving.next() {
                heard.push(notification.payload().to_owned());
            }
            ["a.moves", "b.moves"]
                .iter()
                .all(|ledger| heard.iter().any(|payload| payload.contains(ledger)))
        });
        eventually("everything is delivered", || {
            client.ask::<i64>("SELECT count(*) FROM inventory_perf.cache_outbox") == 0
        });
    }
    // The answer is that of the storage, before and after a fold.
    let levels: i64 = client.ask("SELECT sum(quantity_on_hand)::bigint FROM b.stock_levels");
    assert_eq!(levels, 7);
}

#[test]
fn a_locked_ledger_loses_only_its_own_events() {
    let redis = Redis::new();
    let cluster = Cluster::with_test_settings()
        .set("shared_preload_libraries", "'inventory_perf'")
        .set("max_worker_processes", "16")
        .set("inventory_perf.redis_url", &format!("'{}'", redis.url()))
        .set("inventory_perf.worker_naptime", "'1s'")
        .set("inventory_perf.notify_events", "on")
        .set("inventory_perf.fold_interval", "'1h'")
        .start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    attach(&mut client, &["a", "b"]);
    client
        .batch_execute(
            "SELECT inventory_perf.invalidate_on_change('a.moves');
             SELECT inventory_perf.invalidate_on_change('b.moves');
             SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
        )
        .expect("watch");
    let mut other = cluster.connect(&database);
    let mut lock = other.transaction().expect("a transaction");
    lock.batch_execute("LOCK TABLE a.stock_days IN ACCESS EXCLUSIVE MODE")
        .expect("lock");
    let mut listener = cluster.connect(&database);
    listener
        .batch_execute("LISTEN \"inventory:level:updated\"")
        .expect("listen");
    client
        .batch_execute("BEGIN; INSERT INTO a.moves VALUES (1, 1, '2025-01-01'); INSERT INTO b.moves VALUES (1, 1, '2025-01-01'); COMMIT")
        .expect("write");
    let mut heard = Vec::new();
    eventually("the level of the other ledger", || {
        use postgres::fallible_iterator::FallibleIterator;
        let mut notifications = listener.notifications();
        let mut arriving = notifications.timeout_iter(Duration::from_millis(50));
        while let Ok(Some(notification)) = arriving.next() {
            heard.push(notification.payload().to_owned());
        }
        heard
            .iter()
            .any(|payload| payload.contains("b.moves") && payload.contains("\"quantity\": 6"))
    });
    eventually("the error is recorded", || {
        client
            .ask::<Option<String>>(
                "SELECT last_error FROM inventory_perf.ledgers WHERE ledger = 'a.moves'::regclass",
            )
            .is_some()
    });
    assert!(!heard.iter().any(|payload| payload.contains("a.moves")));
    lock.rollback().expect("unlock");
}

/// Code of an owner that a worker could meet: a policy on the storage, which belongs to the owner. The
/// ledger is stale with it, and nobody evaluates it.
#[test]
fn code_of_an_owner_is_not_run_by_a_worker() {
    let redis = Redis::new();
    let cluster = Cluster::with_test_settings()
        .set("shared_preload_libraries", "'inventory_perf'")
        .set("max_worker_processes", "16")
        .set("inventory_perf.redis_url", &format!("'{}'", redis.url()))
        .set("inventory_perf.worker_naptime", "'1s'")
        .set("inventory_perf.notify_events", "on")
        .set("inventory_perf.fold_interval", "'1s'")
        .set("inventory_perf.fold_timeout", "'2s'")
        .start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    attach(&mut client, &["a", "b"]);
    client.run(
        "SELECT inventory_perf.invalidate_on_change('a.moves');
         SELECT inventory_perf.invalidate_on_change('b.moves');
         SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
    );
    for table in [
        "stock_pending",
        "stock_days",
        "stock_openings",
        "stock_months",
    ] {
        client.run(&format!(
            "SET ROLE a;
             CREATE POLICY slow ON a.{table} USING (pg_sleep(3600) IS NOT NULL);
             ALTER TABLE a.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
             RESET ROLE"
        ));
    }
    let mut listener = cluster.connect(&database);
    listener.run("LISTEN \"inventory:level:updated\"");
    let mut heard = Vec::new();
    for quantity in 6..9 {
        client.run(
            "BEGIN; INSERT INTO a.moves VALUES (1, 1, '2025-01-01'); INSERT INTO b.moves VALUES (1, 1, '2025-01-01'); COMMIT",
        );
        eventually("the level of the other ledger", || {
            use postgres::fallible_iterator::FallibleIterator;
            let mut notifications = listener.notifications();
            let mut arriving = notifications.timeout_iter(Duration::from_millis(50));
            while let Ok(Some(notification)) = arriving.next() {
                heard.push(notification.payload().to_owned());
            }
            let level = format!("\"quantity\": {quantity}");
            heard
                .iter()
                .any(|payload| payload.contains("b.moves") && payload.contains(&level))
        });
        eventually("the other ledger is folded", || {
            pending(&mut client, "b") == 0
        });
    }
    eventually("what is wrong is recorded", || {
        client
            .ask::<Option<String>>(
                "SELECT last_error FROM inventory_perf.ledgers WHERE ledger = 'a.moves'::regclass",
            )
            .is_some_and(|error| error.contains("has row-level security"))
    });
    let began = Instant::now();
    client.run("SELECT count(*) FROM inventory_perf.ledgers");
    assert!(began.elapsed() < Duration::from_secs(10));
}
