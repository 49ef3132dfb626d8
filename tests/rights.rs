//! Nobody gains a right: who reads the ledger reads its snapshots, who owns it keeps it, and what
//! one role plants never runs as another.

mod common;

use std::sync::OnceLock;

use common::{Ask, Cluster};
use postgres::Client;
use postgres::error::SqlState;

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::with_test_settings().start();
        cluster.connect("postgres").run(
            "CREATE ROLE keeper LOGIN;
             CREATE ROLE reader LOGIN;
             CREATE ROLE writer LOGIN;
             CREATE ROLE stranger LOGIN;
             CREATE ROLE clerk LOGIN;",
        );
        cluster
    })
}

/// A ledger that `keeper` owns and attached; `reader` may read it, `writer` write it.
struct Shop {
    database: String,
}

const READS: [&str; 8] = [
    "SELECT * FROM shop.daily_stock_snapshots",
    "SELECT * FROM shop.stock_levels",
    "SELECT * FROM shop.stock_on('2024-01-01')",
    "SELECT * FROM shop.stock_history('2024-01-01', '2024-01-02')",
    "SELECT * FROM shop.stock_period('2024-01-01', '2024-01-02')",
    "SELECT * FROM inventory_perf.stock_on('shop.moves', '2024-01-01')",
    "SELECT * FROM inventory_perf.stock_history('shop.moves', '2024-01-01', '2024-01-02')",
    "SELECT * FROM inventory_perf.stock_period('shop.moves', '2024-01-01', '2024-01-02')",
];

/// What only an owner may call.
const KEEPING: [&str; 6] = [
    "SELECT * FROM inventory_perf.populate_daily_stock_snapshots('shop.moves')",
    "SELECT inventory_perf.repair_ledger('shop.moves')",
    "SELECT inventory_perf.rebuild_ledger('shop.moves')",
    "SELECT inventory_perf.backfill_ledger('shop.moves')",
    "SELECT * FROM inventory_perf.detach_ledger('shop.moves')",
    "SELECT * FROM inventory_perf.attach_ledger('shop.moves', prefix => 'x_')",
];

impl Shop {
    fn open() -> Self {
        let database = cluster().database();
        cluster().connect(&database).run(
            "CREATE SCHEMA shop AUTHORIZATION keeper;
             GRANT USAGE ON SCHEMA shop TO PUBLIC;
             SET ROLE keeper;
             CREATE TABLE shop.moves (
                 id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id int DEFAULT 1,
                 product_id int, quantity int, moved_at date, secret text);
             GRANT SELECT ON shop.moves TO reader;
             GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON shop.moves TO writer;
             INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 5, '2024-01-01');
             RESET ROLE",
        );
        let shop = Self { database };
        shop.as_role("keeper")
            .run("SELECT inventory_perf.attach_ledger('shop.moves')");
        shop
    }

    fn as_role(&self, role: &str) -> Client {
        cluster().connect_as(role, &self.database)
    }

    fn on_hand(&self) -> String {
        self.as_role("keeper")
            .ask("SELECT sum(quantity_on_hand)::text FROM shop.stock_levels")
    }
}

fn assert_refused(client: &mut Client, statements: &[&str]) {
    for statement in statements {
        let code = client.refusal_code(statement);
        assert_eq!(code, SqlState::INSUFFICIENT_PRIVILEGE, "{statement}");
    }
}

#[test]
fn who_reads_the_ledger_reads_its_snapshots() {
    let shop = Shop::open();
    for role in ["keeper", "reader", "writer", "postgres"] {
        let mut client = shop.as_role(role);
        for read in READS {
            assert!(!client.rows(read).is_empty(), "{role}: {read}");
        }
    }
    let mut stranger = shop.as_role("stranger");
    assert_refused(&mut stranger, &READS);
    assert_eq!(
        stranger.rows("SELECT * FROM inventory_perf.ledgers"),
        Vec::<String>::new()
    );

    // A right to the ledger counts from the moment it is given or taken, in open sessions, too.
    shop.as_role("keeper")
        .run("GRANT SELECT ON shop.moves TO stranger");
    for read in READS {
        stranger.run(read);
    }
    shop.as_role("keeper")
        .run("REVOKE SELECT ON shop.moves FROM stranger");
    assert_refused(&mut stranger, &READS);
    // The mapped columns are enough, one of them too few.
    shop.as_role("keeper")
        .run("GRANT SELECT (tenant_id, product_id, quantity) ON shop.moves TO stranger");
    assert_refused(&mut stranger, &READS);
    shop.as_role("keeper")
        .run("GRANT SELECT (moved_at) ON shop.moves TO stranger");
    for read in READS {
        stranger.run(read);
    }
}

#[test]
fn storage_is_closed_to_everybody_else() {
    let shop = Shop::open();
    for role in ["reader", "writer", "stranger"] {
        let mut client = shop.as_role(role);
        for table in [
            "stock_pending",
            "stock_days",
            "stock_openings",
            "stock_months",
        ] {
            for statement in [
                format!("SELECT * FROM shop.{table}"),
                format!("DELETE FROM shop.{table}"),
                format!("TRUNCATE shop.{table}"),
                format!("INSERT INTO shop.{table} DEFAULT VALUES"),
            ] {
                assert_refused(&mut client, &[&statement]);
            }
        }
        for table in ["ledger", "ledger_member", "ledger_activity"] {
            let table = format!("inventory_perf.{table}");
            if client.ask::<bool>(&format!("SELECT to_regclass('{table}') IS NOT NULL")) {
                for statement in [
                    format!("SELECT * FROM {table}"),
                    format!("DELETE FROM {table}"),
                ] {
                    assert_refused(&mut client, &[&statement]);
                }
            }
        }
    }
    assert_eq!(shop.on_hand(), "5");
}

#[test]
fn only_the_owner_keeps_a_ledger() {
    let shop = Shop::open();
    for role in ["reader", "writer", "stranger"] {
        let mut client = shop.as_role(role);
        assert_refused(&mut client, &KEEPING);
        // Folding everything folds what one owns: nothing.
        assert_eq!(
            client.rows("SELECT * FROM inventory_perf.populate_daily_stock_snapshots()"),
            Vec::<String>::new()
        );
        let tenant =
            "SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-01-02')";
        assert_eq!(
            client.refusal_code(tenant),
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE
        );
    }
    // A member of the owner has its rights.
    shop.as_role("postgres").run("GRANT keeper TO clerk");
    let mut clerk = shop.as_role("clerk");
    clerk.run("SELECT * FROM inventory_perf.populate_daily_stock_snapshots('shop.moves')");
    clerk.run("SELECT inventory_perf.rebuild_ledger('shop.moves')");
    shop.as_role("postgres").run("REVOKE keeper FROM clerk");
    assert_refused(&mut clerk, &KEEPING);
    assert_eq!(shop.on_hand(), "5");
}

#[test]
fn attaching_needs_the_table_and_the_schema() {
    let shop = Shop::open();
    shop.as_role("keeper").run(
        "CREATE TABLE shop.other (product_id int, quantity int, moved_at date);
         GRANT ALL ON shop.other TO writer",
    );
    let attach = "SELECT inventory_perf.attach_ledger('shop.other')";
    assert_refused(&mut shop.as_role("writer"), &[attach]);
    // Owning the table does not give a right to create beside it.
    shop.as_role("postgres").run(
        "CREATE SCHEMA closed;
         CREATE TABLE closed.theirs (product_id int, quantity int, moved_at date);
         ALTER TABLE closed.theirs OWNER TO writer;
         GRANT USAGE ON SCHEMA closed TO writer",
    );
    let mut writer = shop.as_role("writer");
    assert_refused(
        &mut writer,
        &["SELECT inventory_perf.attach_ledger('closed.theirs')"],
    );
    let elsewhere = "SELECT inventory_perf.attach_ledger('closed.theirs', target_schema => 'shop', \
                     prefix => 'their_')";
    assert_refused(&mut writer, &[elsewhere]);
}

#[test]
fn writers_need_no_right_to_the_storage() {
    let shop = Shop::open();
    let mut writer = shop.as_role("writer");
    writer.run(
        "INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (2, 7, '2024-02-02');
         UPDATE shop.moves SET quantity = quantity + 1",
    );
    assert_eq!(shop.on_hand(), "14");
    // Neither a right to read, nor one to the schema of the extension.
    shop.as_role("postgres").run(
        "GRANT INSERT ON shop.moves TO clerk; REVOKE USAGE ON SCHEMA inventory_perf FROM PUBLIC",
    );
    let mut clerk = shop.as_role("clerk");
    clerk
        .run("INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (2, 7, '2024-02-02')");
    assert_refused(
        &mut clerk,
        &[
            "SELECT * FROM shop.moves",
            "SELECT * FROM shop.stock_levels",
        ],
    );
    assert_eq!(shop.on_hand(), "21");
    writer.run("TRUNCATE shop.moves");
    assert_eq!(
        shop.as_role("keeper")
            .rows("SELECT * FROM shop.stock_levels"),
        Vec::<String>::new()
    );
}

#[test]
fn row_level_security_is_not_gone_around() {
    let shop = Shop::open();
    shop.as_role("keeper").run(
        "INSERT INTO shop.moves (tenant_id, product_id, quantity, moved_at)
         VALUES (2, 1, 1000, '2024-01-01');
         ALTER TABLE shop.moves ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own_tenant ON shop.moves TO reader, writer USING (tenant_id = 1)",
    );
    let mut reader = shop.as_role("reader");
    assert_eq!(reader.ask::<i64>("SELECT sum(quantity) FROM shop.moves"), 5);
    assert_refused(&mut reader, &READS);
    for role in ["keeper", "postgres"] {
        assert_eq!(
            shop.as_role(role)
                .ask::<String>("SELECT sum(quantity_on_hand)::text FROM shop.stock_levels"),
            "1005"
        );
    }
    // What a policy hides from a writer's eyes, it neither hides from the sums nor counts twice.
    shop.as_role("writer")
        .run("UPDATE shop.moves SET quantity = quantity + 1");
    assert_eq!(shop.on_hand(), "1006");
    // A role that no policy applies to reads on.
    shop.as_role("postgres").run("ALTER ROLE reader BYPASSRLS");
    for read in READS {
        reader.run(read);
    }
    shop.as_role("postgres")
        .run("ALTER ROLE reader NOBYPASSRLS");
    assert_refused(&mut reader, &READS);

    shop.as_role("keeper")
        .run("ALTER TABLE shop.moves FORCE ROW LEVEL SECURITY");
    assert_refused(&mut shop.as_role("keeper"), &READS);
}

#[test]
fn nothing_that_changes_is_open_to_the_public_unchecked() {
    let shop = Shop::open();
    let rows = shop.as_role("postgres").rows(
        "SELECT proname FROM pg_proc
         WHERE pronamespace = 'inventory_perf'::regnamespace
           AND has_function_privilege('stranger', oid, 'EXECUTE')
         GROUP BY proname ORDER BY proname COLLATE \"C\"",
    );
    // Every one of these either checks whose ledger it is, or tells nothing and changes nothing.
    let open = [
        "added_month",
        "advise_index_drops",
        "advise_indexes",
        "assert_exact",
        "attach_ledger",
        "backfill_ledger",
        "base_month",
        "capture_moves",
        "cached_query",
        "check_day",
        "check_history",
        "check_ledger",
        "check_period",
        "days_between",
        "detach_ledger",
        "evaluate_indexes",
        "expect_moved_rows",
        "history_length",
        "invalidate_cache",
        "invalidate_on_change",
        "ledger_status",
        "ledger_workload",
        "open_months",
        "opening_month",
        "period_months",
        "populate_daily_stock_snapshots",
        "populate_tenant",
        "rebuild_ledger",
        "removed_month",
        "repair_ledger",
        "schedule_jobs",
        "stock_history",
        "stock_on",
        "stock_period",
        "stop_invalidating",
        "total",
        "unschedule_jobs",
        "verify_ledger",
        "workload_coverage",
    ];
    for row in rows {
        let name = row.trim_matches(['(', ')']);
        assert!(
            open.contains(&name),
            "{name} is new to this list: what does it check?"
        );
    }
    let stranger = &mut shop.as_role("stranger");
    assert_refused(
        stranger,
        &[
            "SELECT inventory_perf.base_month('shop.moves', '2024-01-01')",
            "SELECT inventory_perf.check_ledger('shop.moves')",
            "SELECT * FROM inventory_perf.verify_ledger('shop.moves')",
            "CREATE TABLE inventory_perf.mine ()",
            "CREATE FUNCTION inventory_perf.mine() RETURNS int LANGUAGE sql RETURN 1",
        ],
    );
    // Called as a trigger on a table of one's own, the capture function finds no ledger.
    shop.as_role("postgres")
        .run("CREATE SCHEMA own AUTHORIZATION stranger");
    stranger.run(
        "CREATE TABLE own.fake (product_id int, quantity int, moved_at date);
         CREATE TRIGGER fake AFTER INSERT ON own.fake REFERENCING NEW TABLE AS new_rows
             FOR EACH STATEMENT EXECUTE FUNCTION inventory_perf.capture_moves()",
    );
    let _ = stranger.batch_execute("INSERT INTO own.fake VALUES (1, 1000, '2024-01-01')");
    assert_eq!(shop.on_hand(), "5");
}

/// Functions and operators of the same names, earlier on the path or in the temporary schema.
#[test]
fn a_planted_search_path_changes_nothing() {
    let shop = Shop::open();
    shop.as_role("postgres")
        .run("CREATE SCHEMA trap AUTHORIZATION stranger; GRANT USAGE ON SCHEMA trap TO PUBLIC");
    shop.as_role("stranger").run(
        "CREATE FUNCTION trap.spring() RETURNS void LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'the trap ran as %', current_user; END $$;
         CREATE FUNCTION trap.plus(int, int) RETURNS int LANGUAGE plpgsql AS $$
             BEGIN PERFORM trap.spring(); RETURN 0; END $$;
         CREATE FUNCTION trap.plus(numeric, numeric) RETURNS numeric LANGUAGE plpgsql AS $$
             BEGIN PERFORM trap.spring(); RETURN 0; END $$;
         CREATE FUNCTION trap.equal(int, int) RETURNS bool LANGUAGE plpgsql AS $$
             BEGIN PERFORM trap.spring(); RETURN true; END $$;
         CREATE FUNCTION trap.equal(date, date) RETURNS bool LANGUAGE plpgsql AS $$
             BEGIN PERFORM trap.spring(); RETURN true; END $$;
         CREATE FUNCTION trap.equal(text, text) RETURNS bool LANGUAGE plpgsql AS $$
             BEGIN PERFORM trap.spring(); RETURN true; END $$;
         CREATE FUNCTION trap.equal(oid, oid) RETURNS bool LANGUAGE plpgsql AS $$
             BEGIN PERFORM trap.spring(); RETURN true; END $$;
         CREATE FUNCTION trap.state(numeric, numeric) RETURNS numeric LANGUAGE plpgsql AS $$
             BEGIN PERFORM trap.spring(); RETURN 0; END $$;
         CREATE OPERATOR trap.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.plus);
         CREATE OPERATOR trap.+ (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = trap.plus);
         CREATE OPERATOR trap.- (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = trap.plus);
         CREATE OPERATOR trap.= (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.equal);
         CREATE OPERATOR trap.= (LEFTARG = date, RIGHTARG = date, FUNCTION = trap.equal);
         CREATE OPERATOR trap.<= (LEFTARG = date, RIGHTARG = date, FUNCTION = trap.equal);
         CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.equal);
         CREATE OPERATOR trap.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = trap.equal);
         CREATE AGGREGATE trap.sum(numeric) (SFUNC = trap.state, STYPE = numeric);
         CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql AS $$
             BEGIN PERFORM trap.spring(); RETURN NULL; END $$;
         CREATE FUNCTION trap.to_jsonb(anyelement) RETURNS jsonb LANGUAGE plpgsql AS $$
             BEGIN PERFORM trap.spring(); RETURN NULL; END $$;
         CREATE FUNCTION trap.date_trunc(text, timestamp) RETURNS timestamp LANGUAGE plpgsql AS $$
             BEGIN PERFORM trap.spring(); RETURN NULL; END $$;
         CREATE FUNCTION trap.count(int) RETURNS bigint LANGUAGE plpgsql AS $$
             BEGIN PERFORM trap.spring(); RETURN NULL; END $$;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA trap TO PUBLIC",
    );
    for role in ["keeper", "postgres"] {
        let mut client = shop.as_role(role);
        client.run(
            "CREATE TEMP TABLE stock_pending (x int); CREATE TEMP TABLE stock_days (x int);
             CREATE TEMP TABLE ledger (x int); CREATE TEMP TABLE new_rows (x int);
             CREATE TEMP TABLE stock_levels (x int); CREATE TEMP TABLE pg_class (x int);
             SET search_path = pg_temp, trap, shop, inventory_perf, pg_catalog",
        );
        client.run(
            "INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (2, 7, '2024-02-02');
             UPDATE shop.moves SET quantity = 8;
             DELETE FROM shop.moves WHERE id > 1",
        );
        for read in READS {
            client.run(read);
        }
        for call in [
            "SELECT * FROM inventory_perf.ledgers",
            "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
            "SELECT * FROM inventory_perf.populate_daily_stock_snapshots('shop.moves')",
            "SELECT inventory_perf.populate_daily_stock_snapshots('1', '2024-01-01', '2024-02-01')",
            "SELECT * FROM inventory_perf.verify_ledger('shop.moves')",
            "SELECT inventory_perf.assert_exact()",
            "SELECT inventory_perf.repair_ledger('shop.moves')",
            "SELECT inventory_perf.rebuild_ledger('shop.moves')",
            "SELECT * FROM inventory_perf.detach_ledger('shop.moves', true)",
            "SELECT * FROM inventory_perf.attach_ledger('shop.moves')",
            "TRUNCATE shop.moves",
        ] {
            client.run(call);
        }
        client.run(
            "RESET search_path;
             INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 5, '2024-01-01')",
        );
        assert_eq!(shop.on_hand(), "5");
    }
}

/// Rings when code that the owner planted runs with anybody else's rights. An immutable function
/// may draw from a sequence, and no rollback undoes it.
const ALARM: &str = "
    CREATE SEQUENCE shop.alarm; CREATE SEQUENCE shop.planted_code_ran;
    GRANT ALL ON SEQUENCE shop.alarm, shop.planted_code_ran TO PUBLIC;
    CREATE FUNCTION shop.ring() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM nextval('shop.planted_code_ran');
            IF current_user <> 'keeper' THEN PERFORM nextval('shop.alarm'); END IF;
        END $$;";

fn assert_no_alarm(client: &mut Client) {
    let ran: bool = client.ask("SELECT is_called FROM shop.planted_code_ran");
    assert!(ran, "the planted code never ran, so this shows nothing");
    let rang: bool = client.ask("SELECT is_called FROM shop.alarm");
    assert!(!rang, "planted code ran with the rights of somebody else");
}

/// The owner of the ledger owns its storage, so can plant code there; a superuser who folds, as
/// pg_cron does, must not run it as a superuser.
#[test]
fn planted_code_runs_with_its_owners_rights() {
    let shop = Shop::open();
    let mut keeper = shop.as_role("keeper");
    keeper.run(ALARM);
    keeper.run(
        "CREATE FUNCTION shop.spy() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN PERFORM shop.ring(); RETURN coalesce(NEW, OLD); END $$;
         CREATE FUNCTION shop.spy_on(date) RETURNS date LANGUAGE plpgsql IMMUTABLE AS $$
             BEGIN PERFORM shop.ring(); RETURN $1; END $$",
    );
    let mut superuser = shop.as_role("postgres");
    superuser.run(
        "INSERT INTO shop.moves (product_id, quantity, moved_at)
         SELECT number % 5, number, date '2024-01-01' + number
         FROM generate_series(1, 90) AS number",
    );
    let mut planted = 0;
    for table in [
        "stock_days",
        "stock_openings",
        "stock_months",
        "stock_pending",
    ] {
        let day = if table == "stock_days" || table == "stock_pending" {
            "day"
        } else {
            "month"
        };
        for plant in [
            format!(
                "CREATE TRIGGER spy BEFORE INSERT OR UPDATE OR DELETE ON shop.{table}
                 FOR EACH ROW EXECUTE FUNCTION shop.spy()"
            ),
            format!(
                "ALTER TABLE shop.{table} ADD CHECK (shop.spy_on({day}) IS NOT NULL) NOT VALID"
            ),
            format!("CREATE INDEX ON shop.{table} (shop.spy_on({day}))"),
        ] {
            // Refusing to plant is as good.
            planted += usize::from(keeper.batch_execute(&plant).is_ok());
        }
    }
    if planted == 0 {
        return;
    }
    for call in [
        "SELECT * FROM inventory_perf.populate_daily_stock_snapshots()",
        "SELECT * FROM inventory_perf.verify_ledger('shop.moves')",
        "SELECT inventory_perf.repair_ledger('shop.moves')",
        "SELECT inventory_perf.populate_daily_stock_snapshots(1, '2024-01-01', '2024-02-02')",
        "SELECT inventory_perf.rebuild_ledger('shop.moves')",
    ] {
        // Whether such code is run or refused does not matter here, only with whose rights.
        let _ = superuser.batch_execute(call);
    }
    assert_no_alarm(&mut superuser);
    // A writer's statement must not run it with the writer's rights either.
    let _ = superuser.batch_execute(
        "INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (1, 1, '2024-09-09')",
    );
    assert_no_alarm(&mut superuser);
}

/// An expression of the mapping is the owner's code as well.
#[test]
fn mapped_expressions_run_with_the_owners_rights() {
    let shop = Shop::open();
    let mut keeper = shop.as_role("keeper");
    keeper.run(ALARM);
    keeper.run(
        "CREATE FUNCTION shop.spy_on(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
             BEGIN PERFORM shop.ring(); RETURN $1; END $$;
         CREATE TABLE shop.bait (product_id int, quantity int, moved_at date);
         GRANT SELECT, INSERT, UPDATE ON shop.bait TO PUBLIC;
         SELECT inventory_perf.attach_ledger('shop.bait', prefix => 'bait_',
                                             quantity => 'shop.spy_on(quantity)')",
    );
    let mut superuser = shop.as_role("postgres");
    // Who writes to a table runs its triggers, constraints and defaults, extension or not.
    superuser.run(
        "INSERT INTO shop.bait VALUES (1, 1, '2024-01-01'); UPDATE shop.bait SET quantity = 2;
         ALTER SEQUENCE shop.alarm RESTART",
    );
    for call in [
        "SELECT * FROM inventory_perf.populate_daily_stock_snapshots('shop.bait')",
        "SELECT * FROM inventory_perf.verify_ledger('shop.bait')",
        "SELECT inventory_perf.repair_ledger('shop.bait')",
        "SELECT inventory_perf.rebuild_ledger('shop.bait')",
        "SELECT inventory_perf.assert_exact()",
        "SELECT * FROM shop.bait_stock_levels",
    ] {
        superuser.run(call);
        assert_no_alarm(&mut superuser);
    }
}

#[test]
fn a_new_owner_keeps_the_ledger() {
    let shop = Shop::open();
    shop.as_role("postgres")
        .run("ALTER TABLE shop.moves OWNER TO clerk; GRANT CREATE ON SCHEMA shop TO clerk");
    let mut clerk = shop.as_role("clerk");
    clerk
        .run("INSERT INTO shop.moves (product_id, quantity, moved_at) VALUES (2, 7, '2024-02-02')");
    for call in [
        "SELECT * FROM inventory_perf.populate_daily_stock_snapshots('shop.moves')",
        "SELECT * FROM shop.stock_levels",
        "SELECT * FROM inventory_perf.verify_ledger('shop.moves')",
        "SELECT inventory_perf.repair_ledger('shop.moves')",
        "SELECT inventory_perf.rebuild_ledger('shop.moves')",
    ] {
        clerk.run(call);
    }
    assert_refused(&mut shop.as_role("keeper"), &KEEPING[..1]);
    assert_refused(&mut shop.as_role("keeper"), &READS);
    clerk.run("SELECT * FROM inventory_perf.detach_ledger('shop.moves', true)");
}
