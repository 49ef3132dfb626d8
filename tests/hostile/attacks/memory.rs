//! Compiled code is made to read what is not what it takes it for.

use crate::arena::{Arena, MAPPING_VIEW, shown};
use crate::common::Ask;

/// Everybody who comes by a ledger: its writer, its reader, a stranger's look at the list, a
/// superuser's maintenance.
fn come_by(arena: &Arena) {
    for (role, sql) in [
        (
            "writer",
            "INSERT INTO den.moves VALUES (1, 1, 7, '2024-02-02', 'a note that is long enough to have an address')",
        ),
        ("writer", "UPDATE den.moves SET quantity = quantity + 1"),
        ("writer", "DELETE FROM den.moves WHERE product_id = 1"),
        ("reader", "SELECT * FROM den.stock_levels"),
        ("reader", "SELECT * FROM den.stock_on('2024-02-02')"),
        (
            "reader",
            "SELECT * FROM inventory_perf.stock_on('den.moves', '2024-02-02')",
        ),
        (
            "owner",
            "SELECT * FROM inventory_perf.verify_ledger('den.moves')",
        ),
        ("owner", "SELECT inventory_perf.repair_ledger('den.moves')"),
    ] {
        let _ = arena.attempt_at_own_risk(role, sql);
    }
    for (role, sql) in [
        ("stranger", "SELECT * FROM inventory_perf.ledgers"),
        ("passer", "SELECT * FROM inventory_perf.ledgers"),
        ("postgres", "SELECT * FROM inventory_perf.ledgers"),
        (
            "postgres",
            "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
        ),
        (
            "postgres",
            "SELECT * FROM inventory_perf.verify_ledger('den.moves')",
        ),
        (
            "postgres",
            "SELECT * FROM inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-02-02')",
        ),
        (
            "postgres",
            "SELECT inventory_perf.rebuild_ledger('den.moves')",
        ),
        (
            "postgres",
            "SELECT * FROM inventory_perf.advise_indexes(relations => '{den.moves}')",
        ),
    ] {
        let _ = arena.attempt_as(role, sql);
    }
}

/// Gives the mapping view another query, of the same columns.
fn with_mapping(what: &str, shape: impl Fn(&[(String, String)], &str) -> String) {
    let arena = Arena::open();
    arena.open_ledger("den", "owner");
    let mut owner = arena.as_role("owner");
    let columns = columns(&mut owner);
    let today: String = owner.ask(&format!("SELECT pg_get_viewdef('den.{MAPPING_VIEW}')"));
    let query = shape(&columns, today.trim_end_matches(';'));
    // One session has a plan by then, others have none.
    let mut writer = arena.at_own_risk("writer");
    writer.run("INSERT INTO den.moves VALUES (1, 1, 7, '2024-02-02', 'before')");
    let _ = arena.attempt(
        &mut owner,
        &format!("CREATE OR REPLACE VIEW den.{MAPPING_VIEW} AS {query}"),
    );
    let _ = arena.attempt(
        &mut writer,
        "INSERT INTO den.moves VALUES (1, 1, 7, '2024-02-02', 'after, and of some length')",
    );
    come_by(&arena);
    arena.judge(what);
}

/// Makes a query of the view's columns and of the query that it has today.
type Shape = fn(&[(String, String)], &str) -> String;

/// The columns of the mapping view, with their types.
fn columns(owner: &mut postgres::Client) -> Vec<(String, String)> {
    owner
        .query(
            &format!(
                "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
                 WHERE attrelid = 'den.{MAPPING_VIEW}'::regclass AND attnum > 0 ORDER BY attnum"
            ),
            &[],
        )
        .expect("the columns")
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

fn nulls(columns: &[(String, String)]) -> String {
    columns
        .iter()
        .map(|(name, kind)| format!("NULL::{kind} AS \"{name}\""))
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn attack_01_a_mapping_view_without_from() {
    with_mapping("a mapping without FROM", |columns, _| {
        format!("SELECT {}", nulls(columns))
    });
}

#[test]
fn attack_01_a_mapping_view_of_a_union() {
    with_mapping("a mapping with UNION", |_, today| {
        format!("{today} UNION ALL {today}")
    });
}

/// Over a table in which each column stands where the ledger has one of another type.
#[test]
fn attack_01_a_mapping_view_over_another_table() {
    let mut failed = Vec::new();
    for turn in 0..5 {
        let arena = Arena::open();
        let mut owner = arena.as_role("owner");
        // A key that is a text: what stands at its place is taken for an address.
        owner.run(&crate::arena::ledger("den"));
        owner.run("SELECT inventory_perf.attach_ledger('den.moves', dimensions => '{note}')");
        let columns = columns(&mut owner);
        let mut definitions: Vec<String> = columns
            .iter()
            .map(|(name, kind)| format!("\"{name}\" {kind}"))
            .collect();
        let by = turn % definitions.len();
        definitions.rotate_left(by);
        let names: Vec<String> = columns
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        let told = arena.attempt(
            &mut owner,
            &format!(
                "CREATE TABLE den.another ({});
                 CREATE OR REPLACE VIEW den.{MAPPING_VIEW} AS SELECT {} FROM den.another",
                definitions.join(", "),
                names.join(", ")
            ),
        );
        println!("turned by {turn}: {told:?}");
        come_by(&arena);
        let ledger = crate::exact::Ledger {
            keys: "product_id, location_id, note",
            ..crate::exact::Ledger::in_schema("den")
        };
        let mut troubles = arena.verdict("reader", &ledger).wrong;
        troubles.extend(arena.victims_troubles());
        troubles.extend(arena.troubles());
        if !troubles.is_empty() {
            failed.push(format!("turned by {turn}:\n{}", shown(&troubles)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn attack_01_a_mapping_view_of_other_kinds() {
    let shapes: [(&str, Shape); 8] = [
        ("values", |columns, _| {
            format!("SELECT {} FROM (VALUES (1), (2)) v", nulls(columns))
        }),
        ("a sub-query", |_, today| {
            format!("SELECT * FROM ({today}) s")
        }),
        ("WITH", |_, today| {
            format!("WITH w AS ({today}) SELECT * FROM w")
        }),
        ("a join", |columns, today| {
            let names = columns
                .iter()
                .map(|(name, _)| format!("s.\"{name}\""))
                .collect::<Vec<_>>()
                .join(", ");
            format!("SELECT {names} FROM ({today}) s JOIN den.moves m ON true")
        }),
        ("a function", |columns, _| {
            format!("SELECT {} FROM generate_series(1, 3) g", nulls(columns))
        }),
        ("DISTINCT and LIMIT", |_, today| {
            format!("SELECT DISTINCT * FROM ({today}) s ORDER BY 1 LIMIT 1")
        }),
        ("itself twice", |_, today| {
            format!("{today} EXCEPT ALL {today}")
        }),
        ("a filter", |_, today| {
            format!(
                "{today} {} quantity > 100",
                if today.contains("WHERE") {
                    "AND"
                } else {
                    "WHERE"
                }
            )
        }),
    ];
    let failed: Vec<&str> = shapes
        .into_iter()
        .filter(|(what, shape)| std::panic::catch_unwind(|| with_mapping(what, shape)).is_err())
        .map(|(what, _)| what)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// An expression of the mapping writes to the ledger whose row is being captured.
#[test]
fn attack_03_capture_inside_of_capture() {
    let arena = Arena::open();
    let mut owner = arena.as_role("owner");
    owner.run(
        "CREATE TABLE den.moves (product_id int, location_id int, quantity bigint, moved_at date, note text);
         GRANT SELECT ON den.moves TO reader;
         GRANT SELECT, INSERT, UPDATE, DELETE ON den.moves TO writer;
         CREATE FUNCTION den.more(depth bigint) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
         BEGIN
             IF depth > 1 THEN
                 INSERT INTO den.moves
                 SELECT number, 1, depth / 4, '2024-01-01', repeat('x', 3000)
                 FROM generate_series(1, 5) number;
             END IF;
         END $$;
         CREATE FUNCTION den.half(quantity bigint) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
         BEGIN RETURN quantity + 0.123456789012345678901234567890; END $$;
         CREATE FUNCTION den.nested(quantity bigint) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
         BEGIN PERFORM den.more(quantity); RETURN quantity; END $$;
         SELECT inventory_perf.attach_ledger('den.moves', quantity => 'den.half(quantity)',
             value => 'den.nested(quantity)', dimensions => '{note}');",
    );
    let writes = [
        "INSERT INTO den.moves VALUES (1, 1, 40, '2024-01-02', 'one')",
        "INSERT INTO den.moves SELECT 1, number, number, '2024-01-02', 'many' FROM generate_series(1, 40) number",
        "UPDATE den.moves SET quantity = 9 WHERE location_id > 20",
        "DELETE FROM den.moves WHERE product_id = 1 AND location_id > 30",
    ];
    for sql in writes {
        println!("{sql}: {:?}", arena.attempt_at_own_risk("writer", sql));
    }
    let ledger = crate::exact::Ledger {
        table: "den.moves".into(),
        beside: "den.".into(),
        keys: "product_id, location_id, note",
        quantity: "den.half(quantity)",
    };
    let mut troubles = arena.verdict("reader", &ledger).wrong;
    // What reads the mapping writes to the ledger as well: here only the server's life counts.
    for (role, sql) in [
        (
            "owner",
            "SELECT inventory_perf.populate_daily_stock_snapshots('den.moves')",
        ),
        (
            "owner",
            "SET statement_timeout = '3s'; SELECT inventory_perf.rebuild_ledger('den.moves')",
        ),
        (
            "postgres",
            "SET statement_timeout = '3s'; SELECT inventory_perf.repair_ledger('den.moves')",
        ),
    ] {
        println!("{sql}: {:?}", arena.attempt_as(role, sql));
    }
    troubles.extend(arena.troubles());
    troubles.extend(arena.victims_troubles());
    assert!(troubles.is_empty(), "{}", shown(&troubles));
}
