//! What is told about changes, and ledgers that are folded meanwhile.

use super::*;

#[test]
fn ledgers_are_folded_and_their_levels_told() {
    let Served { client, .. } = &mut Served::new(&[("autovacuum", "off")]);
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
    let Served { redis, client, .. } = &mut Served::new(&[
        ("inventory_perf.notify_events", "on"),
        ("inventory_perf.outbox_poll_interval", "'200ms'"),
    ]);
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

/// Nobody delivers here but who calls.
fn by_hand(redis: &Redis) -> (Cluster, Client) {
    let cluster = Cluster::with_test_settings()
        .set("inventory_perf.redis_url", &format!("'{}'", redis.url()))
        .start();
    let mut client = cluster.connect(&cluster.database());
    client.run(
        "SET search_path = inventory_perf, public;
         CREATE TABLE public.stock (id int);
         SELECT invalidate_on_change('stock', keys => ARRAY['a:key:of:stock:{id}'])",
    );
    client.run("SELECT deliver_invalidations()");
    (cluster, client)
}

fn subscribe<'a>(subscriber: &'a mut redis::Connection, channels: &[&str]) -> redis::PubSub<'a> {
    subscriber
        .set_read_timeout(Some(PATIENCE))
        .expect("bound the wait");
    let mut subscription = subscriber.as_pubsub();
    subscription.subscribe(channels).expect("subscribe");
    subscription
}

/// The rows of one statement are taken by two sessions.
#[test]
fn an_event_waits_for_the_parts_that_others_deliver() {
    let redis = Redis::new();
    let (cluster, mut client) = by_hand(&redis);
    let database: String = client.ask("SELECT current_database()::text");
    let mut subscriber = redis.connect();
    let mut subscription = subscribe(&mut subscriber, &["inventory:update"]);
    let mut hear = || -> serde_json::Value {
        let message = subscription.get_message().expect("hear an event");
        let payload: String = message.get_payload().expect("a payload");
        serde_json::from_str(&payload).expect("JSON")
    };
    let deliver = |client: &mut Client| client.ask::<i64>("SELECT deliver_invalidations()");
    for end in ["COMMIT", "ROLLBACK"] {
        client.run("INSERT INTO stock SELECT generate_series(1, 900)");
        let parts: i64 = client.ask("SELECT count(*) FROM cache_outbox WHERE part > 0");
        assert!(parts >= 3, "{parts}");
        // as a session that has sent them and is about to commit
        let mut other = cluster.connect(&database);
        other.run("BEGIN; DELETE FROM inventory_perf.cache_outbox WHERE part = 2");
        assert_eq!(deliver(&mut client), parts - 2);
        assert_eq!(deliver(&mut client), 0);
        client.run("SELECT invalidate_keys('mark')");
        assert_eq!(deliver(&mut client), 1);
        assert_eq!(hear()["keys"], serde_json::json!(["mark"]), "{end}");
        other.run(end);
        let left = if end == "COMMIT" { 1 } else { 2 };
        assert_eq!(deliver(&mut client), left, "{end}");
        let told = hear();
        assert_eq!(told["operation"], "INSERT", "{told}");
        assert_eq!(told["truncated"], true, "{told}");
        assert!(told["captured_at"].is_string(), "{told}");
        let queued: i64 = client.ask("SELECT count(*) FROM cache_outbox");
        assert_eq!(queued, 0, "{end}");
    }
}

/// Redis tells of its own changes on channels too, so what comes first there was done first.
#[test]
fn an_event_follows_what_patterns_and_a_new_epoch_remove() {
    let redis = Redis::options()
        .set("notify-keyspace-events", "Kg$")
        .start();
    let (_cluster, mut client) = by_hand(&redis);
    let database: String = client.ask("SELECT current_database()::text");
    let removed = "__keyspace@0__:stock:1".to_owned();
    let epoch = format!("__keyspace@0__:inventory_perf:{{{database}}}:epoch");
    for (call, change) in [
        ("invalidate_pattern('stock:*')", removed),
        ("cache_flush()", epoch),
    ] {
        let _: () = redis.connect().set("stock:1", "old").expect("set a key");
        let mut subscriber = redis.connect();
        let mut subscription = subscribe(&mut subscriber, &["inventory:update", &change]);
        client.run(&format!("SELECT {call}"));
        client.run("SELECT deliver_invalidations()");
        let mut payload = String::new();
        for expected in [&change, "inventory:update"] {
            let message = subscription.get_message().expect("hear an event");
            assert_eq!(message.get_channel_name(), expected, "{call}");
            payload = message.get_payload().expect("a payload");
        }
        let told: serde_json::Value = serde_json::from_str(&payload).expect("JSON");
        assert_eq!(
            told["flush"] == true,
            call.starts_with("cache_flush"),
            "{told}"
        );
    }
}
