//! Values under keys, in Redis: they come back only for as long as they may, and only to whom they may.

mod common;
mod shop;

use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster, Redis};
use postgres::Client;
use redis::Commands;
use shop::{PATIENCE, Shop};

#[test]
fn every_kind_of_invalidation_takes_what_it_names_and_no_more() {
    let mut shop = Shop::open();
    let keys = [
        "p:[x]:1", "p:x:1", "p:x:2", "p:xx:1", "q", "tagged", "other",
    ];
    let steps: [(&str, &str, &[&str]); 7] = [
        ("invalidate_keys", "q", &["q"]),
        ("cache_delete", "p:x:2", &["p:x:2"]),
        ("invalidate_tags", "t", &["tagged"]),
        ("invalidate_pattern", "p:[x]:*", &["p:[x]:1"]),
        ("invalidate_pattern", "p:?:*", &["p:x:1", "p:x:2"]),
        (
            "invalidate_pattern",
            "p:*:1",
            &["p:[x]:1", "p:x:1", "p:xx:1"],
        ),
        ("invalidate_pattern", "*", &keys),
    ];
    // names of others, which a pattern must not reach
    let foreign = [
        shop.name("inventory_perf:mine"),
        format!("x{}", shop.name("q")),
    ];
    for name in &foreign {
        let _: () = shop.redis.set(name, "1").expect("a name of somebody else");
    }
    for is_late in [false, true] {
        for (call, argument, gone) in steps {
            for key in keys {
                let tags: &[&str] = if key == "tagged" { &["s", "t"] } else { &["s"] };
                shop.keep(key, "1", tags);
            }
            shop.client.run("BEGIN");
            shop.invalidate(call, argument);
            shop.client.run("ROLLBACK");
            assert!(keys.iter().all(|key| shop.exists(key)), "{call} {argument}");
            shop.invalidate(call, argument);
            if !is_late {
                shop.deliver();
            }
            for key in keys {
                let is_there = shop.get(key).is_some();
                assert_eq!(is_there, !gone.contains(&key), "{call}({argument}): {key}");
            }
            shop.deliver();
        }
    }
    for name in &foreign {
        assert!(
            shop.redis.exists::<_, bool>(name).expect("ask Redis"),
            "{name}"
        );
    }
    shop.keep("q", "1", &[]);
    shop.client.run("SELECT cache_flush()");
    assert_eq!(shop.get("q"), None);
    shop.deliver();
    assert_eq!(shop.get("q"), None);
    shop.keep("q", "2", &[]);
    assert_eq!(shop.get("q").as_deref(), Some("2"));
}

#[test]
fn a_value_that_may_be_older_than_a_change_is_refused() {
    let mut shop = Shop::open();
    let mut other = shop.another_session();
    shop.keep("k", "1", &["t"]);

    // missed, then a change is delivered: what was computed in between is of no use
    shop.invalidate("cache_delete", "k");
    shop.deliver();
    assert_eq!(shop.get("k"), None);
    other.run("SELECT invalidate_tags('t')");
    other.run("SELECT deliver_invalidations()");
    assert!(!shop.set("k", "2", "1 min", &["t"]));
    assert!(!shop.set("k", "2", "1 min", &["t"]));
    assert_eq!(shop.stored("k"), None);
    shop.keep("k", "3", &["t"]);
    assert_eq!(shop.get("k").as_deref(), Some("3"));

    // one that was computed while a writer had not ended yet
    let mut writer = shop.another_session();
    writer.run("BEGIN; SELECT pg_current_xact_id()");
    shop.invalidate("cache_delete", "k");
    shop.deliver();
    shop.get("k");
    for _ in 0..3 {
        assert!(!shop.set("k", "4", "1 min", &["t"]));
    }
    assert_eq!(shop.stored("k"), None);
    writer.run("COMMIT");
    shop.keep("k", "5", &["t"]);
    assert_eq!(shop.get("k").as_deref(), Some("5"));

    // a stamp that went away takes the value with it, whoever removed it
    let stamp = shop.name(&format!("inventory_perf:{{{}}}:stamp:tag:t", shop.database));
    let _: () = shop.redis.del(stamp).expect("remove a stamp");
    assert_eq!(shop.get("k"), None);
    shop.keep("k", "6", &["t"]);
    assert_eq!(shop.get("k").as_deref(), Some("6"));
}

#[test]
fn transactions_that_see_something_else_do_without() {
    let mut shop = Shop::open();
    shop.keep("k", "1", &[]);
    for (begin, reason) in [
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", "isolation level"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "isolation level"),
        ("BEGIN; SELECT pg_current_xact_id()", "own writes"),
        (
            "BEGIN; SET LOCAL inventory_perf.cache_enabled = off",
            "disabled",
        ),
    ] {
        shop.client.run(begin);
        let before = shop.misses(reason);
        assert_eq!(shop.get("k"), None, "{begin}");
        assert!(!shop.exists("k"), "{begin}");
        assert!(!shop.set("k", "2", "1 min", &[]), "{begin}");
        assert_eq!(shop.misses(reason), before + 1, "{begin}");
        shop.client.run("COMMIT");
        // its own miss is no reason against the value that is there
        assert_eq!(shop.get("k").as_deref(), Some("1"), "{begin}");
    }
    shop.client.run("BEGIN READ ONLY");
    assert_eq!(shop.get("k").as_deref(), Some("1"));
    assert!(shop.set("k", "2", "1 min", &[]));
    shop.client.run("COMMIT");
    assert_eq!(shop.get("k").as_deref(), Some("2"));
}

#[test]
fn nonsense_in_redis_is_a_miss() {
    let mut shop = Shop::open();
    shop.client.run("SET inventory_perf.cache_format = json");
    shop.keep("k", r#"{"a": [1, 2, 3]}"#, &["t"]);
    shop.keep("twin", r#"{"a": [1, 2, 3]}"#, &["t"]);
    let good = shop.stored("k").expect("an entry");
    let twin = shop.stored("twin").expect("an entry");
    let text = String::from_utf8(good.clone()).expect("an entry in JSON");
    let (header, payload) = text.split_once('\n').expect("a header");
    let changed = |from: &str, to: &str| {
        let header = header.replacen(from, to, 1);
        assert!(!text.starts_with(&header), "{from}");
        format!("{header}\n{payload}").into_bytes()
    };
    let mut bad: Vec<Vec<u8>> = vec![
        b"x".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        b"IPC1 ".to_vec(),
        b"IPC1 {}\n".to_vec(),
        b"IPC1 null\n1".to_vec(),
        b"IPC1 {\"s\":[1,[2],[\"t\"],[\"t\",null,\"x\"]]}\n1".to_vec(),
        b"IPC1 {\"s\":{\"a\":1}}\n1".to_vec(),
        format!("IPC1 {}\n1", "[".repeat(2_000)).into_bytes(),
        header.as_bytes().to_vec(),
        format!("{header}\n").into_bytes(),
        format!("{header}\n{payload} ").into_bytes(),
        format!("{header}\n{}", payload.replace('2', "7")).into_bytes(),
        changed("IPC1", "IPC2"),
        changed("\"json\"", "\"cbor\""),
        changed("\"json\"", "\"msgpack\""),
        changed("\"c\":", "\"z\":\"lz4\",\"c\":"),
        changed("\"n\":", "\"n\":9"),
        changed("\"h\":", "\"h\":1"),
        changed("\"e\":\"", "\"e\":\"0"),
        changed("\"s\":[", "\"s\":[[\"t\",\"none\",\"x\"],"),
        // depends on another key than its own, so nobody could delete it
        twin,
    ];
    bad.extend(
        (1..good.len())
            .step_by(7)
            .map(|length| good[..length].to_vec()),
    );
    for bytes in &bad {
        shop.store("k", bytes);
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(shop.get("k"), None, "{shown}");
        shop.client.run("SELECT cache_exists('k')");
    }
    let counted = shop.misses("corrupt") + shop.misses("stale") + shop.misses("error");
    assert!(counted >= bad.len() as i64, "{counted} of {}", bad.len());
    assert_eq!(shop.misses("error"), 0);
    assert!(shop.misses("stale") >= 2);

    // a key of another type, of the entry or of a stamp
    let name = shop.name("k");
    let _: () = shop.redis.del(&name).expect("remove the entry");
    let _: () = shop.redis.rpush(&name, "x").expect("a list");
    assert_eq!(shop.get("k"), None);
    assert!(!shop.exists("k"));
    shop.keep("k", "7", &["t"]);
    assert_eq!(shop.get("k").as_deref(), Some("7"));
    let stamp = shop.name(&format!("inventory_perf:{{{}}}:stamp:tag:t", shop.database));
    let _: () = shop.redis.del(&stamp).expect("remove the stamp");
    let _: () = shop.redis.rpush(&stamp, "x").expect("a list");
    assert_eq!(shop.get("k"), None);
    shop.keep("k", "8", &["t"]);
    assert_eq!(shop.get("k").as_deref(), Some("8"));
    assert_eq!(shop.misses("error"), 0);

    // the good one is good again
    shop.keep("k", "9", &["t"]);
    let good = shop.stored("k").expect("an entry");
    shop.store("k", b"x");
    assert_eq!(shop.get("k"), None);
    shop.store("k", &good);
    assert_eq!(shop.get("k").as_deref(), Some("9"));
}

/// A server of its own for a Redis of its own, and the name of the database.
fn alone(redis: &Redis) -> (Cluster, String) {
    let cluster = Cluster::with_test_settings()
        .set("inventory_perf.redis_url", &format!("'{}'", redis.url()))
        .set("inventory_perf.redis_timeout", "'5s'")
        .set("inventory_perf.redis_connect_timeout", "'5s'")
        .set("inventory_perf.cache_lease", "'600ms'")
        .start();
    let database = cluster.database();
    (cluster, database)
}

fn keep(client: &mut Client, value: &str) {
    let deadline = Instant::now() + PATIENCE;
    while {
        client.run("SELECT inventory_perf.cache_get('k')");
        !client.ask::<bool>(&format!("SELECT inventory_perf.cache_set('k', '{value}')"))
    } {
        assert!(Instant::now() < deadline, "never stored");
        thread::sleep(Duration::from_millis(5));
    }
}

fn got(client: &mut Client) -> Option<String> {
    client.ask("SELECT inventory_perf.cache_get('k')::text")
}

/// What it saved has entries, stamps and an epoch that were good then.
#[test]
fn a_redis_that_came_back_with_old_data_is_not_believed() {
    let redis = Redis::new();
    let (cluster, database) = alone(&redis);
    let mut client = cluster.connect(&database);
    client.run("SELECT inventory_perf.deliver_invalidations()");
    keep(&mut client, "1");
    redis::cmd("SAVE")
        .exec(&mut redis.connect())
        .expect("save what there is");
    client.run("SELECT inventory_perf.invalidate_keys('k')");
    client.run("SELECT inventory_perf.deliver_invalidations()");
    redis.kill();
    redis.start();
    let kept: bool = redis.connect().exists("k").expect("ask Redis");
    assert!(kept, "the old entry did not come back");
    // the first call finds a connection that has ended
    for _ in 0..5 {
        assert_eq!(got(&mut client), None);
    }
    let unconfirmed: i64 = client.ask(
        "SELECT (misses_by_reason ->> 'unconfirmed server')::bigint FROM inventory_perf.cache_stats",
    );
    assert!(unconfirmed > 0, "nobody looked");
    client.run("SELECT inventory_perf.deliver_invalidations()");
    assert_eq!(got(&mut client), None);
    keep(&mut client, "2");
    assert_eq!(got(&mut client).as_deref(), Some("2"));
}

/// Who reads Redis without the database would go on reading what is no longer true.
#[test]
fn the_lease_is_not_renewed_while_something_waits() {
    let redis = Redis::new();
    let (cluster, database) = alone(&redis);
    let mut client = cluster.connect(&database);
    client.run("SELECT inventory_perf.deliver_invalidations()");
    let lease = format!("inventory_perf:{{{database}}}:lease");
    let mut connection = redis.connect();
    let mut is_there = || -> bool { connection.exists(&lease).expect("ask Redis") };
    assert!(is_there());
    client.run("SELECT inventory_perf.invalidate_keys('k')");
    let mut other = cluster.connect(&database);
    other.run("BEGIN; SELECT FROM inventory_perf.cache_outbox FOR UPDATE");
    thread::sleep(Duration::from_millis(800));
    for _ in 0..2 {
        let delivered: i64 = client.ask("SELECT inventory_perf.deliver_invalidations()");
        assert_eq!(delivered, 0);
        assert!(!is_there(), "the lease was renewed");
    }
    other.run("ROLLBACK");
    let delivered: i64 = client.ask("SELECT inventory_perf.deliver_invalidations()");
    assert_eq!(delivered, 1);
    assert!(is_there());
}
