//! Values under keys, in Redis: what is refused, whom it is refused, and what is counted.

mod common;
mod shop;

use std::time::Instant;

use common::Ask;
use postgres::error::SqlState;
use redis::Commands;
use shop::{PATIENCE, Shop, cluster};

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
