//! The background workers: where they run, what ends them, and that nothing is lost meanwhile.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster, ClusterOptions, Redis, send};
use postgres::Client;
use postgres::error::SqlState;
use redis::Commands;

const PATIENCE: Duration = Duration::from_secs(20);

fn preloaded(redis: &Redis) -> ClusterOptions {
    Cluster::with_test_settings()
        .set("shared_preload_libraries", "'inventory_perf'")
        .set("max_worker_processes", "16")
        .set("inventory_perf.redis_url", &format!("'{}'", redis.url()))
        .set("inventory_perf.worker_naptime", "'1h'")
        .set("inventory_perf.outbox_poll_interval", "'60s'")
        .set("inventory_perf.fold_interval", "'1s'")
}

/// Waits until `condition` holds.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn worker_of(client: &mut Client, database: &str) -> Option<i32> {
    client.ask(&format!(
        "SELECT max(pid) FROM pg_stat_activity
         WHERE backend_type = 'inventory_perf worker' AND datname = '{database}'"
    ))
}

fn wait_for_worker(client: &mut Client, database: &str) -> i32 {
    eventually(&format!("a worker in {database}"), || {
        worker_of(client, database).is_some()
    });
    worker_of(client, database).expect("the worker that was there")
}

/// Sets a key, makes it invalid, and waits until it is gone.
fn delivers(client: &mut Client, redis: &Redis) {
    let mut connection = redis.connect();
    let _: () = connection.set("stock:1", "old").expect("set a key");
    client.run("SELECT inventory_perf.invalidate_keys('stock:1')");
    eventually("the key is gone", || {
        !connection.exists::<_, bool>("stock:1").expect("ask Redis")
    });
}

fn epoch(redis: &Redis, database: &str) -> Option<String> {
    redis
        .connect()
        .get(format!("inventory_perf:{{{database}}}:epoch"))
        .expect("read the epoch")
}

fn took(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

#[test]
fn every_database_with_the_extension_has_a_worker() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).start();
    let first = cluster.database();
    let mut one = cluster.connect(&first);
    wait_for_worker(&mut one, &first);
    delivers(&mut one, &redis);

    // a later one, and one that comes as a copy
    let second = cluster.empty_database();
    let mut two = cluster.connect(&second);
    assert_eq!(worker_of(&mut two, &second), None);
    two.run("CREATE EXTENSION inventory_perf");
    wait_for_worker(&mut two, &second);
    delivers(&mut two, &redis);
    drop(one);
    let mut postgres = cluster.connect("postgres");
    postgres.run(&format!("CREATE DATABASE copy TEMPLATE {first}"));
    wait_for_worker(&mut postgres, "copy");
    wait_for_worker(&mut postgres, &first);
    delivers(&mut cluster.connect("copy"), &redis);

    // a rolled-back CREATE EXTENSION starts none
    let empty = cluster.empty_database();
    cluster
        .connect(&empty)
        .run("BEGIN; CREATE EXTENSION inventory_perf; ROLLBACK");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(worker_of(&mut postgres, &empty), None);
    let types = "SELECT DISTINCT backend_type, application_name FROM pg_stat_activity
                 WHERE backend_type LIKE 'inventory_perf%' ORDER BY 1";
    assert_eq!(
        postgres.rows(types),
        [
            "(\"inventory_perf launcher\",\"inventory_perf launcher\")",
            "(\"inventory_perf worker\",\"inventory_perf worker\")"
        ]
    );
    let running: i64 = cluster
        .connect(&first)
        .ask("SELECT count(*) FROM inventory_perf.worker_status WHERE state = 'running'");
    assert_eq!(running, 3);
}

#[test]
fn a_commit_wakes_the_worker_and_a_prepared_one_is_found() {
    let redis = Redis::new();
    let cluster = preloaded(&redis)
        .set("inventory_perf.outbox_poll_interval", "'2s'")
        .set("inventory_perf.cache_lease", "'60s'")
        .start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    wait_for_worker(&mut client, &database);
    delivers(&mut client, &redis);
    for savepoint in [
        "",
        "SAVEPOINT s; SELECT inventory_perf.invalidate_keys('b'); ROLLBACK TO s;",
    ] {
        let mut waits: Vec<Duration> = (0..20)
            .map(|_| {
                client.run(&format!(
                    "BEGIN; SELECT inventory_perf.invalidate_keys('a'); {savepoint} COMMIT"
                ));
                took(|| {
                    let all: bool = client.ask("SELECT inventory_perf.wait_until_delivered()");
                    assert!(all);
                })
            })
            .collect();
        waits.sort_unstable();
        assert!(waits[10] < Duration::from_millis(200), "{waits:?}");
    }
    let mut connection = redis.connect();
    let _: () = connection.set("prepared", "old").expect("set a key");
    client.run("BEGIN; SELECT inventory_perf.invalidate_keys('prepared'); PREPARE TRANSACTION 'p'");
    thread::sleep(Duration::from_millis(100));
    assert!(connection.exists::<_, bool>("prepared").expect("ask Redis"));
    cluster.connect(&database).run("COMMIT PREPARED 'p'");
    eventually("the prepared one is delivered", || {
        !connection.exists::<_, bool>("prepared").expect("ask Redis")
    });
}

#[test]
fn the_extension_can_be_dropped_while_the_workers_are_busy() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    for round in 0..3 {
        client.run(
            "CREATE TABLE moves (product_id int, quantity numeric, moved_at date);
             SELECT inventory_perf.attach_ledger('moves')",
        );
        wait_for_worker(&mut client, &database);
        let mut writer = cluster.connect(&database);
        let busy = thread::spawn(move || {
            // ends with an error when the function is gone
            while writer
                .batch_execute(
                    "SELECT inventory_perf.invalidate_keys('a', 'b');
                     INSERT INTO moves SELECT g, 1, current_date FROM generate_series(1, 100) g",
                )
                .is_ok()
            {}
        });
        thread::sleep(Duration::from_millis(700));
        let time = took(|| {
            // a writer in the middle may be the victim of the deadlock that it makes, or this
            while let Err(error) = client.batch_execute("DROP EXTENSION inventory_perf CASCADE") {
                assert_eq!(
                    error.code(),
                    Some(&SqlState::T_R_DEADLOCK_DETECTED),
                    "{error:?}"
                );
            }
        });
        assert!(time < Duration::from_secs(5), "round {round}: {time:?}");
        busy.join().expect("the writer ends");
        eventually("no worker is left", || {
            worker_of(&mut client, &database).is_none()
        });
        client.run(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE EXTENSION inventory_perf",
        );
        wait_for_worker(&mut client, &database);
        delivers(&mut client, &redis);
    }
}

#[test]
fn commands_that_need_the_database_alone_get_it() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).start();
    let mut postgres = cluster.connect("postgres");
    postgres.run("SET allow_in_place_tablespaces = on");
    postgres.run("CREATE TABLESPACE other LOCATION ''");
    let database = cluster.database();
    wait_for_worker(&mut postgres, &database);
    for command in [
        format!("ALTER DATABASE {database} RENAME TO renamed"),
        "ALTER DATABASE renamed SET TABLESPACE other".into(),
        "CREATE DATABASE copied TEMPLATE renamed".into(),
        "DROP DATABASE copied".into(),
        "DROP DATABASE renamed WITH (FORCE)".into(),
    ] {
        let time = took(|| postgres.run(&command));
        assert!(time < Duration::from_secs(4), "{command}: {time:?}");
        if !command.starts_with("DROP DATABASE renamed") {
            wait_for_worker(&mut postgres, "renamed");
        }
    }
    eventually("no worker is left", || {
        postgres.ask::<i64>(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'inventory_perf worker'",
        ) == 0
    });
}

#[test]
fn the_worker_comes_back_when_the_command_fails() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).start();
    let database = cluster.database();
    let mut inside = cluster.connect(&database);
    let pid = wait_for_worker(&mut inside, &database);
    let mut postgres = cluster.connect("postgres");
    let refused = postgres.refusal_code(&format!("DROP DATABASE {database}"));
    assert_eq!(refused, SqlState::OBJECT_IN_USE);
    let next = wait_for_worker(&mut inside, &database);
    assert_ne!(pid, next);
    delivers(&mut inside, &redis);

    // who may not run the command cannot send the worker away with it
    postgres.run("CREATE ROLE somebody LOGIN CREATEDB");
    let mut somebody = cluster.connect_as("somebody", "postgres");
    for command in [
        format!("DROP DATABASE {database}"),
        format!("ALTER DATABASE {database} RENAME TO x"),
        format!("CREATE DATABASE x TEMPLATE {database}"),
    ] {
        let refused = somebody.refusal_code(&command);
        assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE, "{command}");
    }
    assert_eq!(worker_of(&mut postgres, &database), Some(next));
}

#[test]
fn whatever_ends_a_worker_another_follows() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    let mut pid = wait_for_worker(&mut client, &database);
    let launcher = "SELECT pid FROM pg_stat_activity
                    WHERE backend_type = 'inventory_perf launcher'";
    for _ in 0..2 {
        client.run(&format!("SELECT pg_terminate_backend({pid})"));
        eventually("another worker", || {
            worker_of(&mut client, &database).is_some_and(|next| next != pid)
        });
        pid = wait_for_worker(&mut client, &database);
        delivers(&mut client, &redis);
    }
    // the launcher: workers go on, and a new one looks after them
    let first: i32 = client.ask(launcher);
    client.run(&format!("SELECT pg_terminate_backend({first})"));
    eventually("another launcher", || {
        client
            .rows(launcher)
            .iter()
            .any(|row| *row != format!("({first})"))
    });
    assert_eq!(worker_of(&mut client, &database), Some(pid));
    client.run(&format!("SELECT pg_terminate_backend({pid})"));
    eventually("another worker", || {
        worker_of(&mut client, &database).is_some_and(|next| next != pid)
    });
    delivers(&mut client, &redis);

    // a crash of the worker resets the server; what was committed is delivered, and nothing that
    // was stored before is believed
    let before = epoch(&redis, &database);
    let pid = wait_for_worker(&mut client, &database);
    redis.freeze();
    client.run("SELECT inventory_perf.invalidate_keys('committed')");
    send("KILL", pid as u32);
    eventually("the server is back", || {
        cluster.config(&database).connect(postgres::NoTls).is_ok()
            && cluster
                .config(&database)
                .connect(postgres::NoTls)
                .is_ok_and(|mut client| client.simple_query("SELECT 1").is_ok())
    });
    redis.thaw();
    let mut client = cluster.connect(&database);
    wait_for_worker(&mut client, &database);
    let all: bool = client.ask("SELECT inventory_perf.wait_until_delivered()");
    assert!(all);
    assert_ne!(epoch(&redis, &database), before);
    delivers(&mut client, &redis);
}

#[test]
fn a_new_epoch_begins_when_the_store_is_not_the_one_it_was() {
    let redis = Redis::new();
    let cluster = preloaded(&redis)
        .set("inventory_perf.cache_lease", "'600ms'")
        .start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    wait_for_worker(&mut client, &database);
    delivers(&mut client, &redis);
    let recorded = |client: &mut Client| -> String {
        client.ask("SELECT epoch FROM inventory_perf.cache_state")
    };
    let mut last = recorded(&mut client);
    let steps: [(&str, &dyn Fn()); 3] = [
        ("FLUSHALL", &|| {
            redis::cmd("FLUSHALL")
                .exec(&mut redis.connect())
                .expect("flush");
        }),
        ("restart", &|| redis.restart()),
        ("another epoch", &|| {
            let key = format!("inventory_perf:{{{database}}}:epoch");
            let _: () = redis.connect().set(key, "x").expect("set the epoch");
        }),
    ];
    for (what, step) in steps {
        step();
        eventually(&format!("a new epoch after {what}"), || {
            let now = recorded(&mut client);
            now != last && epoch(&redis, &database).as_deref() == Some(&now)
        });
        last = recorded(&mut client);
    }
    client.run("SELECT inventory_perf.cache_flush()");
    eventually("a new epoch after cache_flush()", || {
        recorded(&mut client) != last
    });
}

#[test]
fn settings_are_reloaded() {
    let (first, second) = (Redis::new(), Redis::new());
    let cluster = preloaded(&first).start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    let pid = wait_for_worker(&mut client, &database);
    delivers(&mut client, &first);
    client.run(&format!(
        "ALTER SYSTEM SET inventory_perf.redis_url = '{}'",
        second.url()
    ));
    client.run("SELECT pg_reload_conf()");
    eventually("an epoch in the other Redis", || {
        epoch(&second, &database).is_some()
    });
    delivers(&mut client, &second);
    assert_eq!(worker_of(&mut client, &database), Some(pid));
    let unix = second.socket_url();
    client.run(&format!(
        "ALTER SYSTEM SET inventory_perf.redis_url = '{unix}'"
    ));
    client.run("SELECT pg_reload_conf()");
    delivers(&mut client, &second);
}

#[test]
fn a_standby_has_no_workers_until_it_is_promoted() {
    let redis = Redis::new();
    let primary = preloaded(&redis).start();
    let database = primary.database();
    let mut client = primary.connect(&database);
    wait_for_worker(&mut client, &database);
    delivers(&mut client, &redis);
    let standby = primary.standby();
    standby.wait_for_replay_of(&primary);
    let before = epoch(&redis, &database);
    let mut other = standby.connect(&database);
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'inventory_perf%'";
    assert_eq!(other.ask::<i64>(ours), 0);
    let refused = other.refusal_code("SELECT inventory_perf.deliver_invalidations()");
    assert_eq!(refused, SqlState::READ_ONLY_SQL_TRANSACTION);
    primary.stop("fast");
    other.run("SELECT pg_promote()");
    wait_for_worker(&mut other, &database);
    delivers(&mut other, &redis);
    assert_ne!(epoch(&redis, &database), before);
}

#[test]
fn the_server_stops_in_the_middle_of_a_delivery() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    wait_for_worker(&mut client, &database);
    delivers(&mut client, &redis);
    redis.freeze();
    let time = took(|| {
        client.run("SELECT inventory_perf.invalidate_keys('a') FROM generate_series(1, 5000)")
    });
    assert!(time < Duration::from_secs(5), "writing took {time:?}");
    thread::sleep(Duration::from_millis(400));
    drop(client);
    let time = took(|| cluster.stop("fast"));
    assert!(time < Duration::from_secs(5), "{time:?}");
    redis.thaw();
    let mut connection = redis.connect();
    let _: () = connection.set("a", "old").expect("set a key");
    cluster.start();
    eventually("what was left is delivered", || {
        !connection.exists::<_, bool>("a").expect("ask Redis")
    });
}

#[test]
fn a_long_backlog_becomes_one_epoch() {
    let redis = Redis::new();
    let cluster = preloaded(&redis)
        .set("inventory_perf.outbox_cap", "1000")
        .start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    wait_for_worker(&mut client, &database);
    delivers(&mut client, &redis);
    let before = epoch(&redis, &database);
    let append = "SELECT count(inventory_perf.invalidate_keys('k' || g)) FROM generate_series(1,";
    redis.freeze();
    client.run(&format!("{append} 5000) g"));
    thread::sleep(Duration::from_millis(500));
    redis.thaw();
    let all: bool = client.ask("SELECT inventory_perf.wait_until_delivered()");
    assert!(all);
    assert_ne!(epoch(&redis, &database), before);
    let delivered: i64 = client.ask("SELECT delivered FROM inventory_perf.worker_status");
    assert!(delivered >= 5000, "{delivered}");
}

#[test]
fn patterns_remove_what_matches() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    wait_for_worker(&mut client, &database);
    let mut connection = redis.connect();
    for key in 0..5_000 {
        let _: () = connection
            .set(format!("stock:{key}"), 1)
            .expect("set a key");
    }
    let _: () = connection.set("other", 1).expect("set a key");
    client.run("SELECT inventory_perf.invalidate_pattern('stock:*')");
    let all: bool = client.ask("SELECT inventory_perf.wait_until_delivered()");
    assert!(all);
    let left: Vec<String> = connection.keys("stock:*").expect("list keys");
    assert_eq!(left, Vec::<String>::new());
    assert!(connection.exists::<_, bool>("other").expect("ask Redis"));
}

#[test]
fn ledgers_are_folded_and_their_levels_told() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).set("autovacuum", "off").start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    wait_for_worker(&mut client, &database);
    client.run(
        "CREATE TABLE moves (product_id int, quantity numeric, moved_at date);
         SELECT inventory_perf.attach_ledger('moves');
         INSERT INTO moves SELECT g, 1, current_date FROM generate_series(1, 100) g",
    );
    eventually("the ledger is folded", || {
        client.ask::<i64>("SELECT pending_rows FROM inventory_perf.ledgers") == 0
    });
    let folds: i64 = client.ask("SELECT folds FROM inventory_perf.worker_status");
    assert!(folds > 0);
    // what a large fold leaves behind is vacuumed
    client.run("INSERT INTO moves SELECT g, 1, current_date FROM generate_series(1, 30000) g");
    eventually("the pending table is vacuumed", || {
        client.ask::<i64>(
            "SELECT vacuum_count FROM pg_stat_all_tables WHERE relid = 'stock_pending'::regclass",
        ) > 0
    });
    // its fold worker leaves with the last ledger
    client.run("SELECT inventory_perf.detach_ledger('moves', true)");
    eventually("no fold worker is left", || {
        client.ask::<i64>(
            "SELECT count(*) FROM pg_stat_activity
             WHERE backend_type = 'inventory_perf fold worker'",
        ) == 0
    });
}

#[test]
fn events_follow_what_became_invalid() {
    let redis = Redis::new();
    let cluster = preloaded(&redis)
        .set("inventory_perf.notify_events", "on")
        .set("inventory_perf.outbox_poll_interval", "'200ms'")
        .start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    wait_for_worker(&mut client, &database);
    client.run(
        "CREATE TABLE moves (product_id int, quantity numeric, moved_at date);
         SELECT inventory_perf.attach_ledger('moves');
         SELECT inventory_perf.invalidate_on_change('moves', keys => '{\"stock:{product_id}\"}',
             tags => '{all}', channels => '{mine}');
         LISTEN \"inventory:level:updated\"",
    );
    let mut connection = redis.connect();
    let _: () = connection.set("stock:7", "old").expect("set a key");
    let mut subscriber = redis.connect();
    subscriber
        .set_read_timeout(Some(PATIENCE))
        .expect("bound the wait");
    let mut subscription = subscriber.as_pubsub();
    subscription
        .subscribe(&["inventory:update", "inventory:level:updated", "mine"])
        .expect("subscribe");
    client.run(
        "INSERT INTO moves VALUES (7, 2.50, current_date), (7, 4, current_date + 1);
         INSERT INTO inventory_perf.cache_outbox
         SELECT now(), 'moves'::regclass, NULL, '{}', '{}', '{}', '{}', '{}',
                '[{\"product_id\": 7}]', false, false",
    );
    let mut heard = std::collections::HashMap::new();
    while heard.len() < 3 {
        let message = subscription.get_message().expect("hear an event");
        assert!(!connection.exists::<_, bool>("stock:7").expect("ask Redis"));
        let payload: String = message.get_payload().expect("a payload");
        let payload: serde_json::Value = serde_json::from_str(&payload).expect("JSON");
        heard
            .entry(message.get_channel_name().to_owned())
            .or_insert(payload);
    }
    for channel in ["inventory:update", "mine"] {
        let event = &heard[channel];
        assert_eq!(event["relation"], "\"public\".\"moves\"", "{event}");
        assert_eq!(event["operation"], "INSERT", "{event}");
        assert_eq!(event["keys"], serde_json::json!(["stock:7"]), "{event}");
        assert_eq!(event["tags"], serde_json::json!(["all"]), "{event}");
        assert!(event["captured_at"].is_string(), "{event}");
    }
    let level = &heard["inventory:level:updated"];
    assert_eq!(
        level["key"],
        serde_json::json!({"product_id": 7}),
        "{level}"
    );
    assert_eq!(level["quantity"].as_f64(), Some(6.5), "{level}");
    let mut notified = client.notifications();
    let mut waiting = notified.timeout_iter(PATIENCE);
    let notification = postgres::fallible_iterator::FallibleIterator::next(&mut waiting)
        .expect("listen")
        .expect("a notification");
    assert!(notification.payload().contains("6.50"), "{notification:?}");
}

#[test]
fn without_preload_a_call_delivers() {
    let redis = Redis::new();
    let cluster = Cluster::with_test_settings()
        .set("inventory_perf.redis_url", &format!("'{}'", redis.url()))
        .start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    let mut connection = redis.connect();
    let _: () = connection.set("a", "old").expect("set a key");
    client.run("SELECT inventory_perf.invalidate_keys('a')");
    let waited: bool = client.ask("SELECT inventory_perf.wait_until_delivered('50 ms')");
    assert!(!waited, "nobody delivers by himself");
    let delivered: i64 = client.ask("SELECT inventory_perf.deliver_invalidations()");
    assert_eq!(delivered, 1);
    assert!(!connection.exists::<_, bool>("a").expect("ask Redis"));
    assert_eq!(
        client.ask::<i64>("SELECT inventory_perf.deliver_invalidations()"),
        0
    );
    client.run("BEGIN; SELECT inventory_perf.invalidate_keys('a')");
    let refused = client.refusal_code("SELECT inventory_perf.deliver_invalidations()");
    assert_eq!(refused, SqlState::ACTIVE_SQL_TRANSACTION);
    client.run("ROLLBACK");
    redis.freeze();
    client.run("SELECT inventory_perf.invalidate_keys('b')");
    let refused = client.refusal("SELECT inventory_perf.deliver_invalidations()");
    assert_eq!(refused.code(), &SqlState::CONNECTION_EXCEPTION);
    assert!(refused.hint().is_some());
    redis.thaw();
    assert_eq!(
        client.ask::<i64>("SELECT inventory_perf.deliver_invalidations()"),
        1
    );
    let rows: i64 = client.ask("SELECT count(*) FROM inventory_perf.worker_status");
    assert_eq!(rows, 0);
}

#[test]
fn too_few_worker_processes_are_warned_about() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).set("max_worker_processes", "3").start();
    let databases: Vec<String> = (0..3).map(|_| cluster.database()).collect();
    let log = || std::fs::read_to_string(cluster.log_file()).expect("read the log");
    eventually("a warning", || {
        log().contains("Increase max_worker_processes")
    });
    // what has no worker delivers by hand, and gets one as soon as there is room
    let mut postgres = cluster.connect("postgres");
    let without = databases
        .iter()
        .find(|database| worker_of(&mut postgres, database).is_none())
        .expect("a database without a worker");
    let mut client = cluster.connect(without);
    client.run("SELECT inventory_perf.invalidate_keys('a')");
    assert_eq!(
        client.ask::<i64>("SELECT inventory_perf.deliver_invalidations()"),
        1
    );
    let with = databases
        .iter()
        .find(|database| worker_of(&mut postgres, database).is_some())
        .expect("a database with a worker");
    postgres.run(&format!("DROP DATABASE {with}"));
    wait_for_worker(&mut postgres, without);
}
