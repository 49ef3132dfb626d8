//! What became invalid is delivered, whatever happens meanwhile.

use super::*;

#[test]
fn a_commit_wakes_the_worker_and_a_prepared_one_is_found() {
    let Served {
        redis,
        cluster,
        database,
        mut client,
    } = Served::new(&[
        ("inventory_perf.outbox_poll_interval", "'2s'"),
        ("inventory_perf.cache_lease", "'60s'"),
    ]);
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
fn a_new_epoch_begins_when_the_store_is_not_the_one_it_was() {
    let Served {
        redis,
        database,
        client,
        ..
    } = &mut Served::new(&[("inventory_perf.cache_lease", "'600ms'")]);
    let recorded = |client: &mut Client| -> String {
        client.ask("SELECT epoch FROM inventory_perf.cache_state")
    };
    let mut last = recorded(client);
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
            let now = recorded(client);
            now != last && epoch(redis, database).as_deref() == Some(&now)
        });
        last = recorded(client);
    }
    client.run("SELECT inventory_perf.cache_flush()");
    eventually("a new epoch after cache_flush()", || {
        recorded(client) != last
    });
}

#[test]
fn the_server_stops_in_the_middle_of_a_delivery() {
    let Served {
        redis,
        cluster,
        mut client,
        ..
    } = Served::new(&[]);
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
    let Served {
        redis,
        database,
        client,
        ..
    } = &mut Served::new(&[("inventory_perf.outbox_cap", "1000")]);
    let before = epoch(redis, database);
    let append = "SELECT count(inventory_perf.invalidate_keys('k' || g)) FROM generate_series(1,";
    redis.freeze();
    client.run(&format!("{append} 5000) g"));
    thread::sleep(Duration::from_millis(500));
    redis.thaw();
    let all: bool = client.ask("SELECT inventory_perf.wait_until_delivered()");
    assert!(all);
    assert_ne!(epoch(redis, database), before);
    let delivered: i64 = client.ask("SELECT delivered FROM inventory_perf.worker_status");
    assert!(delivered >= 5000, "{delivered}");
}

#[test]
fn patterns_remove_what_matches() {
    let Served { redis, client, .. } = &mut Served::new(&[]);
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
