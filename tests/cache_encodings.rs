//! Databases whose encoding is not UTF8: what is not the same in UTF-8 stays out of the cache, with an
//! error that says so where somebody asked for it, and never keeps anything else from working.

mod common;

use common::{Ask, Cluster, Redis};
use postgres::Client;
use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator;

/// A database with the extension and a table that tells of its changes.
fn open(cluster: &Cluster, encoding: &str) -> Client {
    let mut client = cluster.connect("postgres");
    client.run(&format!(
        "CREATE DATABASE \"{encoding}\" ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    ));
    let mut client = cluster.connect(encoding);
    client.run(
        "CREATE EXTENSION inventory_perf;
         SET search_path = inventory_perf, public;
         CREATE TABLE public.stock (id int PRIMARY KEY, name text, level int);
         INSERT INTO stock VALUES (1, 'bolt', 10), (2, chr(233), 20);
         SELECT invalidate_on_change('stock', keys => ARRAY['stock:{name}'], tags => ARRAY['name:{name}'])",
    );
    client.run("SELECT deliver_invalidations()");
    client
}

fn keep(client: &mut Client, key: &str) {
    for _ in 0..1_000 {
        client.run(&format!("SELECT cache_get('{key}')"));
        if client.ask(&format!("SELECT cache_set('{key}', '1', '10 min')")) {
            return;
        }
    }
    panic!("{key} is never stored");
}

fn get(client: &mut Client, key: &str) -> Option<String> {
    client.ask(&format!("SELECT cache_get('{key}')::text"))
}

/// What `name` stands for in SQL has a character that the encoding writes otherwise than UTF-8.
fn refuses(client: &mut Client, name: &str) {
    for call in [
        "cache_get(n)",
        "cache_get_many(ARRAY['a', n])",
        "cache_exists(n)",
        "cache_set(n, '1')",
        "cache_set('a', to_jsonb(n))",
        "cache_set('a', '1', tags => ARRAY[n])",
        "cache_set_many(jsonb_build_object(n, 1))",
        "cache_delete(n)",
        "invalidate_keys('a', n)",
        "invalidate_tags(n)",
        "invalidate_pattern(n || '*')",
        "invalidate_on_change('stock', keys => ARRAY[n || ':{id}'])",
        "register_cached_query(n, 'SELECT 1')",
        "unregister_cached_query(n)",
        "cache_warm(n)",
        "cached_query('SELECT 1 AS a -- ' || n)",
        "cached_query('SELECT level FROM stock WHERE name = $1', jsonb_build_array(n))",
        "cached_query('SELECT level FROM stock', tags => ARRAY[n])",
    ] {
        let refusal = client.refusal(&format!("SELECT {call} FROM (SELECT {name} AS n) AS given"));
        assert_eq!(refusal.code(), &SqlState::FEATURE_NOT_SUPPORTED, "{call}");
        assert!(
            refusal.message().contains("encoding"),
            "{call}: {refusal:?}"
        );
        assert!(refusal.hint().is_some(), "{call}");
    }
    let own = format!(
        "DO $$ BEGIN EXECUTE format('CREATE TRIGGER own AFTER INSERT ON stock FOR EACH ROW
             EXECUTE FUNCTION inventory_perf.invalidate_cache(%L)', {name} || ':{{id}}'); END $$"
    );
    client.run(&own);
    let refusal = client.refusal("INSERT INTO stock VALUES (8, 'x', 1)");
    assert_eq!(refusal.code(), &SqlState::FEATURE_NOT_SUPPORTED);
    client.run("DROP TRIGGER own ON stock");
}

/// Everything else works, and a change of what cannot be named reaches all that it could be.
fn works(client: &mut Client, name: &str) {
    keep(client, "stock:bolt");
    keep(client, "other");
    assert_eq!(get(client, "stock:bolt").as_deref(), Some("1"));
    client.run("UPDATE stock SET level = 11 WHERE id = 1");
    assert_eq!(get(client, "stock:bolt"), None);
    client.run("SELECT deliver_invalidations()");
    keep(client, "stock:bolt");
    client.run(&format!("UPDATE stock SET level = 21 WHERE name = {name}"));
    assert_eq!(get(client, "stock:bolt"), None);
    assert_eq!(get(client, "other").as_deref(), Some("1"));
    client.run("SELECT deliver_invalidations()");
    assert_eq!(get(client, "stock:bolt"), None);
    assert_eq!(get(client, "other").as_deref(), Some("1"));
    let queued: i64 = client.ask("SELECT count(*) FROM cache_outbox");
    assert_eq!(queued, 0);

    // what has such rows is computed each time
    let query = "SELECT string_agg(q::text, ' ') FROM cached_query('SELECT name FROM stock WHERE id = 2') q";
    let truth = format!("SELECT ({query}) = jsonb_build_object('name', {name})::text");
    for _ in 0..3 {
        assert!(client.ask::<bool>(&truth));
    }
    let level = "SELECT (q ->> 'level')::int FROM cached_query('SELECT level FROM stock WHERE id = $1', '[2]') q";
    let hits = "SELECT hits FROM cache_stats";
    let before: i64 = client.ask(hits);
    for _ in 0..4 {
        assert_eq!(client.ask::<i32>(level), 21);
    }
    assert!(client.ask::<i64>(hits) > before, "nothing was cached");
}

/// Keys of a ledger that JSON cannot name are told as too many, and taken for no other key.
fn tells(client: &mut Client, name: &str) {
    client.run(
        "CREATE TABLE public.moves (product text, quantity int, moved_at date);
         SELECT attach_ledger('public.moves', product => 'product');
         SELECT invalidate_on_change('public.moves');
         SELECT alert_low_stock('public.moves', 5)",
    );
    client.run("SELECT deliver_invalidations()");
    client.run("LISTEN \"inventory:level:updated\"; LISTEN \"inventory:low_stock:alert\"");
    let mut told = |products: &str| -> Vec<(String, serde_json::Value)> {
        client.run(&format!(
            "INSERT INTO public.moves SELECT p, 2, current_date FROM unnest(ARRAY[{products}]) p"
        ));
        client.run("SELECT deliver_invalidations()");
        let mut told = Vec::new();
        let mut notifications = client.notifications();
        let mut waiting = notifications.iter();
        while let Some(notification) = waiting.next().expect("listen") {
            let payload = serde_json::from_str(notification.payload()).expect("JSON");
            let (_, kind) = notification.channel().split_once(':').expect("a channel");
            told.push((kind.to_owned(), payload));
        }
        told
    };
    let named = told("'bolt'");
    let kinds: Vec<&str> = named.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["low_stock:alert", "level:updated"]);
    assert!(
        named
            .iter()
            .all(|(_, told)| told["key"]["product"] == "bolt")
    );
    assert_eq!(named[0].1["quantity"], 2);
    for products in [name.to_owned(), format!("'nut', {name}")] {
        let unnamed = told(&products);
        assert_eq!(unnamed.len(), 2, "{unnamed:?}");
        for (kind, told) in unnamed {
            assert_eq!(told["truncated"], true, "{kind}");
            assert!(told.get("key").is_none(), "{kind}");
        }
    }
    for call in [
        "alert_low_stock('public.moves', 1, k)",
        "stock_on('public.moves', current_date, k)",
        "stock_history('public.moves', current_date, current_date, k)",
        "stock_period('public.moves', current_date, current_date, k)",
    ] {
        let refusal = client.refusal(&format!(
            "SELECT {call} FROM (SELECT jsonb_build_object('product', {name}) AS k) AS given"
        ));
        assert_eq!(refusal.code(), &SqlState::FEATURE_NOT_SUPPORTED, "{call}");
        assert!(refusal.message().contains("encoding"), "{refusal:?}");
    }
    let told: i64 = client.ask("SELECT count(*) FROM low_stock");
    assert_eq!(told, 1);
    let stored: i64 = client.ask(&format!(
        "SELECT quantity_on_hand::bigint FROM stock_levels WHERE product = {name}"
    ));
    assert_eq!(stored, 4);
}

fn test(url: &str) {
    let cluster = Cluster::with_test_settings()
        .set("inventory_perf.redis_url", &format!("'{url}'"))
        .set("inventory_perf.notify_events", "on")
        .set("client_min_messages", "warning")
        .start();
    let mut latin = open(&cluster, "LATIN1");
    refuses(&mut latin, "chr(233)");
    works(&mut latin, "chr(233)");
    tells(&mut latin, "chr(233)");

    // without an encoding text is what its bytes are
    let mut bytes = open(&cluster, "SQL_ASCII");
    refuses(&mut bytes, "E'\\351'");
    works(&mut bytes, "E'\\351'");
    tells(&mut bytes, "E'\\351'");
    keep(&mut bytes, "schl\u{fc}ssel");
    assert_eq!(get(&mut bytes, "schl\u{fc}ssel").as_deref(), Some("1"));
    bytes.run("SELECT invalidate_keys('schl\u{fc}ssel')");
    bytes.run("SELECT deliver_invalidations()");
    assert_eq!(get(&mut bytes, "schl\u{fc}ssel"), None);
}

#[test]
fn in_redis() {
    let redis = Redis::new();
    test(&redis.url());
}

#[test]
fn in_tables() {
    test("");
}
