//! Somebody's code is run, or planned, with more rights than that one has.

use crate::arena::Arena;
use crate::common::Ask;

/// A workload of the stranger's, with its operator wherever an adviser may come by it.
const PLANTED_WORKLOAD: &str = "
    CREATE TABLE trap.items (id int, state text, zone int, name text);
    INSERT INTO trap.items
    SELECT number, CASE WHEN number % 50 = 0 THEN 'open' ELSE 'done' END, number % 7, 'item ' || number
    FROM generate_series(1, 20000) number;
    ANALYZE trap.items;
    GRANT SELECT ON trap.items TO PUBLIC;
    CREATE VIEW trap.open_items AS SELECT * FROM trap.items WHERE state OPERATOR(trap.===) 'open';
    CREATE VIEW trap.zoned AS SELECT * FROM trap.items WHERE zone OPERATOR(trap.===) 3 AND state = 'open';
    CREATE VIEW trap.called AS SELECT * FROM trap.items WHERE trap.canary('a view') AND state = 'open';
    CREATE VIEW trap.checked AS SELECT * FROM trap.items WHERE trap.canary_text(state) = 'open';
    CREATE VIEW trap.nulls AS SELECT * FROM trap.items WHERE (zone OPERATOR(trap.===) 3) IS NULL;";

const STATEMENTS: [&str; 8] = [
    "SELECT * FROM trap.open_items WHERE id = 7 ORDER BY name",
    "SELECT name FROM trap.open_items WHERE zone = 3 ORDER BY id",
    "SELECT * FROM trap.zoned WHERE id = 7",
    "SELECT * FROM trap.called WHERE id = 7",
    "SELECT * FROM trap.checked WHERE id = 7",
    "SELECT * FROM trap.nulls WHERE id = 7",
    "SELECT * FROM trap.items WHERE zone OPERATOR(trap.===) 3 AND id = 8",
    "SELECT * FROM trap.items WHERE trap.canary_text(state) = 'open' ORDER BY id",
];

#[test]
fn attack_06_an_operator_in_a_recorded_statement() {
    let arena = Arena::open();
    let mut stranger = arena.as_role("stranger");
    stranger.run(PLANTED_WORKLOAD);
    for _ in 0..3 {
        for sql in STATEMENTS {
            stranger.run(sql);
        }
    }
    drop(stranger);
    arena.forget_log();
    for sql in [
        "SELECT * FROM inventory_perf.advise_indexes(time_limit => '10 s')".to_owned(),
        "SELECT * FROM inventory_perf.advise_indexes(relations => '{trap.items}', max_columns => 2, time_limit => '10 s')".to_owned(),
        "SELECT * FROM inventory_perf.workload_coverage()".to_owned(),
        "SELECT * FROM inventory_perf.advise_index_drops()".to_owned(),
        "SELECT * FROM inventory_perf.evaluate_indexes('{CREATE INDEX ON trap.items (id)}')".to_owned(),
    ] {
        println!("{sql}: {:?}", arena.attempt_as("postgres", &sql));
        assert_eq!(arena.troubles(), Vec::<String>::new(), "{sql}");
    }
    // A statement that a superuser passes is its own, and planned as EXPLAIN plans it, which evaluates
    // what the table's indexes are made of as the superuser, too.
    let _ = arena.attempt_as("stranger", "CREATE INDEX planted ON trap.items (trap.canary_int(id)) WHERE trap.canary('an index'); ANALYZE trap.items");
    arena.forget_log();
    for sql in [
        "SELECT * FROM inventory_perf.advise_indexes(time_limit => '10 s')",
        "SELECT * FROM inventory_perf.advise_index_drops()",
    ] {
        println!("{sql}: {:?}", arena.attempt_as("postgres", sql));
        assert_eq!(arena.troubles(), Vec::<String>::new(), "{sql}");
    }
}

/// The stranger's text of a statement is planned as who ran the same statement by another text.
#[test]
fn attack_07_the_text_of_one_with_the_rights_of_another() {
    let arena = Arena::open();
    let mut stranger = arena.as_role("stranger");
    stranger.run(
        "CREATE TABLE trap.a (id int, name text);
         INSERT INTO trap.a SELECT number, 'x' FROM generate_series(1, 50000) number;
         GRANT SELECT ON trap.a TO PUBLIC",
    );
    let mut keeper = arena.as_role("keeper");
    for _ in 0..20 {
        keeper.run("SELECT count(name) FROM trap.a WHERE id = 5");
    }
    // The same table by another name, which is another's by the time that advice is asked for.
    stranger.run(
        "ALTER TABLE trap.a RENAME TO zz;
         SELECT count(name) FROM trap.zz WHERE id = 5;
         ALTER TABLE trap.zz RENAME TO a;
         CREATE VIEW trap.zz AS SELECT * FROM trap.a WHERE trap.canary('a view') AND trap.canary_int(id) > 0;
         GRANT SELECT ON trap.zz TO PUBLIC",
    );
    arena.forget_log();
    for sql in [
        "SELECT * FROM inventory_perf.advise_indexes(time_limit => '10 s')",
        "SELECT * FROM inventory_perf.workload_coverage()",
    ] {
        println!("{sql}: {:?}", arena.attempt_as("postgres", sql));
        assert_eq!(arena.troubles(), Vec::<String>::new(), "{sql}");
    }
}

/// A key of a type that checks its values with the owner's code.
#[test]
fn attack_08_a_key_whose_type_runs_code() {
    let arena = Arena::open();
    let mut owner = arena.as_role("owner");
    owner.run(
        "CREATE DOMAIN den.sku AS text CHECK (den.canary('a domain'));
         CREATE TABLE den.moves (product_id den.sku, location_id int, quantity bigint, moved_at date);
         GRANT SELECT ON den.moves TO PUBLIC;
         GRANT INSERT ON den.moves TO writer;
         SELECT inventory_perf.attach_ledger('den.moves');
         SELECT inventory_perf.invalidate_on_change('den.moves', tags => '{den}')",
    );
    arena
        .attempt_at_own_risk(
            "writer",
            "INSERT INTO den.moves VALUES ('x', 1, 5, '2024-01-01'), ('y', 1, 5, '2024-01-01')",
        )
        .expect("write");
    assert!(arena.has_sung(), "the domain runs nothing");
    arena.forget_log();
    for role in ["postgres", "keeper"] {
        for sql in [
            "SELECT inventory_perf.alert_low_stock('den.moves', 5, '{\"product_id\": \"x\"}')",
            "SELECT inventory_perf.alert_low_stock('den.moves', 9)",
            "SELECT * FROM inventory_perf.stock_on('den.moves', '2024-01-02', '{\"product_id\": \"x\"}')",
            "SELECT * FROM inventory_perf.stock_history('den.moves', '2024-01-01', '2024-01-02', '{\"product_id\": \"x\"}')",
            "SELECT * FROM inventory_perf.stock_period('den.moves', '2024-01-01', '2024-01-02', '{\"product_id\": \"x\"}')",
            "SELECT * FROM inventory_perf.verify_ledger('den.moves')",
            "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
            "SELECT * FROM inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-01-02')",
            "SELECT inventory_perf.repair_ledger('den.moves')",
            "SELECT inventory_perf.rebuild_ledger('den.moves')",
            "SELECT inventory_perf.ledger_workload('den.moves')",
            "SELECT * FROM inventory_perf.advise_indexes(inventory_perf.ledger_workload('den.moves'))",
            "SELECT * FROM inventory_perf.ledgers",
            "SELECT inventory_perf.deliver_invalidations()",
        ] {
            println!("{role}: {sql}: {:?}", arena.attempt_as(role, sql));
        }
        assert_eq!(arena.troubles(), Vec::<String>::new(), "{role}");
    }
}

/// A policy asks for a membership, which is revoked.
#[test]
fn attack_09_a_cached_answer_after_a_membership_is_gone() {
    let arena = Arena::open();
    let mut superuser = arena.as_role("postgres");
    superuser.run("CREATE ROLE insiders; GRANT insiders TO reader");
    arena.remember_rights();
    let mut keeper = arena.as_role("keeper");
    keeper.run(
        "CREATE TABLE shop.secrets (id int, name text);
         INSERT INTO shop.secrets VALUES (1, 'the secret');
         GRANT SELECT ON shop.secrets TO reader;
         ALTER TABLE shop.secrets ENABLE ROW LEVEL SECURITY;
         CREATE POLICY inside ON shop.secrets USING (pg_has_role(current_user, 'insiders', 'MEMBER'));
         SELECT inventory_perf.invalidate_on_change('shop.secrets', tags => '{secrets}')",
    );
    let mut reader = arena.as_role("reader");
    const DIRECT: &str = "SELECT to_jsonb(s) FROM shop.secrets s";
    const CACHED: [&str; 2] = [
        "SELECT c FROM inventory_perf.cached_query('SELECT * FROM shop.secrets', tags => '{secrets}') c",
        "SELECT c FROM inventory_perf.cached_query('SELECT * FROM shop.secrets') c",
    ];
    assert_eq!(reader.rows(DIRECT).len(), 1);
    for sql in CACHED {
        for _ in 0..3 {
            assert_eq!(reader.rows(sql).len(), 1, "{sql}");
        }
    }
    superuser.run("REVOKE insiders FROM reader");
    let mut wrong = Vec::new();
    for mut session in [reader, arena.as_role("reader")] {
        let direct = session.rows(DIRECT);
        for sql in CACHED {
            if let Ok(rows) = session.query(sql, &[])
                && rows.len() != direct.len()
            {
                wrong.push(sql);
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "rows that the role may not see: {wrong:?}"
    );
    assert_eq!(arena.troubles(), Vec::<String>::new());
}
