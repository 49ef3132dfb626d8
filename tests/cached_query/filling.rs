//! One session computes, the others wait.

use super::*;

/// `slow()` counts how often it was computed.
fn slow_query(shop: &Shop, body: &str) -> &'static str {
    shop.client().run(&format!(
        "CREATE FUNCTION slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $f$BEGIN {body}; RETURN $1; END$f$"
    ));
    "SELECT slow(level) FROM stock WHERE id = 1"
}

fn computations(shop: &Shop) -> i64 {
    // Statistics come a moment after the end of the session that counts.
    thread::sleep(Duration::from_millis(300));
    shop.client().ask(
        "SELECT coalesce((SELECT calls FROM pg_stat_user_functions WHERE funcname = 'slow'), 0)",
    )
}

#[test]
fn one_computes_while_the_others_wait() {
    let shop = Shop::open();
    let query = slow_query(&shop, "PERFORM pg_sleep(0.3)");
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let mut client = shop.client();
            client.run("SET inventory_perf.cache_fill_wait = '5 s'");
            thread::spawn(move || tagged(&mut client, query))
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.join().expect("a reader"), "10");
    }
    // Twice if a role was changed meanwhile, as other tests do: then the first one stores nothing.
    assert!((1..=2).contains(&computations(&shop)));
    assert_eq!(shop.names("fill"), Vec::<String>::new());
}

#[test]
fn waiting_is_bounded() {
    let shop = Shop::open();
    let query = slow_query(&shop, "PERFORM pg_sleep(1)");
    let mut first = shop.client();
    let filler = thread::spawn(move || tagged(&mut first, query));
    while shop.names("fill").is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    let mut second = shop.client();
    second.run("SET inventory_perf.cache_fill_wait = '100 ms'");
    assert_eq!(tagged(&mut second, query), "10");
    // a wait can be cancelled
    let mut third = shop.client();
    filler.join().expect("the filler");
    shop.client()
        .run("SELECT inventory_perf.invalidate_tags('shop')");
    shop.deliver();
    let mut first = shop.client();
    let filler = thread::spawn(move || tagged(&mut first, query));
    while shop.names("fill").is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    third.run("SET inventory_perf.cache_fill_wait = '30 s'; SET statement_timeout = '100 ms'");
    let begin = Instant::now();
    let call = format!("SELECT * FROM inventory_perf.cached_query('{query}', tags => '{{shop}}')");
    assert_eq!(third.refusal_code(&call), SqlState::QUERY_CANCELED);
    assert!(begin.elapsed() < Duration::from_millis(900));
    filler.join().expect("the filler");
    assert_eq!(computations(&shop), 3);
}

#[test]
fn an_error_lets_the_next_one_compute() {
    let shop = Shop::open();
    let mut client = shop.client();
    let call = "SELECT * FROM inventory_perf.cached_query('SELECT 1 / (level - 10) FROM stock', tags => '{shop}')";
    for _ in 0..2 {
        assert_eq!(client.refusal_code(call), SqlState::DIVISION_BY_ZERO);
        assert_eq!(shop.names("fill"), Vec::<String>::new());
    }
    client.run("SET statement_timeout = '100 ms'");
    let query = slow_query(&shop, "PERFORM pg_sleep(10)");
    let call = format!("SELECT * FROM inventory_perf.cached_query('{query}', tags => '{{shop}}')");
    assert_eq!(client.refusal_code(&call), SqlState::QUERY_CANCELED);
    assert_eq!(shop.names("fill"), Vec::<String>::new());
    assert_eq!(shop.names("query"), Vec::<String>::new());
    assert_eq!(tagged(&mut client, TOTAL), "30");
}
