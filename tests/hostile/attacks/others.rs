//! One bad ledger, and everybody else.

use std::time::{Duration, Instant};

use crate::arena::{Arena, PENDING, STORAGE, patience, shown};
use crate::common::Ask;
use crate::exact::Ledger;
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;

/// What everybody else meets, and a superuser's maintenance.
fn others_troubles(arena: &Arena, what: &str) -> Vec<String> {
    let mut troubles = arena.victims_troubles();
    for (role, sql) in [
        ("postgres", "SELECT * FROM inventory_perf.ledgers"),
        ("stranger", "SELECT * FROM inventory_perf.ledgers"),
        (
            "postgres",
            "INSERT INTO shop.moves VALUES (1, 1, 1, '2024-01-01', '')",
        ),
    ] {
        if let Err(refusal) = arena.attempt_as(role, sql) {
            troubles.push(format!("{role} is stopped: {sql}: {refusal}"));
        }
    }
    // Whether the call says that something failed or not, the victim's ledger is folded.
    let told = arena.attempt_as(
        "postgres",
        "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
    );
    let pending: i64 = arena
        .as_role("keeper")
        .ask(&format!("SELECT count(*) FROM shop.{PENDING}"));
    if pending > 0 {
        troubles.push(format!("the victim's ledger is not folded: {told:?}"));
    }
    troubles.extend(arena.troubles());
    troubles
        .into_iter()
        .map(|trouble| format!("{what}: {trouble}"))
        .collect()
}

#[test]
fn attack_10_a_ledger_in_a_temporary_schema() {
    let arena = Arena::open();
    arena.as_role("postgres").run(
        "CREATE TABLE yard.moves (product_id int, quantity int, moved_at date);
         ALTER TABLE yard.moves OWNER TO guest",
    );
    let mut troubles = Vec::new();
    for name in ["pg_temp", "a schema by its number"] {
        let mut guest = arena.as_role("guest");
        guest.run("CREATE TEMP TABLE mine (id int)");
        let schema = match name {
            "pg_temp" => "'pg_temp'",
            _ => "pg_my_temp_schema()::regnamespace::text",
        };
        let told = arena.attempt(
            &mut guest,
            &format!(
                "SELECT inventory_perf.attach_ledger('yard.moves', target_schema => {schema})"
            ),
        );
        println!("{name}: {told:?}");
        troubles.extend(others_troubles(
            &arena,
            &format!("while the guest is there: {name}"),
        ));
        let backend: i32 = guest.ask("SELECT pg_backend_pid()");
        drop(guest);
        let mut superuser = arena.as_role("postgres");
        let gone = Instant::now();
        while superuser.ask::<i64>(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {backend}"
        )) > 0
        {
            assert!(gone.elapsed() < patience(), "the guest stays");
            std::thread::sleep(Duration::from_millis(20));
        }
        troubles.extend(others_troubles(
            &arena,
            &format!("after the guest has gone: {name}"),
        ));
        // And it can be mended, by its owner and by a superuser.
        for role in ["guest", "postgres"] {
            let told = arena.attempt_as(
                role,
                "SELECT inventory_perf.detach_ledger('yard.moves', true)",
            );
            println!("{role} detaches: {told:?}");
        }
        let left: i64 = superuser.ask(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'yard.moves'::regclass AND NOT tgisinternal",
        );
        if left > 0 {
            troubles.push(format!(
                "{name}: the guest's ledger is stopped: it cannot be detached"
            ));
        }
        troubles.extend(others_troubles(
            &arena,
            &format!("after it was detached: {name}"),
        ));
    }
    assert!(troubles.is_empty(), "{}", shown(&troubles));
}

/// An owner's open transactions, each of which holds what it can.
#[test]
fn attack_11_an_idle_transaction() {
    let mut failed = Vec::new();
    let server = Arena::open();
    for (before, open) in [
        ("", "LOCK TABLE den.moves"),
        ("", "ALTER TABLE den.moves DISABLE TRIGGER ALL"),
        (
            "ALTER TABLE den.moves DISABLE TRIGGER ALL",
            "ALTER TABLE den.moves ADD z int",
        ),
        ("", "CREATE TABLE den.child () INHERITS (den.moves)"),
        ("", "SELECT inventory_perf.rebuild_ledger('den.moves')"),
        ("", "SELECT inventory_perf.repair_ledger('den.moves')"),
        ("", "SELECT inventory_perf.detach_ledger('den.moves')"),
        (
            "",
            "SELECT inventory_perf.populate_daily_stock_snapshots('den.moves')",
        ),
        (
            "CREATE TABLE den.child () INHERITS (den.moves)",
            "ALTER TABLE den.child NO INHERIT den.moves",
        ),
        (
            "SET session_replication_role = DEFAULT",
            "LOCK TABLE den.stock_pending",
        ),
    ] {
        let arena = server.beside();
        arena.open_ledger("den", "owner");
        let mut owner = arena.as_role("owner");
        let _ = arena.attempt(&mut owner, before);
        owner.run("BEGIN");
        println!("{open}: {:?}", arena.attempt(&mut owner, open));
        let began = Instant::now();
        let mut troubles = arena.victims_troubles();
        if began.elapsed() > patience() {
            troubles.push(format!("everybody waited: {:?}", began.elapsed()));
        }
        troubles.extend(arena.troubles());
        if !troubles.is_empty() {
            failed.push(format!("{open}:\n{}", shown(&troubles)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Triggers that the event trigger wants to mend, while their table is locked.
#[test]
fn attack_11_an_idle_transaction_over_triggers_to_mend() {
    let arena = Arena::open();
    arena.open_ledger("den", "owner");
    let mut owner = arena.as_role("owner");
    // Inside of one command the event trigger does not see what comes after it.
    let _ = arena.attempt(
        &mut owner,
        "CREATE OR REPLACE TRIGGER \"00_inventory_perf_insert\" AFTER INSERT ON den.moves
             REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()",
    );
    owner.run("BEGIN; LOCK TABLE den.moves IN SHARE MODE");
    let mut troubles = arena.victims_troubles();
    troubles.extend(arena.troubles());
    assert!(troubles.is_empty(), "{}", shown(&troubles));
}

fn waits_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What waits to be delivered.
fn outbox(arena: &Arena) -> i64 {
    arena
        .as_role("postgres")
        .ask("SELECT count(*) FROM inventory_perf.cache_outbox")
}

/// Whether a notification comes that names what is looked for.
fn is_notified(client: &mut Client, what: &str, limit: Duration) -> bool {
    let began = Instant::now();
    while began.elapsed() < limit {
        let mut notifications = client.notifications();
        let mut arrived = notifications.timeout_iter(Duration::from_millis(500));
        while let Ok(Some(notification)) = arrived.next() {
            if notification.payload().contains(what) {
                return true;
            }
        }
    }
    false
}

fn pending(client: &mut Client) -> i64 {
    client.ask(&format!("SELECT count(*) FROM shop.{PENDING}"))
}

/// A lock on one ledger's pending changes stops neither the fold worker nor a superuser's call.
#[test]
fn attack_11_a_lock_on_pending_changes() {
    let arena = Arena::with(&[("inventory_perf.fold_interval", "'1s'")]);
    arena.open_ledger("den", "owner");
    let mut keeper = arena.as_role("keeper");
    waits_until("the worker folds", patience(), || pending(&mut keeper) == 0);
    let mut owner = arena.as_role("owner");
    owner.run(&format!("BEGIN; LOCK TABLE den.{PENDING}"));
    // It comes to the locked one now.
    std::thread::sleep(Duration::from_secs(2));
    keeper.run("INSERT INTO shop.moves VALUES (1, 1, 1, '2024-03-01', '')");
    waits_until(
        "the victim's ledger is folded by the worker",
        patience(),
        || pending(&mut keeper) == 0,
    );
    assert_eq!(arena.victims_troubles(), Vec::<String>::new());
    assert_eq!(arena.troubles(), Vec::<String>::new());
}

#[test]
fn attack_11_a_superuser_folds_beside_a_lock() {
    let arena = Arena::open();
    arena.open_ledger("den", "owner");
    let mut owner = arena.as_role("owner");
    owner.run(&format!("BEGIN; LOCK TABLE den.{PENDING}"));
    let troubles = others_troubles(&arena, "a lock on another ledger's pending changes");
    assert!(troubles.is_empty(), "{}", shown(&troubles));
}

#[test]
fn attack_11_a_ledger_without_an_index() {
    let mut troubles = Vec::new();
    let server = Arena::open();
    for table in STORAGE {
        let arena = server.beside();
        arena.open_ledger("den", "owner");
        let mut owner = arena.as_role("owner");
        let indexes = owner.rows(&format!(
            "SELECT conname, 'CONSTRAINT' FROM pg_constraint WHERE conrelid = 'den.{table}'::regclass
             UNION ALL
             SELECT indexrelid::regclass::text, 'INDEX' FROM pg_index WHERE indrelid = 'den.{table}'::regclass"
        ));
        for index in indexes {
            let index = index.trim_matches(['(', ')']);
            let (name, kind) = index.rsplit_once(',').expect("two columns");
            let _ = match kind {
                "CONSTRAINT" => arena.attempt(
                    &mut owner,
                    &format!("ALTER TABLE den.{table} DROP CONSTRAINT {name}"),
                ),
                _ => arena.attempt(&mut owner, &format!("DROP INDEX {name}")),
            };
        }
        let _ = arena.attempt_at_own_risk(
            "writer",
            "INSERT INTO den.moves VALUES (2, 1, 11, '2024-02-03', '')",
        );
        let what = format!("den.{table} without an index");
        troubles.extend(others_troubles(&arena, &what));
        let den = arena.verdict("reader", &Ledger::in_schema("den"));
        troubles.extend(
            den.wrong
                .into_iter()
                .map(|wrong| format!("{what}: {wrong}")),
        );
    }
    assert!(troubles.is_empty(), "{}", shown(&troubles));
}

/// Levels are told by the owner's function, which never ends, or fails.
#[test]
fn attack_11_a_function_that_never_ends() {
    let mut troubles = Vec::new();
    for body in ["SELECT pg_sleep(1000)", "SELECT 1 / 0"] {
        let arena = Arena::with(&[
            ("inventory_perf.notify_events", "on"),
            ("inventory_perf.outbox_poll_interval", "'200ms'"),
        ]);
        arena.open_ledger("den", "owner");
        let mut owner = arena.as_role("owner");
        owner.run("SELECT inventory_perf.invalidate_on_change('den.moves', tags => '{den}')");
        let mut keeper = arena.as_role("keeper");
        keeper.run("SELECT inventory_perf.invalidate_on_change('shop.moves', tags => '{shop}')");
        let mut listener = arena.as_role("postgres");
        listener.run("LISTEN \"inventory:level:updated\"");
        // Without an attack it comes.
        arena
            .attempt_as(
                "writer",
                "INSERT INTO shop.moves VALUES (2, 1, 1, '2024-02-03', '')",
            )
            .expect("the victim writes");
        assert!(
            is_notified(&mut listener, "shop.moves", patience()),
            "no event without an attack either"
        );
        let columns: String = owner.ask(
            "SELECT string_agg(format('NULL::%s', format_type(t.oid, NULL)), ', ' ORDER BY n)
             FROM pg_proc p, unnest(p.proallargtypes, p.proargmodes) WITH ORDINALITY AS a (oid, mode, n)
             JOIN pg_type t ON t.oid = a.oid
             WHERE p.oid = 'den.stock_on(date)'::regprocedure AND a.mode = 't'",
        );
        let result: String =
            owner.ask("SELECT pg_get_function_result('den.stock_on(date)'::regprocedure)");
        let told = arena.attempt(
            &mut owner,
            &format!(
                "CREATE OR REPLACE FUNCTION den.stock_on(as_of date) RETURNS {result} LANGUAGE plpgsql STABLE PARALLEL SAFE AS
                 $$ BEGIN PERFORM * FROM ({body}) s; RETURN QUERY SELECT {columns}; END $$"
            ),
        );
        println!("{body}: {told:?}");
        // In one transaction, so that both are delivered in one batch.
        arena
            .attempt_at_own_risk(
                "writer",
                "INSERT INTO den.moves VALUES (2, 1, 11, '2024-02-03', '');
                 INSERT INTO shop.moves VALUES (2, 1, 11, '2024-02-03', '')",
            )
            .expect("the victim writes");
        if !is_notified(&mut listener, "shop.moves", patience() * 2) {
            troubles.push(format!(
                "{body}: the event of the victim's ledger never came"
            ));
        }
        let delivered = Instant::now();
        while outbox(&arena) > 0 {
            if delivered.elapsed() > patience() * 2 {
                troubles.push(format!("{body}: nothing is delivered any more"));
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        troubles.extend(arena.victims_troubles());
        troubles.extend(arena.troubles());
    }
    assert!(troubles.is_empty(), "{}", shown(&troubles));
}

fn time_of_a_table(client: &mut Client) -> Duration {
    let mut times: Vec<Duration> = (0..7)
        .map(|_| {
            let began = Instant::now();
            client.run("CREATE TABLE passing.by (id int)");
            let took = began.elapsed();
            client.run("DROP TABLE passing.by");
            took
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// A command costs by what it touches, not by how many ledgers there are.
#[test]
fn attack_12_many_ledgers() {
    let arena = Arena::open();
    let mut passer = arena.as_role("passer");
    let few = time_of_a_table(&mut passer);
    let mut owner = arena.as_role("owner");
    for number in 0..40 {
        owner.run(&format!(
            "CREATE TABLE den.moves_{number} (product_id int, quantity int, moved_at date);
             SELECT inventory_perf.attach_ledger('den.moves_{number}', prefix => 'l{number}_')"
        ));
    }
    let many = time_of_a_table(&mut passer);
    println!("{few:?} with one ledger, {many:?} with 41");
    assert!(
        many < few * 4 + Duration::from_millis(20),
        "{few:?} with one ledger, {many:?} with 41"
    );
}

/// Stores the entry that others are to leave alone. The first one may come before there is an epoch.
fn store(client: &mut Client) {
    waits_until("the cache stores", patience(), || {
        client.ask("SELECT inventory_perf.cache_set('kept', '1', '1 hour', '{tag}')")
    });
}

/// What others have cached is not thrown away by who has nothing to do with it.
#[test]
fn attack_13_a_type_of_ones_own() {
    let arena = Arena::open();
    let mut superuser = arena.as_role("postgres");
    store(&mut superuser);
    assert_eq!(
        superuser
            .ask::<Option<String>>("SELECT inventory_perf.cache_get('kept')::text")
            .as_deref(),
        Some("1")
    );
    arena
        .as_role("stranger")
        .run("CREATE TYPE trap.mood AS ENUM ('sad'); ALTER TYPE trap.mood ADD VALUE 'glad'");
    let _ = arena.attempt(
        &mut superuser,
        "SELECT inventory_perf.deliver_invalidations()",
    );
    assert_eq!(
        superuser
            .ask::<Option<String>>("SELECT inventory_perf.cache_get('kept')::text")
            .as_deref(),
        Some("1"),
        "a stranger's type has emptied the cache"
    );
}

/// An advisory lock is anybody's to take.
#[test]
fn attack_13_an_advisory_lock() {
    let arena = Arena::open();
    let mut guest = arena.as_role("guest");
    // The lock of a name that is written in the source, and the whole of the other space.
    guest.run(
        "SELECT pg_advisory_lock(hashtextextended('inventory_perf cache writer', 0));
         SELECT pg_advisory_lock(number) FROM generate_series(0, 300) number",
    );
    let mut superuser = arena.as_role("postgres");
    store(&mut superuser);
    assert_eq!(
        superuser
            .ask::<Option<String>>("SELECT inventory_perf.cache_get('kept')::text")
            .as_deref(),
        Some("1"),
        "a guest's lock keeps everybody from storing"
    );
}

/// Tags and keys that nobody will ever ask for take room that is counted.
#[test]
fn attack_13_names_without_end() {
    let arena = Arena::with(&[("inventory_perf.cache_table_size", "'8MB'")]);
    let mut stranger = arena.as_role("stranger");
    stranger.run("CREATE TABLE trap.own (id int); INSERT INTO trap.own VALUES (1)");
    for call in 0..60 {
        let _ = arena.attempt(
            &mut stranger,
            &format!(
                "SELECT * FROM inventory_perf.cached_query('SELECT * FROM trap.own', tags => (
                     SELECT array_agg(format('tag %s %s %s', {call}, number, repeat('x', 200))) FROM generate_series(1, 1000) number))"
            ),
        );
    }
    let megabytes: i64 = arena.as_role("postgres").ask(
        "SELECT (sum(pg_total_relation_size(oid)) / 1024 / 1024)::bigint FROM pg_class
         WHERE relnamespace = 'inventory_perf'::regnamespace AND relkind = 'r'",
    );
    println!("{megabytes} MB");
    assert!(megabytes <= 40, "{megabytes} MB of a stranger's names");
}
