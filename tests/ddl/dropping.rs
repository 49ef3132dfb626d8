//! Dropping and detaching.

use super::*;

#[test]
fn dropping_the_ledger_takes_what_was_derived_from_it() {
    let mut client = shop();
    let refused = client.refusal_code("DROP TABLE shop.moves");
    assert_eq!(refused, SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
    assert_shop_exact(&mut client);

    client.run("BEGIN; DROP TABLE shop.moves CASCADE; ROLLBACK");
    assert_shop_exact(&mut client);

    client.run("DROP TABLE shop.moves CASCADE");
    assert_eq!(ledgers(&mut client), Vec::<String>::new());
    assert_eq!(objects(&mut client), Vec::<String>::new());
    fold(&mut client);
    let gone = client.refusal_code("SELECT * FROM inventory_perf.verify_ledger(1::oid::regclass)");
    assert_eq!(gone, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);

    // Nothing is left that would be in the way of a table of the same name.
    client.run(
        "CREATE TABLE shop.moves (product_id int, quantity int, moved_at date);
         SELECT inventory_perf.attach_ledger('shop.moves');
         INSERT INTO shop.moves VALUES (1, 2, '2024-01-01')",
    );
    assert_shop_exact(&mut client);
}

#[test]
fn dropping_the_schema_of_the_ledger() {
    let mut client = shop();
    client.run("DROP SCHEMA shop CASCADE");
    assert_eq!(ledgers(&mut client), Vec::<String>::new());
    fold(&mut client);
}

#[test]
fn storage_cannot_be_dropped_by_itself() {
    let mut client = shop();
    for table in [
        "stock_pending",
        "stock_days",
        "stock_openings",
        "stock_months",
    ] {
        for cascade in ["", " CASCADE"] {
            let refused = client.refusal_code(&format!("DROP TABLE shop.{table}{cascade}"));
            assert_eq!(
                refused,
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                "{table}{cascade}"
            );
        }
    }
    assert_shop_exact(&mut client);
}

#[test]
fn dropping_the_extension_leaves_the_ledger() {
    let mut client = shop();
    let refused = client.refusal_code("DROP EXTENSION inventory_perf");
    assert_eq!(refused, SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
    assert_shop_exact(&mut client);

    let before: String = client.ask("SELECT sum(quantity)::text FROM shop.moves");
    client.run("DROP EXTENSION inventory_perf CASCADE");
    assert_eq!(
        client.ask::<String>("SELECT sum(quantity)::text FROM shop.moves"),
        before
    );
    client
        .run("INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 1, '2024-01-01')");
    client.run("TRUNCATE shop.moves");
    let triggers: i64 =
        client.ask("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop.moves'::regclass");
    assert_eq!(triggers, 0);

    client.run("CREATE EXTENSION inventory_perf");
    assert_eq!(ledgers(&mut client), Vec::<String>::new());
    client.run("SELECT inventory_perf.attach_ledger('shop.moves', prefix => 'second_')");
    client
        .run("INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 1, '2024-01-01')");
    assert_eq!(
        client.rows("SELECT * FROM shop.second_stock_levels"),
        ["(1,1.00,2024-01-01)"]
    );
}

#[test]
fn detaching_stops_capturing() {
    let mut client = shop();
    client.run("SELECT inventory_perf.detach_ledger('shop.moves')");
    assert_eq!(ledgers(&mut client), Vec::<String>::new());
    client
        .run("INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 1, '2024-01-01')");
    // The data stays until it is asked to go, and is nobody's business any more.
    let days: i64 = client.ask("SELECT count(*) FROM shop.stock_days");
    assert!(days > 0);
    let taken = client.refusal("SELECT inventory_perf.attach_ledger('shop.moves')");
    assert!(
        taken.hint().is_some_and(|hint| hint.contains("prefix")),
        "{taken:?}"
    );
    client.run("SELECT inventory_perf.attach_ledger('shop.moves', prefix => 'new_')");
    assert_eq!(
        client.rows("SELECT product_id, quantity_on_hand FROM shop.new_stock_levels ORDER BY 1"),
        client.rows("SELECT product_id, sum(quantity) FROM shop.moves GROUP BY 1 ORDER BY 1"),
    );
}

#[test]
fn detaching_with_the_data_leaves_nothing() {
    let mut client = shop();
    client.run("SELECT inventory_perf.detach_ledger('shop.moves', drop_data => true)");
    assert_eq!(objects(&mut client), ["(shop.moves)"]);
    client.run("SELECT inventory_perf.attach_ledger('shop.moves')");
    assert_shop_exact(&mut client);
    let missing = client.refusal_code("SELECT inventory_perf.detach_ledger('pg_class')");
    assert_eq!(missing, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
}

#[test]
fn user_views_on_the_answers_are_not_dropped_silently() {
    let mut client = shop();
    client.run("CREATE VIEW shop.mine AS SELECT * FROM shop.stock_levels");
    let refused =
        client.refusal_code("SELECT inventory_perf.detach_ledger('shop.moves', drop_data => true)");
    assert_eq!(refused, SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
    assert_shop_exact(&mut client);
}
