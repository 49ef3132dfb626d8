//! Values under keys, in Redis: what is stored is what comes back, and only for as long as it may.
//! Nothing is delivered here but by hand, so that every step has one right answer.

mod common;

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster, Redis};
use postgres::Client;
use postgres::error::SqlState;
use postgres::types::ToSql;
use redis::Commands;

const PATIENCE: Duration = Duration::from_secs(20);

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        Cluster::with_test_settings()
            .set("autovacuum", "off")
            .set("inventory_perf.redis_url", &format!("'{}'", redis().url()))
            .set("inventory_perf.redis_timeout", "'5s'")
            .set("inventory_perf.redis_connect_timeout", "'5s'")
            .start()
    })
}

fn redis() -> &'static Redis {
    static REDIS: OnceLock<Redis> = OnceLock::new();
    REDIS.get_or_init(Redis::new)
}

/// A database with names of its own in Redis.
struct Shop {
    database: String,
    client: Client,
    redis: redis::Connection,
}

impl Shop {
    fn open() -> Self {
        let database = cluster().database();
        cluster().connect(&database).run(&format!(
            "ALTER DATABASE {database} SET inventory_perf.redis_key_prefix = '{database}:'"
        ));
        let mut client = cluster().connect(&database);
        client.run("SET search_path = inventory_perf, public");
        client.run("SELECT deliver_invalidations()");
        Self {
            client,
            redis: redis().connect(),
            database,
        }
    }

    fn another_session(&self) -> Client {
        let mut client = cluster().connect(&self.database);
        client.run("SET search_path = inventory_perf, public");
        client
    }

    /// What Redis has under a name, without the prefix.
    fn name(&self, name: &str) -> String {
        format!("{}:{name}", self.database)
    }

    fn stored(&mut self, key: &str) -> Option<Vec<u8>> {
        let name = self.name(key);
        self.redis.get(name).expect("read an entry")
    }

    fn store(&mut self, key: &str, bytes: &[u8]) {
        let name = self.name(key);
        let _: () = self.redis.set(name, bytes).expect("write an entry");
    }

    fn get(&mut self, key: &str) -> Option<String> {
        let row = self
            .client
            .query_one("SELECT cache_get($1)::text", &[&key])
            .expect("cache_get");
        row.get(0)
    }

    fn exists(&mut self, key: &str) -> bool {
        let row = self
            .client
            .query_one("SELECT cache_exists($1)", &[&key])
            .expect("cache_exists");
        row.get(0)
    }

    fn set(&mut self, key: &str, value: &str, ttl: &str, tags: &[&str]) -> bool {
        let parameters: [&(dyn ToSql + Sync); 4] = [&key, &value, &ttl, &tags];
        let row = self
            .client
            .query_one(
                "SELECT cache_set($1, $2::text::jsonb, $3::text::interval, $4)",
                &parameters,
            )
            .expect("cache_set");
        row.get(0)
    }

    /// Stores for certain: another test's transaction may make stamps too young for a moment.
    fn keep(&mut self, key: &str, value: &str, tags: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while {
            self.get(key);
            !self.set(key, value, "10 min", tags)
        } {
            assert!(Instant::now() < deadline, "{key:?} is never stored");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn deliver(&mut self) -> i64 {
        self.client.ask("SELECT deliver_invalidations()")
    }

    /// Commits an invalidation; the caller says when it is delivered.
    fn invalidate(&mut self, call: &str, argument: &str) -> i64 {
        let row = self
            .client
            .query_one(&format!("SELECT {call}($1)"), &[&argument])
            .expect("an invalidation");
        row.try_get(0).unwrap_or_default()
    }

    fn misses(&mut self, reason: &str) -> i64 {
        self.client.ask(&format!(
            "SELECT (misses_by_reason ->> '{reason}')::bigint FROM cache_stats"
        ))
    }
}

const VALUES: [&str; 14] = [
    "null",
    "true",
    r#""""#,
    r#""line\nbreak \"quoted\" \\ ☃ 𝄞""#,
    "0.10",
    "-0.0",
    "9007199254740993",
    "-9223372036854775809",
    "123456789012345678901234567890.123456789012345678901234567890",
    "1e-20",
    "[]",
    "{}",
    r#"[1, [2.50, {"": null}], "x"]"#,
    r#"{"quantity": 7.000, "ключ": {"a": [null, false]}}"#,
];

#[test]
fn a_value_comes_back_with_every_digit() {
    let mut shop = Shop::open();
    let large = format!("[{}]", vec!["0.10"; 50_000].join(", "));
    for format in ["json", "msgpack"] {
        for compress in ["-1", "0", "'1kB'"] {
            shop.client.run(&format!(
                "SET inventory_perf.cache_format = {format};
                 SET inventory_perf.cache_compress_above = {compress}"
            ));
            for value in VALUES.into_iter().chain([large.as_str()]) {
                shop.keep("value", value, &[]);
                let row = shop
                    .client
                    .query_one("SELECT $1::text::jsonb::text", &[&value])
                    .expect("a value");
                let expected: String = row.get(0);
                let found = shop.get("value");
                assert_eq!(found.as_ref(), Some(&expected), "{format} {compress}");
            }
        }
    }
    // another session, with other settings, reads the same
    let mut other = shop.another_session();
    other.run("SET inventory_perf.cache_format = json");
    let same: bool = other.ask(&format!("SELECT cache_get('value') = '{large}'"));
    assert!(same);
}

#[test]
fn a_key_may_be_any_text() {
    let mut shop = Shop::open();
    let longest = "ä".repeat(256);
    let keys = [
        "a",
        " ",
        "a b\nc\td",
        "{a}:{b}",
        "}{",
        "*",
        "a*",
        "[a]",
        "\\",
        "'\"",
        "ключ:☃",
        "tag:a",
        "inventory_perf",
        "a:inventory_perf:",
        &longest,
    ];
    for (number, key) in keys.iter().enumerate() {
        shop.keep(key, &number.to_string(), &[key, "all"]);
    }
    let rows = shop
        .client
        .query(
            "SELECT key, value::text FROM cache_get_many($1)",
            &[&keys.as_slice()],
        )
        .expect("cache_get_many");
    for (number, (row, key)) in rows.iter().zip(keys).enumerate() {
        assert_eq!(row.get::<_, &str>(0), key);
        assert_eq!(row.get::<_, Option<String>>(1), Some(number.to_string()));
        assert!(shop.exists(key), "{key:?}");
        assert!(shop.stored(key).is_some(), "{key:?}");
    }
    assert_eq!(rows.len(), keys.len());
    // each by its own name and tag, and no other with it
    for (number, key) in keys.iter().enumerate() {
        let call = if number % 2 == 0 {
            "invalidate_keys"
        } else {
            "invalidate_tags"
        };
        assert_eq!(shop.invalidate(call, key), 1);
        assert_eq!(shop.deliver(), 1);
        assert_eq!(shop.get(key), None, "{key:?}");
        let left = keys.iter().filter(|key| shop.exists(key)).count();
        assert_eq!(left, keys.len() - number - 1, "{key:?}");
    }
}

#[test]
fn many_at_once_are_as_many_alone() {
    let mut shop = Shop::open();
    let deadline = Instant::now() + PATIENCE;
    let set = "SELECT cache_set_many(
                   (SELECT jsonb_object_agg('m' || i, i / 8.0) FROM generate_series(1, 1000) i),
                   '10 min', '{all,all}')";
    loop {
        shop.client
            .run("SELECT count(*) FROM cache_get_many(ARRAY(SELECT 'm' || i FROM generate_series(1, 1000) i))");
        match shop.client.ask::<i64>(set) {
            1000 => break,
            0 => assert!(Instant::now() < deadline, "never stored"),
            some => panic!("{some} of 1000 stored"),
        }
    }
    let before: i64 = shop.client.ask("SELECT store_calls FROM cache_stats");
    assert_eq!(
        shop.client.rows(
            "SELECT count(*), count(value), sum(value::numeric)
             FROM cache_get_many(ARRAY(SELECT 'm' || i FROM generate_series(0, 1001) i))"
        ),
        ["(1002,1000,62562.50000000000000000000)"]
    );
    // one for the look-up, one that cache_stats made for itself
    let after: i64 = shop.client.ask("SELECT store_calls FROM cache_stats");
    assert_eq!(after - before, 2);
    assert_eq!(
        shop.client
            .rows("SELECT * FROM cache_get_many('{m3,none,m1,m3}')"),
        [
            "(m3,0.37500000000000000000)",
            "(none,)",
            "(m1,0.12500000000000000000)",
            "(m3,0.37500000000000000000)"
        ]
    );
    assert_eq!(
        shop.client
            .ask::<i64>("SELECT count(*) FROM cache_get_many('{}')"),
        0
    );
    assert_eq!(shop.client.ask::<i64>("SELECT cache_set_many('{}')"), 0);
    shop.invalidate("invalidate_tags", "all");
    // not delivered yet, and visible all the same
    let values = "SELECT count(value) FROM cache_get_many('{m1,m2,m1000}')";
    assert_eq!(shop.client.ask::<i64>(values), 0);
    shop.deliver();
    assert_eq!(shop.client.ask::<i64>(values), 0);
}

#[test]
fn every_miss_of_the_largest_call_is_remembered() {
    let mut shop = Shop::open();
    let mut other = shop.another_session();
    let keys = "ARRAY(SELECT 'm' || i FROM generate_series(1, 10000) i)";
    let found = format!("SELECT count(value) FROM cache_get_many({keys})");
    let set = "SELECT cache_set_many(
                   (SELECT jsonb_object_agg('m' || i, i) FROM generate_series(1, 10000) i),
                   '10 min', '{all}')";
    assert_eq!(shop.client.ask::<i64>(&found), 0);
    other.run("SELECT invalidate_tags('all')");
    other.run("SELECT deliver_invalidations()");
    assert_eq!(shop.client.ask::<i64>(set), 0);
    let deadline = Instant::now() + PATIENCE;
    while {
        assert_eq!(shop.client.ask::<i64>(&found), 0);
        shop.client.ask::<i64>(set) != 10_000
    } {
        assert!(Instant::now() < deadline, "never stored");
    }
    assert_eq!(shop.client.ask::<i64>(&found), 10_000);
}

#[test]
fn a_value_ends_with_its_ttl() {
    let mut shop = Shop::open();
    shop.keep("long", "1", &["t"]);
    shop.keep("short", "1", &[]);
    assert!(shop.set("short", "2", "400 ms", &[]));
    for (name, least, most) in [
        ("short", 0, 400),
        ("long", 500_000, 600_000),
        ("inventory_perf:{D}:stamp:key:long", 80_000_000, 86_400_000),
        ("inventory_perf:{D}:stamp:tag:t", 80_000_000, 86_400_000),
    ] {
        let name = shop.name(&name.replace('D', &shop.database));
        let left: i64 = shop.redis.pttl(&name).expect("a time to live");
        // -2 is a value that has ended already
        let is_right = (least..=most).contains(&left) || name.ends_with("short") && left == -2;
        assert!(is_right, "{name}: {left}");
    }
    thread::sleep(Duration::from_millis(450));
    assert_eq!(shop.get("short"), None);
    assert!(!shop.exists("short"));
    assert_eq!(shop.get("long").as_deref(), Some("1"));
    // stamps outlive what depends on them
    assert!(shop.set("long", "1", "300 days", &["t"]));
    for stamp in ["key:long", "tag:t"] {
        let name = shop.name(&format!(
            "inventory_perf:{{{}}}:stamp:{stamp}",
            shop.database
        ));
        let left: i64 = shop.redis.pttl(&name).expect("a time to live");
        assert!(left > 599 * 86_400_000, "{stamp}: {left}");
    }
}

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
fn bad_arguments_are_refused() {
    let mut shop = Shop::open();
    let null = SqlState::NULL_VALUE_NOT_ALLOWED;
    let invalid = SqlState::INVALID_PARAMETER_VALUE;
    for (call, state) in [
        ("cache_get(NULL)", &null),
        ("cache_get('')", &invalid),
        ("cache_get('inventory_perf:x')", &invalid),
        ("cache_get(repeat('x', 513))", &invalid),
        ("cache_get(repeat('ä', 257))", &invalid),
        ("cache_exists(NULL)", &null),
        ("cache_exists('inventory_perf:')", &invalid),
        ("cache_get_many(NULL)", &null),
        ("cache_get_many('{a,NULL}')", &null),
        ("cache_get_many('{a,\"\"}')", &invalid),
        ("cache_get_many('{a,inventory_perf:a}')", &invalid),
        ("cache_get_many(array_fill('a'::text, '{10001}'))", &invalid),
        ("cache_set(NULL, '1')", &null),
        ("cache_set('a', NULL)", &null),
        ("cache_set('a', '1', NULL)", &null),
        ("cache_set('a', '1', '0')", &invalid),
        ("cache_set('a', '1', '-1 s')", &invalid),
        ("cache_set('a', '1', '1 month -40 days')", &invalid),
        ("cache_set('a', '1', '367 days')", &invalid),
        ("cache_set('a', '1', '1 s', NULL)", &null),
        ("cache_set('a', '1', '1 s', '{NULL}')", &null),
        ("cache_set('a', '1', '1 s', '{\"\"}')", &invalid),
        (
            "cache_set('a', '1', '1 s', ARRAY[repeat('x', 513)])",
            &invalid,
        ),
        (
            "cache_set('a', '1', '1 s', array_fill('a'::text, '{101}'))",
            &invalid,
        ),
        ("cache_set('inventory_perf:a', '1')", &invalid),
        ("cache_set_many(NULL)", &null),
        ("cache_set_many('[1]')", &invalid),
        ("cache_set_many('1')", &invalid),
        ("cache_set_many('{\"\": 1}')", &invalid),
        ("cache_set_many('{\"inventory_perf:a\": 1}')", &invalid),
        ("cache_set_many('{\"a\": 1}', '0')", &invalid),
        ("invalidate_keys('a', NULL)", &null),
        ("invalidate_keys('inventory_perf:a')", &invalid),
        ("cache_delete(NULL::text)", &null),
        ("invalidate_tags(NULL::text)", &null),
        ("invalidate_pattern(NULL)", &null),
    ] {
        let refusal = shop.client.refusal(&format!("SELECT {call}"));
        assert_eq!(refusal.code(), state, "{call}: {refusal:?}");
    }
    // no error leaves anything behind
    shop.keep("a", "1", &[]);
    assert_eq!(shop.get("a").as_deref(), Some("1"));
}

#[test]
fn a_value_that_is_too_large_is_counted_and_not_stored() {
    let mut shop = Shop::open();
    shop.keep("k", "1", &[]);
    shop.client.run(
        "SET inventory_perf.cache_max_entry_size = '1kB';
         SET inventory_perf.cache_compress_above = -1",
    );
    let large = format!("\"{}\"", "x".repeat(1_100));
    assert!(!shop.set("k", &large, "1 min", &[]));
    assert_eq!(
        shop.client
            .ask::<i64>("SELECT fills_too_large FROM cache_stats"),
        1
    );
    assert_eq!(shop.get("k").as_deref(), Some("1"));
    // and one that is there already is not read
    shop.client.run("RESET inventory_perf.cache_max_entry_size");
    shop.keep("k", &large, &[]);
    shop.client
        .run("SET inventory_perf.cache_max_entry_size = '1kB'");
    assert_eq!(shop.get("k"), None);
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

#[test]
fn statistics_count_what_happened() {
    let mut shop = Shop::open();
    let counts = "SELECT scope, hits, misses, fills, fills_refused, fills_too_large,
                         bytes_read > 0, bytes_written > 0, breaker_state, outbox_rows
                  FROM cache_stats";
    assert_eq!(
        shop.client.rows(counts),
        ["(session,0,0,0,0,0,f,f,closed,0)"]
    );
    let mut other = shop.another_session();
    shop.keep("a", "1", &["t"]);
    let row = shop
        .client
        .query_one("SELECT misses, fills_refused FROM cache_stats", &[])
        .expect("cache_stats");
    let (absent, refused): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(absent, refused + 1);
    assert_eq!(shop.misses("absent"), absent);

    shop.get("a");
    shop.client.run("SELECT * FROM cache_get_many('{a,a,b}')");
    // asking whether is not reading
    shop.exists("a");
    assert_eq!(shop.misses("absent"), absent + 1);
    other.run("SELECT invalidate_tags('t')");
    shop.get("a");
    assert_eq!(shop.misses("undelivered"), 1);
    let outbox = "SELECT outbox_rows, outbox_age > '0' FROM cache_stats";
    assert_eq!(shop.client.rows(outbox), ["(1,t)"]);
    shop.deliver();
    shop.get("a");
    assert_eq!(shop.misses("stale"), 1);
    let epoch = shop.name(&format!("inventory_perf:{{{}}}:epoch", shop.database));
    let _: () = shop.redis.set(&epoch, "another").expect("spoil the epoch");
    shop.get("a");
    assert_eq!(shop.misses("unconfirmed server"), 1);
    shop.client.run("DELETE FROM cache_state");
    shop.get("a");
    assert_eq!(shop.misses("no epoch"), 1);
    shop.deliver();
    assert_eq!(
        shop.client.rows(counts),
        [format!(
            "(session,3,{},1,{refused},0,t,t,closed,0)",
            absent + 5
        )]
    );
    assert_eq!(
        shop.client.rows(
            "SELECT p50_latency <= p99_latency, p99_latency <= max_latency,
                    mean_latency <= max_latency, mean_latency > '0', lease_left <= '5 s'
             FROM cache_stats"
        ),
        ["(t,t,t,t,t)"]
    );
    // another session without shared memory counts for itself
    assert_eq!(
        other.rows("SELECT hits, misses FROM cache_stats"),
        ["(0,0)"]
    );
    let total: i64 = shop.client.ask(
        "SELECT sum(value::bigint)::bigint FROM cache_stats, jsonb_each_text(misses_by_reason)",
    );
    assert_eq!(total, absent + 5);
}

#[test]
fn nobody_calls_them_without_a_grant() {
    let shop = Shop::open();
    let mut client = shop.another_session();
    client.run(&format!("CREATE ROLE clerk_of_{0} LOGIN", shop.database));
    let clerk = format!("clerk_of_{}", shop.database);
    let mut other = cluster().connect_as(&clerk, &shop.database);
    for call in [
        "cache_get('a')",
        "cache_get_many('{a}')",
        "cache_exists('a')",
        "cache_set('a', '1')",
        "cache_set_many('{}')",
        "cache_delete('a')",
        "invalidate_keys('a')",
        "invalidate_tags('a')",
        "invalidate_pattern('a')",
        "cache_flush()",
        "cache_health()",
    ] {
        let state = other.refusal_code(&format!("SELECT inventory_perf.{call}"));
        assert_eq!(state, SqlState::INSUFFICIENT_PRIVILEGE, "{call}");
    }
    client.run(&format!(
        "GRANT EXECUTE ON FUNCTION cache_get(text), cache_set(text, jsonb, interval, text[]) TO {clerk};
         GRANT pg_monitor TO {clerk}"
    ));
    let deadline = Instant::now() + PATIENCE;
    loop {
        other.run("SELECT inventory_perf.cache_get('a')");
        if other.ask("SELECT inventory_perf.cache_set('a', '1')") {
            break;
        }
        assert!(Instant::now() < deadline, "never stored");
    }
    assert_eq!(
        other.ask::<String>("SELECT inventory_perf.cache_get('a')::text"),
        "1"
    );
    let health =
        "SELECT mode, reachable, epoch_ok, breaker_state FROM inventory_perf.cache_health()";
    assert_eq!(other.rows(health), ["(redis,t,t,closed)"]);
    assert_eq!(
        other.ask::<i64>("SELECT hits FROM inventory_perf.cache_stats"),
        1
    );
}
