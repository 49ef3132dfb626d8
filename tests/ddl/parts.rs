//! Partitions and children.

use super::*;

/// A ledger partitioned by day, with one sub-partitioned part.
fn partitioned_shop() -> Client {
    let mut client = database();
    client.run(
        "CREATE SCHEMA shop;
         CREATE TABLE shop.moves (product_id int, quantity int, moved_at date)
             PARTITION BY RANGE (moved_at);
         CREATE TABLE shop.moves_2023 PARTITION OF shop.moves
             FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
         CREATE TABLE shop.moves_2024 PARTITION OF shop.moves
             FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (product_id);
         CREATE TABLE shop.moves_2024_1 PARTITION OF shop.moves_2024 FOR VALUES IN (1);
         CREATE TABLE shop.moves_2024_other PARTITION OF shop.moves_2024 DEFAULT;
         INSERT INTO shop.moves SELECT number % 4, number, date '2023-06-01' + number
         FROM generate_series(1, 300) AS number;
         SELECT inventory_perf.attach_ledger('shop.moves');
         INSERT INTO shop.moves_2023 VALUES (1, 7, '2023-02-02')",
    );
    client
}

#[test]
fn partitions_come_and_go() {
    let mut client = partitioned_shop();
    assert_shop_exact(&mut client);

    client.run(
        "CREATE TABLE shop.moves_2025 PARTITION OF shop.moves
             FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
         INSERT INTO shop.moves_2025 VALUES (1, 5, '2025-03-03'), (9, 5, '2025-03-03');
         INSERT INTO shop.moves VALUES (1, 6, '2025-03-04')",
    );
    assert_shop_exact(&mut client);

    client.run(
        "CREATE TABLE shop.old (product_id int, quantity int, moved_at date);
         INSERT INTO shop.old VALUES (1, 11, '2022-05-05'), (8, 1, '2022-05-06');
         ALTER TABLE shop.moves ATTACH PARTITION shop.old
             FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')",
    );
    assert_shop_exact(&mut client);
    client.run("UPDATE shop.old SET quantity = 12 WHERE product_id = 8");
    assert_shop_exact(&mut client);

    // A whole tree at once.
    client.run(
        "CREATE TABLE shop.ancient (product_id int, quantity int, moved_at date)
             PARTITION BY LIST (product_id);
         CREATE TABLE shop.ancient_1 PARTITION OF shop.ancient FOR VALUES IN (1);
         CREATE TABLE shop.ancient_other PARTITION OF shop.ancient DEFAULT;
         INSERT INTO shop.ancient VALUES (1, 3, '2021-01-01'), (5, 4, '2021-01-02');
         ALTER TABLE shop.moves ATTACH PARTITION shop.ancient
             FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
         INSERT INTO shop.ancient_other VALUES (6, 6, '2021-06-06')",
    );
    assert_shop_exact(&mut client);
    fold(&mut client);
    assert_shop_exact(&mut client);

    let refused = client.refusal("DROP TABLE shop.old");
    assert_eq!(refused.code(), &SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
    assert!(
        refused.hint().is_some_and(|hint| hint.contains("DETACH")),
        "{refused:?}"
    );
    assert_shop_exact(&mut client);

    client.run("ALTER TABLE shop.moves DETACH PARTITION shop.old");
    assert_shop_exact(&mut client);
    client.run("INSERT INTO shop.old VALUES (1, 1000, '2022-01-01')");
    assert_shop_exact(&mut client);
    client.run("DROP TABLE shop.old");
    assert_shop_exact(&mut client);

    client.run("ALTER TABLE shop.moves DETACH PARTITION shop.ancient");
    assert_shop_exact(&mut client);
    client
        .run("INSERT INTO shop.ancient_other VALUES (6, 6, '2021-06-06'); DROP TABLE shop.ancient");
    assert_shop_exact(&mut client);
    fold(&mut client);
    assert_shop_exact(&mut client);
}

#[test]
fn partitions_detached_concurrently() {
    let mut client = partitioned_shop();
    client.run("ALTER TABLE shop.moves DETACH PARTITION shop.moves_2023 CONCURRENTLY");
    assert_shop_exact(&mut client);
    client.run("TRUNCATE shop.moves_2023; DROP TABLE shop.moves_2023");
    assert_shop_exact(&mut client);
}

#[test]
fn partition_changes_roll_back() {
    let mut client = partitioned_shop();
    client.run(
        "BEGIN;
         ALTER TABLE shop.moves DETACH PARTITION shop.moves_2023;
         SAVEPOINT a;
         ALTER TABLE shop.moves ATTACH PARTITION shop.moves_2023
             FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
         INSERT INTO shop.moves VALUES (1, 1, '2023-01-01');
         ROLLBACK TO SAVEPOINT a",
    );
    assert_shop_exact(&mut client);
    client.run("ROLLBACK");
    assert_shop_exact(&mut client);
    client.run("INSERT INTO shop.moves_2023 VALUES (2, 2, '2023-01-01')");
    assert_shop_exact(&mut client);
}

#[test]
fn truncated_partitions() {
    let mut client = partitioned_shop();
    client.run("TRUNCATE shop.moves_2024_1");
    assert_shop_exact(&mut client);
    client.run("TRUNCATE shop.moves_2024");
    assert_shop_exact(&mut client);
    client.run("INSERT INTO shop.moves VALUES (1, 1, '2024-01-01'); TRUNCATE shop.moves");
    assert_shop_exact(&mut client);
    client.run("INSERT INTO shop.moves VALUES (1, 1, '2024-01-01')");
    fold(&mut client);
    assert_shop_exact(&mut client);
}

#[test]
fn partition_that_is_a_foreign_table_is_refused() {
    let mut client = partitioned_shop();
    client.run(
        "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing",
    );
    let refused = client.refusal_code(
        "CREATE FOREIGN TABLE shop.moves_far PARTITION OF shop.moves
             FOR VALUES FROM ('2030-01-01') TO ('2031-01-01') SERVER nowhere",
    );
    assert_eq!(refused, SqlState::WRONG_OBJECT_TYPE);
    assert_shop_exact(&mut client);
}

/// Tables that inherit count with their parent, as they do in a query of the parent.
#[test]
fn inheritance_children_come_and_go() {
    let mut client = shop();
    client.run(
        "CREATE TABLE shop.more () INHERITS (shop.moves);
         INSERT INTO shop.more (id, product_id, quantity, moved_at) VALUES (-1, 1, 9, '2024-01-09')",
    );
    assert_shop_exact(&mut client);
    client.run("UPDATE shop.moves SET quantity = quantity + 1 WHERE product_id = 1");
    assert_shop_exact(&mut client);
    client.run("ALTER TABLE shop.more NO INHERIT shop.moves; TRUNCATE shop.more");
    assert_shop_exact(&mut client);
    client.run("TRUNCATE shop.moves");
    assert_shop_exact(&mut client);
}
