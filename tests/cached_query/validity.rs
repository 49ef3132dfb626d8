//! How long an answer is given again, and to whom.

use super::*;

#[test]
fn an_answer_is_given_again_until_a_tag_is_invalid() {
    let shop = Shop::open();
    let (mut reader, mut writer) = (shop.client(), shop.client());
    assert_eq!(tagged(&mut reader, TOTAL), "30");
    writer.run("UPDATE stock SET level = 11 WHERE id = 1");
    assert_eq!(tagged(&mut reader, TOTAL), "30");
    assert_eq!(tagged(&mut shop.client(), TOTAL), "30");
    // what is told but not delivered counts from its commit on
    writer.run("BEGIN; SELECT inventory_perf.invalidate_tags('shop')");
    assert_eq!(tagged(&mut reader, TOTAL), "30");
    writer.run("COMMIT");
    assert_eq!(tagged(&mut reader, TOTAL), "31");
    writer.run("UPDATE stock SET level = 12 WHERE id = 1");
    assert_eq!(tagged(&mut reader, TOTAL), "32");
    shop.deliver();
    assert_eq!(tagged(&mut reader, TOTAL), "32");
    writer.run("UPDATE stock SET level = 13 WHERE id = 1");
    assert_eq!(tagged(&mut reader, TOTAL), "32");
    // other tags do not matter
    writer.run("SELECT inventory_perf.invalidate_tags('other')");
    assert_eq!(tagged(&mut reader, TOTAL), "32");
    shop.deliver();
    assert_eq!(tagged(&mut reader, TOTAL), "32");
    // patterns, and everything
    writer.run("SELECT inventory_perf.cache_flush()");
    assert_eq!(tagged(&mut reader, TOTAL), "33");
    shop.deliver();
    assert_eq!(tagged(&mut reader, TOTAL), "33");
}

#[test]
fn a_watched_table_is_never_seen_as_it_was() {
    let shop = Shop::watched();
    let (mut reader, mut writer) = (shop.client(), shop.client());
    let mut level = 10;
    for change in [
        "UPDATE stock SET level = level + 1 WHERE id = 1",
        "INSERT INTO stock VALUES (3, 1, 100)",
        "DELETE FROM stock WHERE id = 2",
        "TRUNCATE stock",
    ] {
        for query in [
            TOTAL,
            "SELECT sum(s.level) FROM stock AS s WHERE s.level > 0",
        ] {
            cached(&mut reader, query);
            cached(&mut reader, query);
        }
        assert!(!shop.names("query").is_empty());
        writer.run(change);
        let truth: String = writer.ask("SELECT coalesce(sum(level)::text, 'none') FROM stock");
        let shown = |client: &mut Client| {
            let rows = client.rows(&format!(
                "SELECT * FROM inventory_perf.cached_query('{TOTAL}')"
            ));
            rows[0].clone()
        };
        let expected = match truth.as_str() {
            "none" => "null".to_owned(),
            truth => truth.to_owned(),
        };
        for _ in 0..2 {
            let answer = shown(&mut reader);
            assert!(
                answer.contains(&format!(": {expected}}}")),
                "{change}: {answer}"
            );
        }
        shop.deliver();
        for _ in 0..2 {
            let answer = shown(&mut reader);
            assert!(
                answer.contains(&format!(": {expected}}}")),
                "{change}: {answer}"
            );
        }
        level += 1;
    }
    assert_eq!(level, 14);
}

#[test]
fn only_transactions_that_may_are_served_and_fill() {
    let shop = Shop::open();
    let mut reader = shop.client();
    for begin in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "BEGIN; CREATE TEMP TABLE mine (x int)",
        "BEGIN; SET LOCAL inventory_perf.cache_enabled = off",
    ] {
        reader.run(begin);
        tagged(&mut reader, TOTAL);
        reader.run("ROLLBACK");
        assert_eq!(shop.names("query"), Vec::<String>::new(), "{begin}");
    }
    assert_eq!(tagged(&mut reader, TOTAL), "30");
    shop.client()
        .run("UPDATE stock SET level = 11 WHERE id = 1");
    for begin in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "BEGIN; CREATE TEMP TABLE mine (x int)",
        "BEGIN; SET LOCAL inventory_perf.cache_enabled = off",
    ] {
        reader.run(begin);
        assert_eq!(tagged(&mut reader, TOTAL), "31", "{begin}");
        reader.run("ROLLBACK");
    }
    for begin in ["BEGIN", "BEGIN READ ONLY", "BEGIN; SAVEPOINT a"] {
        reader.run(begin);
        assert_eq!(tagged(&mut reader, TOTAL), "30", "{begin}");
        reader.run("COMMIT");
    }
}

#[test]
fn the_session_decides_what_a_query_means() {
    let shop = Shop::open();
    let mut client = shop.client();
    client.run(
        "CREATE SCHEMA other;
         CREATE TABLE other.stock (level int);
         INSERT INTO other.stock VALUES (7)",
    );
    assert_eq!(tagged(&mut client, TOTAL), "30");
    client.run("SET search_path = other, public");
    assert_eq!(tagged(&mut client, TOTAL), "7");
    client.run("SET search_path = public");
    assert_eq!(tagged(&mut client, TOTAL), "30");
    client.run("CREATE TEMP TABLE stock (level int); INSERT INTO stock VALUES (3)");
    assert_eq!(tagged(&mut client, TOTAL), "3");
    client.run("DROP TABLE pg_temp.stock");
    // a table that takes the name over while the session keeps its plan
    client.run("CREATE SCHEMA first; SET search_path = first, public");
    assert_eq!(tagged(&mut client, TOTAL), "30");
    client.run("CREATE TABLE first.stock (level int); INSERT INTO first.stock VALUES (5)");
    assert_eq!(tagged(&mut client, TOTAL), "5");
    client.run("RESET search_path");

    const TIME: &str =
        "SELECT to_char('2024-01-01 12:00Z'::timestamptz, 'HH24') FROM stock WHERE id = 1";
    client.run("SET timezone = 'UTC'");
    assert_eq!(tagged(&mut client, TIME), "12");
    client.run("SET timezone = 'Asia/Tokyo'");
    assert_eq!(tagged(&mut client, TIME), "21");
    const INTERVAL: &str = "SELECT level * interval '1 day' FROM stock WHERE id = 1";
    let plain = tagged(&mut client, INTERVAL);
    client.run("SET intervalstyle = 'iso_8601'");
    assert_ne!(tagged(&mut client, INTERVAL), plain);

    // parameters, tags, and what looks alike
    let mut with = |params: &str| {
        ask_cached(
            &mut client,
            &format!(
                "'SELECT $1 || ''-'' || $2 FROM stock WHERE id = 1', '{params}', tags => '{{shop}}'"
            ),
        )
    };
    assert_eq!(with(r#"["a", "b-c"]"#), "a-b-c");
    assert_eq!(with(r#"["a-b", "c"]"#), "a-b-c");
    assert_eq!(with(r#"["ab", ""]"#), "ab-");
    assert_eq!(with(r#"["", "ab"]"#), "-ab");
    assert_eq!(with(r#"["ab", null]"#), "none");
}

#[test]
fn rows_expire() {
    let shop = Shop::open();
    let mut client = shop.client();
    client.run("SET inventory_perf.cache_ttl_jitter = 0");
    let arguments = format!("'{TOTAL}', ttl => '300 ms', tags => '{{shop}}'");
    let begin = Instant::now();
    assert_eq!(ask_cached(&mut client, &arguments), "30");
    shop.client()
        .run("UPDATE stock SET level = 11 WHERE id = 1");
    let answer = ask_cached(&mut client, &arguments);
    assert!(answer == "30" || begin.elapsed() > Duration::from_millis(250));
    thread::sleep(Duration::from_millis(320));
    assert_eq!(ask_cached(&mut client, &arguments), "31");
}
