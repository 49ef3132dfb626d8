//! Which Redis is believed: the one that was confirmed, as long as it has what it was told.

mod common;
mod connections;

use std::thread;
use std::time::Duration;

use common::{Ask, Proxy, Redis};
use connections::{Site, get, keep, session};
use redis::Commands;

#[test]
fn another_server_is_believed_only_after_it_was_confirmed() {
    let (first, second) = (Redis::new(), Redis::new());
    let mut site = Site::new(&[("inventory_perf.redis_url", &format!("'{}'", first.url()))]);
    site.can();
    site.configure(&[("redis_url", &second.url())]);
    assert_eq!(get(&mut site.client, "a"), None);
    let misses = "SELECT (misses_by_reason ->> 'unconfirmed server')::int FROM cache_stats";
    assert_eq!(site.client.ask::<i32>(misses), 1);
    let health = "SELECT reachable, epoch_ok FROM cache_health()";
    assert_eq!(site.client.rows(health), ["(t,f)"]);
    site.can();
    assert_eq!(site.client.rows(health), ["(t,t)"]);
    assert!(second.connect().exists::<_, bool>("a").expect("ask Redis"));

    // what is left in the first is as old as it is
    site.configure(&[("redis_url", &first.url())]);
    assert_eq!(get(&mut site.client, "a"), None);
    site.client.run("SELECT deliver_invalidations()");
    assert_eq!(get(&mut site.client, "a"), None);
    // a restart and a flush are noticed as well
    for outage in [Redis::restart, |redis: &Redis| {
        let mut connection = redis.connect();
        redis::cmd("FLUSHALL").exec(&mut connection).expect("flush");
    }] {
        site.can();
        outage(&first);
        assert_eq!(get(&mut site.client, "a"), None);
        site.can();
    }

    // with the library preloaded the worker sees to it
    site.cluster.append_settings(&[(
        "shared_preload_libraries".to_owned(),
        "'inventory_perf'".to_owned(),
    )]);
    site.cluster.restart();
    site.client = session(&site.cluster, &site.database);
    site.wait("a worker", |client| client.rows(health) == ["(t,t)"]);
    keep(&mut site.client, "a", "1");
    let mut other = session(&site.cluster, &site.database);
    assert_eq!(get(&mut other, "a").as_deref(), Some("1"));
    let stats = "SELECT scope, hits >= 2 FROM cache_stats";
    assert_eq!(other.rows(stats), ["(database,t)"]);
    site.configure(&[("redis_url", &second.url())]);
    site.wait("the other server", |client| {
        client.rows(health) == ["(t,t)"]
    });
    keep(&mut site.client, "a", "2");
    assert!(second.connect().exists::<_, bool>("a").expect("ask Redis"));
    site.wait("the other session", |_| {
        get(&mut other, "a").as_deref() == Some("2")
    });
}

const HEALTH: &str = "SELECT reachable, epoch_ok FROM cache_health()";

fn order(redis: &Redis, words: &[&str]) {
    redis::cmd(words[0])
        .arg(&words[1..])
        .exec(&mut redis.connect())
        .unwrap_or_else(|error| panic!("{words:?}: {error}"));
}

/// Makes it a replica, and returns when it has the other's data.
fn follow(site: &mut Site, redis: &Redis, primary: &Redis) {
    let port = primary.port().to_string();
    order(redis, &["REPLICAOF", "127.0.0.1", &port]);
    let mut connection = redis.connect();
    site.wait("a replica in step", |_| {
        let info: String = redis::cmd("INFO")
            .arg("replication")
            .query(&mut connection)
            .expect("INFO");
        info.contains("master_link_status:up") && !info.contains("master_sync_in_progress:1")
    });
}

fn lead(redis: &Redis) {
    order(redis, &["REPLICAOF", "NO", "ONE"]);
}

fn epoch(site: &mut Site) -> String {
    site.client.ask("SELECT epoch FROM cache_state")
}

/// A table with one number in it, that cached queries depend on.
fn prepare(site: &mut Site) {
    site.client.run(
        "CREATE TABLE public.stock (quantity integer);
         INSERT INTO public.stock VALUES (1);
         SELECT invalidate_on_change('public.stock', ARRAY['stock'])",
    );
}

const QUESTION: &str = "SELECT (answer -> 'quantity')::int FROM cached_query('SELECT quantity FROM public.stock') answer";

fn delivered(site: &mut Site, is_preloaded: bool) {
    if is_preloaded {
        assert!(site.client.ask::<bool>("SELECT wait_until_delivered()"));
    } else {
        site.deliver();
    }
}

/// Asks until the answer comes out of the cache.
fn cache(site: &mut Site, expected: i32) {
    let hits = "SELECT hits FROM cache_stats";
    site.wait("a hit", |client| {
        let before: i64 = client.ask(hits);
        assert_eq!(client.ask::<i32>(QUESTION), expected);
        client.ask::<i64>(hits) > before
    });
}

#[test]
fn data_from_before_a_delivery_is_not_believed() {
    for is_preloaded in [true, false] {
        let (redis, replica) = (Redis::new(), Redis::new());
        let url = format!("'{}'", redis.url());
        let mut settings = vec![
            ("inventory_perf.redis_url", url.as_str()),
            // nothing is looked at by itself for as long as the test takes
            ("inventory_perf.cache_lease", "'10min'"),
            ("inventory_perf.outbox_poll_interval", "'60s'"),
        ];
        if is_preloaded {
            settings.push(("shared_preload_libraries", "'inventory_perf'"));
        }
        let mut site = Site::new(&settings);
        prepare(&mut site);
        follow(&mut site, &replica, &redis);
        delivered(&mut site, is_preloaded);
        cache(&mut site, 1);
        keep(&mut site.client, "stock", "1");
        let before = epoch(&mut site);
        // the replica keeps what there is now, and the change goes to the primary alone
        thread::sleep(Duration::from_millis(200));
        lead(&replica);
        site.client.run("UPDATE public.stock SET quantity = 2");
        delivered(&mut site, is_preloaded);
        cache(&mut site, 2);

        follow(&mut site, &redis, &replica);
        lead(&redis);
        // the old entries are there again, with their stamps and the same epoch
        assert!(redis.connect().exists::<_, bool>("stock").expect("ask"));
        assert_eq!(get(&mut site.client, "stock"), None, "{is_preloaded}");
        assert_eq!(site.client.ask::<i32>(QUESTION), 2, "{is_preloaded}");
        if !is_preloaded {
            assert_eq!(site.client.rows(HEALTH), ["(t,f)"]);
            site.deliver();
        }
        site.wait("a new epoch", |client| {
            client.ask::<String>("SELECT epoch FROM cache_state") != before
        });
        assert_eq!(get(&mut site.client, "stock"), None, "{is_preloaded}");
        cache(&mut site, 2);
        assert_eq!(site.client.rows(HEALTH), ["(t,t)"]);
    }
}

#[test]
fn a_server_that_became_a_primary_again_is_confirmed_anew() {
    let (redis, other) = (Redis::new(), Redis::new());
    let mut site = Site::new(&[
        ("shared_preload_libraries", "'inventory_perf'"),
        ("inventory_perf.redis_url", &format!("'{}'", redis.url())),
        ("inventory_perf.cache_lease", "'600ms'"),
    ]);
    site.wait("a worker", |client| client.rows(HEALTH) == ["(t,t)"]);
    follow(&mut site, &other, &redis);
    // a first replica is a new history as well
    thread::sleep(Duration::from_secs(1));
    let before = epoch(&mut site);
    thread::sleep(Duration::from_secs(1));
    assert_eq!(epoch(&mut site), before);
    lead(&other);
    follow(&mut site, &redis, &other);
    site.client.run("SELECT invalidate_keys('a')");
    let mut error = String::new();
    site.wait("an error", |client| {
        error = client.ask("SELECT coalesce(last_error, '') FROM worker_status");
        !error.is_empty()
    });
    lead(&redis);
    site.wait("a new epoch", |client| {
        client.ask::<String>("SELECT epoch FROM cache_state") != before
    });
    assert!(site.client.ask::<bool>("SELECT wait_until_delivered()"));
}

#[test]
fn a_session_leaves_a_server_that_is_not_the_confirmed_one() {
    let (first, second) = (Redis::new(), Redis::new());
    let proxy = Proxy::to(&first);
    let mut site = Site::new(&[
        ("shared_preload_libraries", "'inventory_perf'"),
        ("inventory_perf.redis_url", &format!("'{}'", proxy.url())),
    ]);
    site.wait("a worker", |client| client.rows(HEALTH) == ["(t,t)"]);
    keep(&mut site.client, "a", "1");
    // Behind the same address there is another server now. The session's connection still leads to
    // the first, as that lives on.
    proxy.lead_to(&second);
    site.client.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE backend_type = 'inventory_perf worker'",
    );
    let mut other = session(&site.cluster, &site.database);
    site.wait("the other server", |_| other.rows(HEALTH) == ["(t,t)"]);
    keep(&mut other, "a", "2");
    site.wait("the same server for this session", |client| {
        let value = get(client, "a");
        assert_ne!(value.as_deref(), Some("1"));
        value.as_deref() == Some("2")
    });
}

#[test]
fn nonsense_under_the_names_of_the_protocol_is_replaced() {
    let redis = Redis::new();
    let mut site = Site::new(&[
        ("shared_preload_libraries", "'inventory_perf'"),
        ("inventory_perf.redis_url", &format!("'{}'", redis.url())),
        ("inventory_perf.cache_lease", "'600ms'"),
    ]);
    prepare(&mut site);
    let mut connection = redis.connect();
    let own = format!("inventory_perf:{{{}}}:", site.database);
    let relation: String = site
        .client
        .ask("SELECT 'stamp:tag:relation:' || 'public.stock'::regclass::oid");
    for name in [
        "epoch",
        "lease",
        "delivered",
        "batches",
        "stamp:key:stock",
        &relation,
    ] {
        for kind in ["string", "list", "hash"] {
            cache(&mut site, 1);
            keep(&mut site.client, "stock", "1");
            let name = format!("{own}{name}");
            // the lease may be just about to be renewed
            site.wait(&name, |_| connection.exists(&name).expect("ask"));
            let mut spoil = redis::pipe();
            spoil.del(&name).ignore();
            match kind {
                "string" => spoil.set(&name, vec![b'7'; 20_000_000]),
                "list" => spoil.rpush(&name, "x"),
                _ => spoil.hset(&name, "x", "y"),
            };
            spoil.exec(&mut connection).expect("a spoilt key");
            for _ in 0..3 {
                assert_eq!(site.client.ask::<i32>(QUESTION), 1, "{name} {kind}");
                let value = get(&mut site.client, "stock");
                assert!(
                    value.is_none() || value.as_deref() == Some("1"),
                    "{value:?}"
                );
            }
            if kind == "hash" {
                site.client.run("SELECT invalidate_keys('other')");
                assert!(site.client.ask::<bool>("SELECT wait_until_delivered()"));
            }
            let state: String = site.client.ask("SELECT breaker_state FROM cache_stats");
            assert_eq!(state, "closed", "{name} {kind}");
            site.wait("health", |client| client.rows(HEALTH) == ["(t,t)"]);
            site.wait("a lease", |client| {
                client.ask("SELECT lease_left IS NOT NULL FROM cache_health()")
            });
        }
    }
    let failed = "SELECT (misses_by_reason ->> 'error')::int FROM cache_stats";
    assert_eq!(site.client.ask::<i32>(failed), 0);
}
