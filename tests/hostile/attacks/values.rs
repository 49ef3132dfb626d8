//! Values and names that nothing was made for.

use crate::arena::Arena;
use crate::common::Ask;
use crate::exact::Ledger;

/// A sum that no numeric holds is refused to the writer, or can be mended.
#[test]
fn attack_19_a_sum_that_overflows() {
    let arena = Arena::open();
    let mut owner = arena.as_role("owner");
    owner.run(
        "CREATE TABLE den.moves (product_id int, location_id int, quantity numeric, moved_at date, note text);
         GRANT SELECT ON den.moves TO reader;
         SELECT inventory_perf.attach_ledger('den.moves')",
    );
    for sql in [
        "INSERT INTO den.moves VALUES (2, 1, '9e131071', '2024-01-05', '')",
        "INSERT INTO den.moves VALUES (2, 1, '9e131071', '2024-01-05', '')",
        "INSERT INTO den.moves VALUES (3, 1, 5, '2024-01-05', '')",
    ] {
        println!("{sql}: {:?}", arena.attempt(&mut owner, sql));
    }
    let _ = arena.attempt(
        &mut owner,
        "SELECT inventory_perf.populate_daily_stock_snapshots('den.moves')",
    );
    let _ = arena.attempt(&mut owner, "DELETE FROM den.moves WHERE product_id = 2");
    let fold = arena.attempt(
        &mut owner,
        "SELECT inventory_perf.populate_daily_stock_snapshots('den.moves')",
    );
    let repair = arena.attempt(
        &mut owner,
        "SELECT inventory_perf.repair_ledger('den.moves')",
    );
    println!("{fold:?} {repair:?}");
    fold.or(repair).expect("a fold or a repair makes it right");
    let verdict = arena.verdict("reader", &Ledger::in_schema("den"));
    assert_eq!(verdict.wrong, Vec::<String>::new());
    assert_eq!(verdict.refusals, Vec::<String>::new());
    arena
        .attempt(
            &mut owner,
            "SELECT inventory_perf.repair_ledger('den.moves')",
        )
        .expect("repair");
    arena.judge("after a sum that overflowed");
}

/// A key that no index can hold is refused when it is written.
#[test]
fn attack_20_a_key_too_long_for_an_index() {
    let arena = Arena::open();
    let mut owner = arena.as_role("owner");
    owner.run(
        "CREATE TABLE den.moves (product_id text, location_id int, quantity bigint, moved_at date, note text);
         GRANT SELECT ON den.moves TO reader;
         SELECT inventory_perf.attach_ledger('den.moves')",
    );
    for length in [100, 1000, 2500, 2640, 2690, 2700, 3000, 10_000, 100_000] {
        // Nothing that compression could shorten.
        let told = arena.attempt(
            &mut owner,
            &format!(
                "SELECT setseed(0.5);
                 INSERT INTO den.moves SELECT string_agg(chr(33 + (random() * 90)::int), ''), 1, 5, '2024-01-05', ''
                 FROM generate_series(1, {length})"
            ),
        );
        println!("{length}: {told:?}");
        let folded = arena.attempt(
            &mut owner,
            "SELECT inventory_perf.populate_daily_stock_snapshots('den.moves')",
        );
        folded.unwrap_or_else(|refusal| {
            panic!("a key of {length} was taken ({told:?}) but not folded: {refusal}")
        });
    }
    arena.judge("long keys");
}

#[test]
fn attack_20_labels_and_schemas_that_are_renamed() {
    let arena = Arena::open();
    let mut owner = arena.as_role("owner");
    owner.run(
        "CREATE TYPE den.color AS ENUM ('red', 'green');
         CREATE TABLE den.moves (product_id den.color, location_id int, quantity bigint, moved_at date, note text);
         GRANT SELECT ON den.moves TO reader;
         SELECT inventory_perf.attach_ledger('den.moves');
         INSERT INTO den.moves VALUES ('red', 1, 5, '2024-01-05', ''), ('green', 1, 5, '2024-01-05', '');
         SELECT inventory_perf.populate_daily_stock_snapshots('den.moves')",
    );
    let ask = "SELECT quantity::text FROM inventory_perf.stock_on('den.moves', '2024-01-06', '{\"product_id\": \"blue\"}')";
    owner.run("ALTER TYPE den.color RENAME VALUE 'red' TO 'blue'");
    assert_eq!(owner.rows(ask), ["(5)"]);
    owner.run("ALTER TYPE den.color RENAME TO colour");
    assert_eq!(owner.rows(ask), ["(5)"]);
    arena.as_role("postgres").run("CREATE SCHEMA types; GRANT USAGE ON SCHEMA types TO PUBLIC; ALTER TYPE den.colour SET SCHEMA types");
    assert_eq!(owner.rows(ask), ["(5)"]);
    assert_eq!(arena.as_role("reader").rows(ask), ["(5)"]);
    arena.judge("a type that was renamed and moved");
}

#[test]
fn attack_20_verify_after_a_view_was_dropped() {
    let arena = Arena::open();
    arena.open_ledger("den", "owner");
    let mut owner = arena.as_role("owner");
    for view in ["daily_stock_snapshots", "stock_levels", "stock_day_entries"] {
        let _ = arena.attempt(&mut owner, &format!("DROP VIEW den.{view} CASCADE"));
        for sql in [
            "SELECT * FROM inventory_perf.verify_ledger('den.moves')",
            "SELECT inventory_perf.assert_exact()",
            "SELECT * FROM inventory_perf.ledgers",
        ] {
            if let Err(refusal) = arena.attempt(&mut owner, sql) {
                assert!(!refusal.starts_with("XX"), "{sql}: {refusal}");
                assert!(!refusal.starts_with("42P01"), "{sql}: {refusal}");
                assert!(!refusal.starts_with("42883"), "{sql}: {refusal}");
            }
        }
        arena.judge(view);
    }
}

#[test]
fn attack_20_arguments_that_nobody_expects() {
    let arena = Arena::open();
    arena.open_ledger("den", "owner");
    arena
        .as_role("postgres")
        .run("CREATE TABLE yard.plain (product_id int, quantity int, moved_at date)");
    for sql in [
        "SELECT inventory_perf.note_rewrite(NULL)",
        "SELECT inventory_perf.after_drop(NULL, NULL)",
        "SELECT inventory_perf.sync_invalidation(NULL)",
        "SELECT inventory_perf.sync_members()",
        "SELECT inventory_perf.check_ledger(NULL)",
        "SELECT inventory_perf.base_month(NULL, NULL)",
    ] {
        if let Err(refusal) = arena.attempt_as("postgres", sql) {
            assert!(!refusal.starts_with("XX"), "{sql}: {refusal}");
        }
    }
    for schema in [
        "information_schema",
        "pg_catalog",
        "pg_toast",
        "inventory_perf",
        "pg_temp",
    ] {
        let told = arena.attempt_as(
            "postgres",
            &format!(
                "SELECT inventory_perf.attach_ledger('yard.plain', target_schema => '{schema}')"
            ),
        );
        assert!(told.is_err(), "target_schema => '{schema}' was accepted");
    }
    arena.judge("odd arguments");
}
