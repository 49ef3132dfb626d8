//! What is found by its name belongs to somebody else, or is gone.

use crate::arena::{Arena, CAPTURE, PENDING, STORAGE, shown};
use crate::common::Ask;
use crate::exact::Ledger;

const WRITES: [&str; 4] = [
    "INSERT INTO den.moves VALUES (2, 1, 11, '2024-02-03', ''), (1, 0, 2, '2024-01-03', '')",
    "UPDATE den.moves SET quantity = quantity + 1, moved_at = moved_at + 1 WHERE product_id = 2",
    "DELETE FROM den.moves WHERE product_id = 3",
    "INSERT INTO den.moves SELECT 2, 2, 1, '2024-03-03', '' FROM generate_series(1, 100)",
];

/// The stranger's ledger lies where the victim's does, and gets another owner.
#[test]
fn attack_02_storage_of_the_same_name() {
    let arena = Arena::open();
    let mut stranger = arena.as_role("stranger");
    stranger.run(&crate::arena::ledger("trap"));
    stranger.run("SELECT inventory_perf.attach_ledger('trap.moves')");
    for sql in [
        // Names of indexes are in the way as well.
        format!(
            "DO $$ DECLARE i regclass; BEGIN
                 FOR i IN SELECT indexrelid FROM pg_index WHERE indrelid = 'trap.{PENDING}'::regclass LOOP
                     EXECUTE format('ALTER INDEX %s RENAME TO elsewhere_%s', i, i::oid);
                 END LOOP;
             END $$"
        ),
        format!("ALTER TABLE trap.{PENDING} RENAME TO elsewhere"),
        "ALTER TABLE trap.elsewhere SET SCHEMA shop".to_owned(),
        "ALTER TABLE trap.moves OWNER TO accomplice".to_owned(),
        "ALTER TABLE trap.moves ALTER note SET DEFAULT ''".to_owned(),
    ] {
        println!("{sql}: {:?}", arena.attempt(&mut stranger, &sql));
    }
    let mut troubles = arena.troubles();
    troubles.extend(arena.victims_troubles());
    assert!(troubles.is_empty(), "{}", shown(&troubles));
    // Whoever has the storage can write to it.
    for table in STORAGE {
        let taken = arena.attempt_as("accomplice", &format!("DELETE FROM shop.{table}"));
        assert!(taken.is_err(), "shop.{table} was given away");
    }
}

/// A table of a name that the victim's storage had once, or would have.
#[test]
fn attack_02_storage_that_was_moved_away() {
    let arena = Arena::open();
    arena.open_ledger("den", "owner");
    let mut owner = arena.as_role("owner");
    let mut stranger = arena.as_role("stranger");
    for table in STORAGE {
        println!(
            "{:?} {:?}",
            arena.attempt(&mut owner, &format!("ALTER TABLE den.{table} RENAME TO my_{table}")),
            arena.attempt(
                &mut stranger,
                &format!("CREATE TABLE den.{table} (month date, day date, k1 int, k2 int, quantity numeric)")
            )
        );
    }
    for sql in WRITES {
        let _ = arena.attempt_at_own_risk("writer", sql);
    }
    for sql in [
        "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
        "SELECT inventory_perf.repair_ledger('den.moves')",
        "ALTER TABLE den.moves OWNER TO accomplice",
    ] {
        let _ = arena.attempt_as("postgres", sql);
    }
    let taken = arena
        .as_role("postgres")
        .ask::<i64>("SELECT count(*) FROM pg_class WHERE relname = ANY ('{stock_pending,stock_days,stock_openings,stock_months}')
                     AND relnamespace = 'den'::regnamespace AND relowner <> 'stranger'::regrole");
    assert_eq!(taken, 0, "tables of the stranger were given away");
    let _ = arena.attempt_as(
        "postgres",
        "SELECT * FROM inventory_perf.detach_ledger('den.moves', true)",
    );
    arena.judge("storage that was renamed, with others' tables in its place");
}

fn with_triggers(what: &str, change: &[&str]) {
    let arena = Arena::open();
    arena.open_ledger("den", "owner");
    let mut owner = arena.as_role("owner");
    // Sessions that know the ledger already, and others.
    let mut writer = arena.at_own_risk("writer");
    writer.run(WRITES[0]);
    for sql in change {
        println!("{sql}: {:?}", arena.attempt(&mut owner, sql));
    }
    for sql in WRITES {
        let _ = arena.attempt(&mut writer, sql);
    }
    let mut troubles = Vec::new();
    for moment in ["at once", "folded", "in the list", "altered"] {
        let told = arena.verdict("reader", &Ledger::in_schema("den"));
        troubles.extend(
            told.wrong
                .into_iter()
                .map(|wrong| format!("{moment}: {wrong}")),
        );
        let _ = match moment {
            "at once" => arena.attempt_as(
                "postgres",
                "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
            ),
            "folded" => arena.attempt_as("postgres", "SELECT * FROM inventory_perf.ledgers"),
            _ => arena.attempt_as("owner", "ALTER TABLE den.moves ADD more int"),
        };
    }
    troubles.extend(arena.troubles());
    troubles.extend(arena.victims_troubles());
    assert!(troubles.is_empty(), "{what}:\n{}", shown(&troubles));
}

#[test]
fn attack_04_a_trigger_renamed_then_dropped() {
    with_triggers(
        "renamed, then dropped",
        &[
            &format!("ALTER TRIGGER \"{CAPTURE}\" ON den.moves RENAME TO harmless"),
            "DROP TRIGGER harmless ON den.moves",
        ],
    );
}

#[test]
fn attack_04_a_trigger_with_when_false() {
    with_triggers(
        "WHEN (false)",
        &[&format!(
            "CREATE OR REPLACE TRIGGER \"{CAPTURE}\" AFTER INSERT ON den.moves REFERENCING NEW TABLE AS new_rows
             FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION inventory_perf.capture_moves()"
        )],
    );
}

#[test]
fn attack_04_a_trigger_of_another_of_our_functions() {
    with_triggers(
        "another of our functions",
        &[&format!(
            "CREATE OR REPLACE TRIGGER \"{CAPTURE}\" AFTER INSERT ON den.moves REFERENCING NEW TABLE AS new_rows
             FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.invalidate_cache('tag:x')"
        )],
    );
}

#[test]
fn attack_04_a_trigger_of_another_event() {
    with_triggers(
        "another event",
        &[&format!(
            "CREATE OR REPLACE TRIGGER \"{CAPTURE}\" AFTER DELETE ON den.moves REFERENCING OLD TABLE AS old_rows
             FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()"
        )],
    );
}

#[test]
fn attack_04_a_second_trigger_by_hand() {
    with_triggers(
        "a second trigger",
        &[
            "CREATE TRIGGER another AFTER INSERT ON den.moves REFERENCING NEW TABLE AS new_rows
           FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()",
        ],
    );
}

#[test]
fn attack_04_triggers_that_sleep_in_part() {
    for change in [
        format!("ALTER TABLE den.moves DISABLE TRIGGER \"{CAPTURE}\""),
        format!("ALTER TABLE den.moves ENABLE REPLICA TRIGGER \"{CAPTURE}\""),
        "ALTER TABLE den.moves ENABLE TRIGGER ALL".to_owned(),
        format!("DROP TRIGGER \"{CAPTURE}\" ON den.moves"),
    ] {
        with_triggers(&change, &[&change]);
    }
}

/// One that hangs on a parent stops nobody else's triggers.
#[test]
fn attack_04_a_trigger_of_the_same_name_on_a_parent() {
    let arena = Arena::open();
    let mut stranger = arena.as_role("stranger");
    stranger.run("CREATE TABLE trap.parent (id int) PARTITION BY LIST (id);
                  CREATE FUNCTION trap.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
    arena.as_role("keeper").run(
        "CREATE TABLE shop.mine (id int); SELECT inventory_perf.invalidate_on_change('shop.mine', tags => '{mine}')",
    );
    let names = arena.as_role("keeper").rows(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'shop.mine'::regclass AND NOT tgisinternal",
    );
    // Parts whose triggers look as if invalidate_on_change() had made them, while they hang below
    // another table.
    let _ = arena.attempt(
        &mut stranger,
        "CREATE TABLE trap.part PARTITION OF trap.parent FOR VALUES IN (1)",
    );
    for name in names {
        let name = name.trim_matches(['(', ')', '"']);
        for (table, function) in [
            ("trap.parent", "trap.nothing()"),
            ("trap.part", "inventory_perf.invalidate_cache('tag:x')"),
        ] {
            let told = arena.attempt(
                &mut stranger,
                &format!(
                    "CREATE TRIGGER \"{name}\" AFTER INSERT ON {table} REFERENCING NEW TABLE AS n
                     FOR EACH STATEMENT EXECUTE FUNCTION {function}"
                ),
            );
            println!("{name} on {table}: {told:?}");
        }
    }
    let mut keeper = arena.as_role("keeper");
    for sql in [
        "CREATE TABLE shop.next (id int); SELECT inventory_perf.invalidate_on_change('shop.next', tags => '{next}')",
        "CREATE TABLE shop.tree (id int) PARTITION BY LIST (id);
         SELECT inventory_perf.invalidate_on_change('shop.tree', tags => '{tree}');
         CREATE TABLE shop.branch PARTITION OF shop.tree FOR VALUES IN (1)",
    ] {
        arena
            .attempt(&mut keeper, sql)
            .unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    }
    let tag = arena
        .as_role("keeper")
        .ask::<i64>("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop.branch'::regclass");
    assert!(tag > 0, "a part of the victim's table has no triggers");
    assert_eq!(arena.troubles(), Vec::<String>::new());
}

#[test]
fn attack_05_storage_that_a_crash_empties() {
    for table in STORAGE {
        let arena = Arena::open();
        arena.open_ledger("den", "owner");
        let mut owner = arena.as_role("owner");
        println!(
            "{:?}",
            arena.attempt(&mut owner, &format!("ALTER TABLE den.{table} SET UNLOGGED"))
        );
        drop(owner);
        for sql in &WRITES[..1] {
            let _ = arena.attempt_at_own_risk("writer", sql);
        }
        arena.judge(&format!("den.{table} is not logged"));
        arena.cluster.kill();
        arena.cluster.start();
        arena.judge(&format!("den.{table} is not logged, after a crash"));
        let _ = arena.attempt_as(
            "postgres",
            "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
        );
        arena.judge(&format!("den.{table} is not logged, folded after a crash"));
    }
}
