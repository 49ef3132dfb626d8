//! Alerts of low stock: when they are told, and that each is told once.

mod common;
mod connections;

use std::collections::HashMap;

use common::{Ask, Redis};
use connections::{PATIENCE, Site};
use postgres::error::SqlState;
use serde_json::{Value, json};

const ALERT: &str = "inventory:low_stock:alert";
const LEVEL: &str = "inventory:level:updated";

fn site(redis: &Redis) -> Site {
    let mut site = Site::new(&[
        ("shared_preload_libraries", "'inventory_perf'"),
        ("inventory_perf.redis_url", &format!("'{}'", redis.url())),
        ("inventory_perf.notify_events", "on"),
    ]);
    site.client.run(
        "CREATE TABLE public.moves (product_id int, location_id bigint, quantity numeric, moved_at date);
         SELECT attach_ledger('public.moves');
         SELECT invalidate_on_change('public.moves')",
    );
    site
}

/// The alerts that were told up to the level of a product that nobody watches.
fn alerts(subscription: &mut redis::PubSub, site: &mut Site) -> Vec<Value> {
    site.client
        .run("INSERT INTO public.moves VALUES (999, 1, 1000, current_date)");
    let mut alerts = Vec::new();
    loop {
        let message = subscription.get_message().expect("hear an event");
        let payload: String = message.get_payload().expect("a payload");
        let payload: Value = serde_json::from_str(&payload).expect("JSON");
        if message.get_channel_name() == ALERT {
            alerts.push(payload);
        } else if payload["key"]["product_id"] == 999 {
            return alerts;
        }
    }
}

fn keys(alerts: &[Value]) -> HashMap<String, f64> {
    alerts
        .iter()
        .map(|alert| {
            let threshold = alert["threshold"].as_f64().expect("a threshold");
            (alert["key"].to_string(), threshold)
        })
        .collect()
}

#[test]
fn an_alert_is_told_once_when_stock_falls_below_the_threshold() {
    let redis = Redis::new();
    let mut site = site(&redis);
    let mut subscriber = redis.connect();
    subscriber
        .set_read_timeout(Some(PATIENCE))
        .expect("bound the wait");
    let mut subscription = subscriber.as_pubsub();
    subscription.subscribe(&[ALERT, LEVEL]).expect("subscribe");
    let key = |product: i32, location: i32| {
        json!({"location_id": location, "product_id": product}).to_string()
    };
    let mut step = |site: &mut Site, rows: &str| {
        if !rows.is_empty() {
            site.client.run(&format!(
                "INSERT INTO public.moves SELECT p, l, q, current_date FROM (VALUES {rows}) m (p, l, q)"
            ));
        }
        alerts(&mut subscription, site)
    };
    site.client.run(
        "SELECT alert_low_stock('public.moves', 5.5);
         SELECT alert_low_stock('public.moves', 20, '{\"product_id\": \"7\"}');
         SELECT alert_low_stock('public.moves', 2, '{\"product_id\": 7, \"location_id\": 3}')",
    );
    // enough of everything
    let told = step(&mut site, "(1, 1, 6), (7, 1, 20), (7, 3, 2)");
    assert_eq!(keys(&told), HashMap::new());
    // below, each by the threshold that names the most
    let told = step(&mut site, "(1, 1, -1), (7, 1, -0.5), (7, 3, -1)");
    let expected = [(key(1, 1), 5.5), (key(7, 1), 20.0), (key(7, 3), 2.0)];
    assert_eq!(keys(&told), HashMap::from(expected));
    let one = told.iter().find(|alert| alert["key"]["product_id"] == 1);
    let one = one.expect("the first product");
    assert_eq!(one["ledger"], "public.moves");
    assert_eq!(one["quantity"].as_f64(), Some(5.0));
    // further down, and up but not enough
    assert_eq!(step(&mut site, "(1, 1, -4)"), Vec::<Value>::new());
    assert_eq!(
        step(&mut site, "(1, 1, 1), (7, 1, 0.25)"),
        Vec::<Value>::new()
    );
    // up and down again
    assert_eq!(
        step(&mut site, "(1, 1, 10), (7, 1, 0.25)"),
        Vec::<Value>::new()
    );
    let told = step(&mut site, "(1, 1, -10), (7, 3, -1)");
    assert_eq!(keys(&told), HashMap::from([(key(1, 1), 5.5)]));
    // a restart of the worker forgets nothing
    site.client.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE backend_type = 'inventory_perf worker'",
    );
    assert_eq!(step(&mut site, "(1, 1, -1)"), Vec::<Value>::new());
    // another threshold begins anew
    site.client
        .run("SELECT alert_low_stock('public.moves', NULL, '{\"product_id\": 7}')");
    let told = step(&mut site, "(7, 1, -10), (1, 1, -1)");
    assert_eq!(keys(&told), HashMap::from([(key(1, 1), 5.5)]));
    // too many to look at
    site.client.run(
        "INSERT INTO public.moves SELECT g, 1, 1, current_date FROM generate_series(1000, 1200) g",
    );
    let told = step(&mut site, "");
    assert_eq!(told, [json!({"ledger": "public.moves", "truncated": true})]);
    // notified as well
    let mut listener = site.cluster.connect(&site.database);
    listener.run(&format!("LISTEN \"{ALERT}\""));
    assert_eq!(step(&mut site, "(2, 1, 1)").len(), 1);
    let mut notified = listener.notifications();
    let mut waiting = notified.timeout_iter(PATIENCE);
    loop {
        let notification = postgres::fallible_iterator::FallibleIterator::next(&mut waiting)
            .expect("listen")
            .expect("a notification");
        // what was published before may be notified only now
        let payload: Value = serde_json::from_str(notification.payload()).expect("JSON");
        if payload["truncated"].is_null() {
            assert_eq!(payload["threshold"].as_f64(), Some(5.5));
            break;
        }
    }
    // nothing is left with the ledger gone
    site.client
        .run("SELECT detach_ledger('public.moves', true)");
    for table in ["low_stock", "low_stock_thresholds"] {
        let rows: i64 = site.client.ask(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(rows, 0, "{table}");
    }
}

#[test]
fn thresholds_are_for_the_owner_and_for_keys_of_the_ledger() {
    let redis = Redis::new();
    let mut site = site(&redis);
    for (call, code) in [
        ("(NULL, 1)", SqlState::NULL_VALUE_NOT_ALLOWED),
        (
            "('public.moves', 1, NULL)",
            SqlState::NULL_VALUE_NOT_ALLOWED,
        ),
        ("('public.moves', 'NaN')", SqlState::INVALID_PARAMETER_VALUE),
        (
            "('public.moves', 1, '[]')",
            SqlState::INVALID_PARAMETER_VALUE,
        ),
        (
            "('public.moves', 1, '{\"lot\": 1}')",
            SqlState::INVALID_PARAMETER_VALUE,
        ),
        (
            "('public.moves', 1, '{\"product_id\": \"x\"}')",
            SqlState::INVALID_TEXT_REPRESENTATION,
        ),
        (
            "('pg_class', 1)",
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        ),
    ] {
        let refusal = site
            .client
            .refusal_code(&format!("SELECT alert_low_stock{call}"));
        assert_eq!(refusal, code, "{call}");
    }
    site.client.run(
        "CREATE ROLE clerk LOGIN;
         GRANT EXECUTE ON FUNCTION alert_low_stock(regclass, numeric, jsonb) TO clerk",
    );
    let mut clerk = site.cluster.connect_as("clerk", &site.database);
    let call = "SELECT inventory_perf.alert_low_stock('public.moves', 1)";
    assert_eq!(clerk.refusal_code(call), SqlState::INSUFFICIENT_PRIVILEGE);
    // whom nobody tells of changes
    site.client.run("SELECT stop_invalidating('public.moves')");
    let refusal = site.client.refusal(call);
    assert_eq!(refusal.code(), &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
    assert!(
        refusal
            .hint()
            .is_some_and(|hint| hint.contains("invalidate_on_change"))
    );
    site.client
        .run("SELECT alert_low_stock('public.moves', NULL)");
}
