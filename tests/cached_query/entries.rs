//! What is stored, and what of it is believed.

use super::*;

#[test]
fn entries_that_make_no_sense_are_misses() {
    let shop = Shop::open();
    let mut client = shop.client();
    assert_eq!(tagged(&mut client, TOTAL), "30");
    let name = shop.entry();
    let mut redis = redis().connect();
    let good: Vec<u8> = redis::cmd("GET")
        .arg(&name)
        .query(&mut redis)
        .expect("the entry");
    let end = good
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a header");
    let header: serde_json::Value = serde_json::from_slice(&good[5..end]).expect("the header");
    let forged = |payload: &str| {
        let mut header = header.clone();
        header["c"] = "json".into();
        header["n"] = payload.len().into();
        header["h"] = crc32fast::hash(payload.as_bytes()).into();
        format!("IPC1 {header}\n{payload}").into_bytes()
    };
    let mut other = header.clone();
    other["s"] = serde_json::json!([]);
    let without_stamps = [
        b"IPC1 ".as_slice(),
        other.to_string().as_bytes(),
        &good[end..],
    ]
    .concat();
    for bad in [
        b"nonsense".to_vec(),
        Vec::new(),
        good[..good.len() - 1].to_vec(),
        without_stamps,
        forged("{}"),
        forged("1"),
        forged(r#"[{"sum": "\u0000"}]"#),
        forged(r#"[{"sum": 1e9999999}]"#),
        forged(r#"[{"sum": 1}, {"sum": 1e9999999}]"#),
        forged(&format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000))),
    ] {
        let shown = String::from_utf8_lossy(&bad[..bad.len().min(300)]).into_owned();
        let _: () = redis::cmd("SET")
            .arg(&name)
            .arg(bad)
            .query(&mut redis)
            .expect("forge the entry");
        assert_eq!(tagged(&mut client, TOTAL), "30", "{shown}");
    }
    let _: () = redis::cmd("SET")
        .arg(&name)
        .arg(forged(r#"[{"sum": 99}]"#))
        .query(&mut redis)
        .expect("forge the entry");
    assert_eq!(tagged(&mut client, TOTAL), "99");
    let _: () = redis::cmd("DEL")
        .arg(&name)
        .query(&mut redis)
        .expect("delete");
    let _: () = redis::cmd("LPUSH")
        .arg(&name)
        .arg("a list")
        .query(&mut redis)
        .expect("another type");
    assert_eq!(tagged(&mut client, TOTAL), "30");
}

#[test]
fn large_results_are_given_and_not_stored() {
    let shop = Shop::open();
    let mut client = shop.client();
    client.run("SET inventory_perf.cache_max_entry_size = '64 kB'");
    let count = |client: &mut Client, rows: u32| -> i64 {
        client.ask(&format!(
            "SELECT count(*) FROM inventory_perf.cached_query( \
                 'SELECT g AS n, md5(g::text) AS t FROM stock, generate_series(1, {rows}) AS g WHERE id = 1', tags => '{{shop}}')"
        ))
    };
    assert_eq!(count(&mut client, 50_000), 50_000);
    assert_eq!(shop.names("query"), Vec::<String>::new());
    assert_eq!(count(&mut client, 500), 500);
    assert_eq!(shop.names("query").len(), 1);
    assert_eq!(count(&mut client, 500), 500);
}

#[test]
fn every_value_comes_back_as_it_was() {
    let shop = Shop::open();
    let mut client = shop.client();
    for format in ["msgpack", "json"] {
        client.run(&format!("SET inventory_perf.cache_format = {format}"));
        for compress in ["-1", "0"] {
            client.run(&format!(
                "SET inventory_perf.cache_compress_above = {compress}"
            ));
            let query = format!(
                "SELECT 0.1000000000000000055511151231257827 AS a, 1e400::numeric AS b, 9223372036854775808 AS c, \
                 1.10 AS d, 'NaN'::numeric AS e, 'infinity'::float8 AS f, 0.1::float8 AS g, NULL AS h, true AS i, \
                 ARRAY[[1, 2], [3, 4]] AS j, '{{\"a\": [1.0, {{}}]}}'::jsonb AS k, '\"ü\\\\' || chr(128512) AS l, \
                 '\\xff00'::bytea AS m, '2024-01-01'::date AS n, -0.0::float8 AS o, '{format}{compress}' AS p FROM stock WHERE id = 1"
            );
            let call = format!(
                "SELECT q::text FROM inventory_perf.cached_query($q${query}$q$, tags => '{{shop}}') AS q"
            );
            let computed = client.rows(&call);
            assert_eq!(client.rows(&call), computed);
            client.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
            assert_eq!(client.rows(&call), computed);
            client.run("COMMIT");
        }
    }
    assert_eq!(shop.names("query").len(), 4);
}

#[test]
fn without_redis_queries_are_computed() {
    let other = Redis::new();
    let cluster = Cluster::with_test_settings()
        .set("inventory_perf.redis_url", &format!("'{}'", other.url()))
        .set("inventory_perf.redis_timeout", "100ms")
        .set("client_min_messages", "warning")
        .start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    client.run(
        "CREATE TABLE stock (id int, level int);
         INSERT INTO stock VALUES (1, 10)",
    );
    client.run("SELECT inventory_perf.deliver_invalidations()");
    assert_eq!(tagged(&mut client, TOTAL), "10");
    client.run("UPDATE stock SET level = 11");
    assert_eq!(tagged(&mut client, TOTAL), "10");
    other.stop();
    for _ in 0..5 {
        assert_eq!(tagged(&mut client, TOTAL), "11");
    }
    other.start();
    other.freeze();
    let begin = Instant::now();
    for _ in 0..20 {
        assert_eq!(tagged(&mut client, TOTAL), "11");
    }
    assert!(begin.elapsed() < Duration::from_secs(5));
    other.thaw();
    // another Redis is not trusted until somebody has confirmed it
    assert_eq!(tagged(&mut client, TOTAL), "11");
    // nor is a cache that nobody has confirmed since the server started
    cluster.restart();
    let mut client = cluster.connect(&database);
    client.run("SELECT inventory_perf.deliver_invalidations()");
    assert_eq!(tagged(&mut client, TOTAL), "11");
    client.run("UPDATE stock SET level = 12");
    assert_eq!(tagged(&mut client, TOTAL), "11");
    cluster.kill();
    cluster.start();
    let mut client = cluster.connect(&database);
    assert_eq!(tagged(&mut client, TOTAL), "12");
}
