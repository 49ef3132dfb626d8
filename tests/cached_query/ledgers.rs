//! Queries of what is derived from a ledger.

use super::*;

/// A ledger of one row, which nothing watches.
fn with_ledger() -> Shop {
    let shop = Shop::open();
    shop.client().run(
        "CREATE TABLE moves (tenant_id int, product_id int, quantity int, moved_at date);
         INSERT INTO moves VALUES (1, 1, 5, '2024-01-01');
         GRANT SELECT ON moves TO seller;
         SELECT * FROM inventory_perf.attach_ledger('moves')",
    );
    shop
}

#[test]
fn snapshots_of_a_ledger_are_watched_through_the_ledger() {
    let shop = with_ledger();
    let (mut client, mut owner) = (shop.as_role("seller"), shop.client());
    const LEVELS: &str = "SELECT quantity_on_hand FROM stock_levels";
    const ON: &str = "SELECT quantity FROM stock_on('2024-06-01')";
    const UNTYPED: &str = "SELECT quantity FROM inventory_perf.stock_on('moves', '2024-06-01')";
    let queries = [LEVELS, ON, UNTYPED];
    for query in queries {
        assert_eq!(cached(&mut client, query), "5");
    }
    assert_eq!(shop.names("query"), Vec::<String>::new());
    owner.run("SELECT inventory_perf.invalidate_on_change('moves')");
    shop.deliver();
    for query in queries {
        assert_eq!(cached(&mut client, query), "5");
    }
    assert_eq!(shop.names("query").len(), 3);
    owner.run("INSERT INTO moves VALUES (1, 1, 2, '2024-01-02')");
    for query in queries {
        assert_eq!(cached(&mut client, query), "7");
    }
    shop.deliver();
    for query in queries {
        assert_eq!(cached(&mut client, query), "7");
    }
    // a fold changes no answer, and takes none away
    let before = shop.names("query");
    owner.run("SELECT inventory_perf.populate_daily_stock_snapshots('moves')");
    shop.deliver();
    for query in queries {
        assert_eq!(cached(&mut client, query), "7");
    }
    assert_eq!(shop.names("query").len(), before.len());
    owner.run("REVOKE SELECT ON moves FROM seller");
    for query in queries {
        let call = format!("SELECT * FROM inventory_perf.cached_query($q${query}$q$)");
        assert_eq!(
            client.refusal_code(&call),
            SqlState::INSUFFICIENT_PRIVILEGE,
            "{query}"
        );
    }
    // storage itself changes in a fold
    cached(&mut owner, "SELECT count(*) FROM stock_pending");
    assert_eq!(shop.names("query").len(), before.len());
}

#[test]
fn mended_snapshots_make_answers_from_them_invalid() {
    let shop = with_ledger();
    let (mut client, mut owner) = (shop.as_role("seller"), shop.client());
    const ON: &str = "SELECT quantity FROM stock_on('2024-01-01')";
    const TAGGED: &str = "$q$SELECT quantity FROM stock_on('2024-01-01')$q$, tags => '{levels}'";
    owner.run("SELECT inventory_perf.invalidate_on_change('moves', tags => '{levels}')");
    shop.deliver();
    for mend in [
        "SELECT inventory_perf.repair_ledger('moves')",
        "SELECT inventory_perf.rebuild_ledger('moves')",
        "SELECT inventory_perf.populate_daily_stock_snapshots('1'::text, '2024-01-01', '2024-01-01')",
    ] {
        owner.run("UPDATE stock_days SET in_quantity = 6, month_quantity = 6");
        owner.run("SELECT inventory_perf.cache_flush()");
        shop.deliver();
        assert_eq!(cached(&mut client, ON), "6", "{mend}");
        assert_eq!(ask_cached(&mut client, TAGGED), "6", "{mend}");
        owner.run(mend);
        assert_eq!(cached(&mut client, ON), "5", "{mend}");
        assert_eq!(ask_cached(&mut client, TAGGED), "5", "{mend}");
        shop.deliver();
        assert_eq!(cached(&mut client, ON), "5", "{mend}");
        assert_eq!(ask_cached(&mut client, TAGGED), "5", "{mend}");
    }
    // what was right already takes nothing away
    owner.run("SELECT inventory_perf.repair_ledger('moves')");
    assert_eq!(
        owner.ask::<i64>("SELECT count(*) FROM inventory_perf.cache_outbox"),
        0
    );
}
