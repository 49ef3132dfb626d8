//! Snapshots that are older than what they meet, and commands that are not watched.

use crate::arena::Arena;
use crate::common::Ask;
use crate::exact::{Ledger, Verdict};
use postgres::Client;

/// A partitioned ledger in the den, with one partition and a table that may become one.
fn partitioned() -> Arena {
    with_partitions(Arena::open())
}

fn with_partitions(arena: Arena) -> Arena {
    arena.as_role("owner").run(
        "CREATE TABLE den.moves (product_id int, location_id int, quantity bigint, moved_at date, note text)
             PARTITION BY LIST (location_id);
         GRANT SELECT ON den.moves TO reader;
         GRANT SELECT, INSERT, UPDATE, DELETE ON den.moves TO writer;
         CREATE TABLE den.one PARTITION OF den.moves FOR VALUES IN (1);
         INSERT INTO den.moves VALUES (2, 1, 7, '2024-01-05', '');
         CREATE TABLE den.two (LIKE den.moves);
         INSERT INTO den.two VALUES (2, 2, 100, '2024-01-06', '');
         SELECT inventory_perf.attach_ledger('den.moves')",
    );
    arena
}

/// In the transaction that is open.
fn verdict_inside(client: &mut Client, ledger: &Ledger) -> Verdict {
    let mut verdict = Verdict::default();
    let mut transaction = client.transaction().expect("a savepoint");
    for (ledger, derived) in ledger.questions() {
        verdict.ask(&mut transaction, &ledger, &derived);
    }
    verdict
}

#[test]
fn attack_15_detach_in_an_older_snapshot() {
    let mut failed = Vec::new();
    let server = Arena::open();
    for isolation in ["REPEATABLE READ", "SERIALIZABLE", "READ COMMITTED"] {
        let arena = with_partitions(server.beside());
        let mut old = arena.as_role("owner");
        old.run(&format!(
            "BEGIN ISOLATION LEVEL {isolation}; SELECT count(*) FROM den.one"
        ));
        arena
            .as_role("owner")
            .run("ALTER TABLE den.moves ATTACH PARTITION den.two FOR VALUES IN (2)");
        println!(
            "{:?}",
            arena.attempt(&mut old, "ALTER TABLE den.moves DETACH PARTITION den.two")
        );
        println!("{:?}", arena.attempt(&mut old, "COMMIT"));
        if let Err(trouble) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            arena.judge(isolation);
            let _ = arena.attempt_at_own_risk(
                "owner",
                "INSERT INTO den.two VALUES (2, 2, 1000, '2024-01-06', '')",
            );
            arena.judge("after a write to what was detached");
            let _ = arena.attempt_as(
                "postgres",
                "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
            );
            arena.judge("after a fold");
        })) {
            failed.push(
                trouble
                    .downcast_ref::<String>()
                    .cloned()
                    .unwrap_or_default(),
            );
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn attack_15_attach_in_an_older_snapshot() {
    let arena = partitioned();
    arena
        .as_role("owner")
        .run("ALTER TABLE den.moves ATTACH PARTITION den.two FOR VALUES IN (2)");
    let mut old = arena.as_role("owner");
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM den.one");
    arena
        .as_role("owner")
        .run("ALTER TABLE den.moves DETACH PARTITION den.two; INSERT INTO den.two VALUES (3, 2, 40, '2024-01-07', '')");
    println!(
        "{:?}",
        arena.attempt(
            &mut old,
            "ALTER TABLE den.moves ATTACH PARTITION den.two FOR VALUES IN (2)"
        )
    );
    println!("{:?}", arena.attempt(&mut old, "COMMIT"));
    arena.judge("attached in an older snapshot");
}

#[test]
fn attack_16_parts_that_come_inside_of_other_commands() {
    let mut failed = Vec::new();
    let server = Arena::open();
    for command in [
        "SET ROLE owner; CREATE SCHEMA AUTHORIZATION owner CREATE TABLE owner.part PARTITION OF den.moves FOR VALUES IN (5)",
        "CREATE SCHEMA y AUTHORIZATION owner CREATE TABLE y.part PARTITION OF den.moves FOR VALUES IN (5)",
        "CREATE SCHEMA y AUTHORIZATION owner; SET ROLE owner; CREATE TABLE IF NOT EXISTS y.part PARTITION OF den.moves FOR VALUES IN (5)",
        "DO $$ BEGIN EXECUTE 'CREATE TABLE den.part PARTITION OF den.moves FOR VALUES IN (5)'; END $$",
        "SET ROLE owner; DROP TABLE den.one",
        "DROP TABLE den.one CASCADE",
        "SET ROLE owner; ALTER TABLE den.one SET SCHEMA den",
        "CREATE SCHEMA z AUTHORIZATION owner; ALTER TABLE den.one SET SCHEMA z; DROP SCHEMA z CASCADE",
    ] {
        let arena = with_partitions(server.beside());
        arena.as_role("postgres").run(&format!(
            "GRANT CREATE ON DATABASE {} TO owner",
            arena.database
        ));
        println!("{command}: {:?}", arena.attempt_as("postgres", command));
        let _ = arena.attempt_at_own_risk(
            "writer",
            "INSERT INTO den.moves VALUES (2, 5, 5, '2024-01-05', ''), (2, 1, 1, '2024-01-05', '')",
        );
        for part in ["owner.part", "y.part", "den.part", "den.one", "z.one"] {
            let _ = arena.attempt_as(
                "postgres",
                &format!("INSERT INTO {part} VALUES (2, 5, 5, '2024-01-05', '')"),
            );
        }
        for step in ["at once", "after a fold", "after another command"] {
            if let Err(trouble) =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| arena.judge(step)))
            {
                failed.push(format!(
                    "{command}: {}",
                    trouble
                        .downcast_ref::<String>()
                        .cloned()
                        .unwrap_or_default()
                ));
            }
            let _ = match step {
                "at once" => arena.attempt_as(
                    "postgres",
                    "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
                ),
                _ => arena.attempt_as("owner", "ALTER TABLE den.moves ADD more int"),
            };
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn attack_17_a_detach_that_was_cancelled() {
    let arena = partitioned();
    let mut owner = arena.as_role("owner");
    owner.run(
        "ALTER TABLE den.moves ATTACH PARTITION den.two FOR VALUES IN (2);
         SELECT inventory_perf.populate_daily_stock_snapshots('den.moves')",
    );
    // Somebody who reads the table keeps the second half of the command waiting.
    let mut reader = arena.as_role("reader");
    reader.run("BEGIN; SELECT count(*) FROM den.moves");
    owner.run("SET statement_timeout = '1s'");
    println!(
        "{:?}",
        arena.attempt(
            &mut owner,
            "ALTER TABLE den.moves DETACH PARTITION den.two CONCURRENTLY"
        )
    );
    owner.run("RESET statement_timeout");
    reader.run("ROLLBACK");
    let mut failed = Vec::new();
    for (role, sql) in [
        ("owner", "SELECT 1"),
        (
            "writer",
            "INSERT INTO den.moves VALUES (2, 1, 5, '2024-01-05', '')",
        ),
        (
            "owner",
            "INSERT INTO den.two VALUES (2, 2, 50, '2024-01-05', '')",
        ),
        (
            "postgres",
            "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
        ),
        ("owner", "SELECT inventory_perf.repair_ledger('den.moves')"),
        (
            "owner",
            "ALTER TABLE den.moves DETACH PARTITION den.two FINALIZE",
        ),
        (
            "owner",
            "INSERT INTO den.two VALUES (2, 2, 500, '2024-01-05', '')",
        ),
        ("owner", "SELECT inventory_perf.repair_ledger('den.moves')"),
        ("owner", "SELECT inventory_perf.rebuild_ledger('den.moves')"),
    ] {
        println!("{sql}: {:?}", arena.attempt_at_own_risk(role, sql));
        if let Err(trouble) =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| arena.judge(sql)))
        {
            failed.push(
                trouble
                    .downcast_ref::<String>()
                    .cloned()
                    .unwrap_or_default(),
            );
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn attack_18_a_transaction_that_attaches_for_its_old_snapshot() {
    let mut failed = Vec::new();
    let server = Arena::open();
    for call in [
        "SELECT inventory_perf.attach_ledger('den.moves')",
        "SELECT inventory_perf.rebuild_ledger('den.moves')",
        "SELECT inventory_perf.repair_ledger('den.moves')",
        "SELECT inventory_perf.populate_daily_stock_snapshots('den.moves')",
        "SELECT inventory_perf.detach_ledger('den.moves', true); SELECT inventory_perf.attach_ledger('den.moves')",
    ] {
        let arena = server.beside();
        let mut owner = arena.as_role("owner");
        owner.run(
            "CREATE TABLE den.moves (product_id int, location_id int, quantity bigint, moved_at date, note text);
             GRANT SELECT ON den.moves TO reader;
             INSERT INTO den.moves VALUES (2, 1, 5, '2024-01-05', '')",
        );
        if !call.contains("attach_ledger('den.moves')") || call.contains("detach") {
            owner.run("SELECT inventory_perf.attach_ledger('den.moves')");
        }
        owner.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM den.moves");
        arena
            .as_role("owner")
            .run("INSERT INTO den.moves VALUES (2, 1, 100, '2024-01-05', '')");
        let told = arena.attempt(&mut owner, call);
        println!("{call}: {told:?}");
        if told.is_ok() {
            let verdict = verdict_inside(&mut owner, &Ledger::in_schema("den"));
            failed.extend(
                verdict
                    .wrong
                    .iter()
                    .map(|wrong| format!("{call}: inside: {wrong}")),
            );
        }
        let _ = arena.attempt(&mut owner, "COMMIT");
        if let Err(trouble) =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| arena.judge(call)))
        {
            failed.push(
                trouble
                    .downcast_ref::<String>()
                    .cloned()
                    .unwrap_or_default(),
            );
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
