//! Values under keys, in Redis: what is stored is what comes back.

mod common;
mod shop;

use std::thread;
use std::time::{Duration, Instant};

use common::Ask;
use redis::Commands;
use shop::{PATIENCE, Shop};

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
