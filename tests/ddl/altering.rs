//! Columns, names, triggers and tables that are altered.

use super::*;

#[test]
fn mapped_columns_keep_their_type_and_stay() {
    let mut client = shop();
    for change in [
        "ALTER COLUMN quantity TYPE int",
        "ALTER COLUMN product_id TYPE bigint",
        "ALTER COLUMN moved_at TYPE timestamp",
    ] {
        let refused = client.refusal_code(&format!("ALTER TABLE shop.moves {change}"));
        assert_eq!(refused, SqlState::FEATURE_NOT_SUPPORTED, "{change}");
    }
    for change in ["DROP COLUMN quantity", "DROP COLUMN quantity CASCADE"] {
        let refused = client.refusal_code(&format!("ALTER TABLE shop.moves {change}"));
        assert_eq!(refused, SqlState::DEPENDENT_OBJECTS_STILL_EXIST, "{change}");
    }
    assert_shop_exact(&mut client);
}

#[test]
fn other_columns_come_go_and_change() {
    let mut client = shop();
    client.run(
        "ALTER TABLE shop.moves ALTER COLUMN note TYPE varchar(90);
         ALTER TABLE shop.moves DROP COLUMN note;
         ALTER TABLE shop.moves ADD COLUMN batch int DEFAULT 4;
         INSERT INTO shop.moves (product_id, quantity, moved_at, batch)
         VALUES (2, 9, '2024-04-04', 1);
         ALTER TABLE shop.moves ALTER COLUMN id TYPE int;
         UPDATE shop.moves SET quantity = quantity + 1 WHERE product_id = 2",
    );
    assert_shop_exact(&mut client);
    fold(&mut client);
    assert_shop_exact(&mut client);
}

#[test]
fn names_may_change() {
    let mut client = shop();
    // A session that has captured already must follow, too.
    client.run(
        "ALTER TABLE shop.moves RENAME TO movements;
         INSERT INTO shop.movements (product_id, quantity, moved_at) VALUES (4, 4, '2024-01-04')",
    );
    assert_exact(&mut client, "shop.movements", "product_id", "shop");
    client.run(
        "ALTER TABLE shop.movements RENAME COLUMN product_id TO \"Item\";
         INSERT INTO shop.movements (\"Item\", quantity, moved_at) VALUES (4, 4, '2024-01-05');
         DELETE FROM shop.movements WHERE \"Item\" = 7",
    );
    assert_exact(&mut client, "shop.movements", "\"Item\"", "shop");
    fold(&mut client);
    client.run(
        "ALTER SCHEMA shop RENAME TO \"the shop\";
         UPDATE \"the shop\".movements SET moved_at = moved_at + 1 WHERE \"Item\" = 4",
    );
    assert_exact(
        &mut client,
        "\"the shop\".movements",
        "\"Item\"",
        "\"the shop\"",
    );
    fold(&mut client);
    assert_exact(
        &mut client,
        "\"the shop\".movements",
        "\"Item\"",
        "\"the shop\"",
    );
    client.run("CREATE SCHEMA other; ALTER TABLE \"the shop\".movements SET SCHEMA other");
    client.run(
        "INSERT INTO other.movements (\"Item\", quantity, moved_at) VALUES (1, 1, '2024-01-01')",
    );
    assert_exact(&mut client, "other.movements", "\"Item\"", "\"the shop\"");
    client.run("SELECT inventory_perf.repair_ledger('other.movements')");
    client.run("SELECT inventory_perf.rebuild_ledger('other.movements')");
    assert_exact(&mut client, "other.movements", "\"Item\"", "\"the shop\"");
    client.run("SELECT inventory_perf.detach_ledger('other.movements', drop_data => true)");
}

#[test]
fn tables_may_be_rewritten() {
    let mut client = shop();
    for rewrite in [
        "VACUUM FULL shop.moves",
        "VACUUM FULL shop.stock_pending",
        "VACUUM FULL shop.stock_days",
        "CLUSTER shop.moves USING moves_pkey",
    ] {
        client.run(rewrite);
    }
    client
        .run("INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (4, 4, '2024-01-04')");
    assert_shop_exact(&mut client);
    fold(&mut client);
    assert_shop_exact(&mut client);
}

#[test]
fn disabled_triggers_make_the_ledger_stale() {
    for disable in [
        "ALTER TABLE shop.moves DISABLE TRIGGER ALL",
        "ALTER TABLE shop.moves DISABLE TRIGGER USER",
        "ALTER TABLE shop.moves DISABLE TRIGGER \"00_inventory_perf_update\"",
        "ALTER TABLE shop.moves ENABLE REPLICA TRIGGER \"00_inventory_perf_delete\"",
        "DROP TRIGGER \"00_inventory_perf_insert\" ON shop.moves",
    ] {
        let mut client = shop();
        client.run(disable);
        assert_eq!(ledgers(&mut client), ["(shop.moves,stale)"], "{disable}");
        client.run(
            "INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 100, '2024-01-01');
             UPDATE shop.moves SET quantity = 8 WHERE product_id = 7",
        );
        for read in [
            "SELECT * FROM shop.daily_stock_snapshots",
            "SELECT * FROM shop.stock_levels",
            "SELECT * FROM shop.stock_on('2024-01-01')",
            "SELECT * FROM shop.stock_history('2024-01-01', '2024-01-02')",
            "SELECT * FROM shop.stock_period('2024-01-01', '2024-01-02')",
            "SELECT * FROM inventory_perf.stock_on('shop.moves', '2024-01-01')",
        ] {
            let refused = client.refusal(read);
            assert_eq!(
                refused.code(),
                &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "{read}"
            );
            assert!(
                refused
                    .hint()
                    .is_some_and(|hint| hint.contains("rebuild_ledger")),
                "{read}"
            );
        }
        let mend = if disable.contains("ALL") {
            "rebuild_ledger"
        } else {
            "repair_ledger"
        };
        client.run(&format!("SELECT inventory_perf.{mend}('shop.moves')"));
        assert_eq!(ledgers(&mut client), ["(shop.moves,ready)"], "{disable}");
        assert_shop_exact(&mut client);
        client.run(
            "INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 1, '2024-01-01');
             UPDATE shop.moves SET quantity = 9 WHERE product_id = 7;
             DELETE FROM shop.moves WHERE product_id = 2",
        );
        assert_shop_exact(&mut client);
    }
}

#[test]
fn replica_sessions_are_captured() {
    let mut client = shop();
    client.run(
        "SET session_replication_role = replica;
         INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 17, '2024-01-09');
         DELETE FROM shop.moves WHERE product_id = 2;
         RESET session_replication_role",
    );
    assert_shop_exact(&mut client);
}
