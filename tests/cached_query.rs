//! Cached queries with a real Redis: who is served, who is not, and what may never be served.
//!
//! That an answer came out of the cache shows where a table was changed without a word to the
//! cache: then the cached answer is the old one.

mod common;

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster, Redis};
use postgres::Client;
use postgres::error::SqlState;

fn redis() -> &'static Redis {
    static REDIS: OnceLock<Redis> = OnceLock::new();
    REDIS.get_or_init(Redis::new)
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::with_test_settings()
            .set(
                "inventory_perf.redis_url",
                &format!("'{}'", redis().socket_url()),
            )
            .set("track_functions", "all")
            .set("client_min_messages", "warning")
            .start();
        cluster.connect("postgres").run(
            "CREATE ROLE seller LOGIN;
             CREATE ROLE buyer LOGIN;
             CREATE ROLE stranger LOGIN;
             CREATE ROLE crew",
        );
        cluster
    })
}

/// A database with a table `stock` of two rows, which nothing watches.
struct Shop {
    database: String,
}

impl Shop {
    fn open() -> Self {
        let shop = Self {
            database: cluster().database(),
        };
        let mut owner = shop.client();
        owner.run(
            "CREATE TABLE stock (id int PRIMARY KEY, tenant int, level int);
             INSERT INTO stock VALUES (1, 1, 10), (2, 2, 20);
             GRANT SELECT ON stock TO seller, buyer",
        );
        shop.deliver();
        shop
    }

    /// The same, and every change of `stock` invalidates.
    fn watched() -> Self {
        let shop = Self::open();
        shop.client()
            .run("SELECT inventory_perf.invalidate_on_change('stock')");
        shop
    }

    fn client(&self) -> Client {
        cluster().connect(&self.database)
    }

    fn as_role(&self, role: &str) -> Client {
        cluster().connect_as(role, &self.database)
    }

    fn deliver(&self) {
        self.client()
            .run("SELECT inventory_perf.deliver_invalidations()");
    }

    /// Names in Redis of this database's cache.
    fn names(&self, kind: &str) -> Vec<String> {
        let pattern = format!("inventory_perf:{{{}}}:{kind}:*", self.database);
        redis::cmd("KEYS")
            .arg(pattern)
            .query(&mut redis().connect())
            .expect("ask Redis for names")
    }

    fn entry(&self) -> String {
        let mut names = self.names("query");
        assert_eq!(names.len(), 1, "{names:?}");
        names.remove(0)
    }
}

const TOTAL: &str = "SELECT sum(level) FROM stock";

/// The one value of the one row of a cached query that vouches for its tags.
fn tagged(client: &mut Client, query: &str) -> String {
    ask_cached(client, &format!("$q${query}$q$, tags => '{{shop}}'"))
}

/// The same for a query that is invalidated through the tables it reads.
fn cached(client: &mut Client, query: &str) -> String {
    ask_cached(client, &format!("$q${query}$q$"))
}

fn ask_cached(client: &mut Client, arguments: &str) -> String {
    client.ask(&format!(
        "SELECT coalesce(string_agg(value, ',' ORDER BY n), 'none') \
         FROM inventory_perf.cached_query({arguments}) WITH ORDINALITY AS q(row, n), \
              LATERAL jsonb_each_text(q.row)"
    ))
}

#[test]
fn an_answer_is_given_again_until_a_tag_is_invalid() {
    let shop = Shop::open();
    let (mut reader, mut writer) = (shop.client(), shop.client());
    assert_eq!(tagged(&mut reader, TOTAL), "30");
    writer.run("UPDATE stock SET level = 11 WHERE id = 1");
    assert_eq!(tagged(&mut reader, TOTAL), "30");
    assert_eq!(tagged(&mut shop.client(), TOTAL), "30");
    // what is told but not delivered counts from its commit on
    writer.run("BEGIN; SELECT inventory_perf.invalidate_tags('shop')");
    assert_eq!(tagged(&mut reader, TOTAL), "30");
    writer.run("COMMIT");
    assert_eq!(tagged(&mut reader, TOTAL), "31");
    writer.run("UPDATE stock SET level = 12 WHERE id = 1");
    assert_eq!(tagged(&mut reader, TOTAL), "32");
    shop.deliver();
    assert_eq!(tagged(&mut reader, TOTAL), "32");
    writer.run("UPDATE stock SET level = 13 WHERE id = 1");
    assert_eq!(tagged(&mut reader, TOTAL), "32");
    // other tags do not matter
    writer.run("SELECT inventory_perf.invalidate_tags('other')");
    assert_eq!(tagged(&mut reader, TOTAL), "32");
    shop.deliver();
    assert_eq!(tagged(&mut reader, TOTAL), "32");
    // patterns, and everything
    writer.run("SELECT inventory_perf.cache_flush()");
    assert_eq!(tagged(&mut reader, TOTAL), "33");
    shop.deliver();
    assert_eq!(tagged(&mut reader, TOTAL), "33");
}

#[test]
fn a_watched_table_is_never_seen_as_it_was() {
    let shop = Shop::watched();
    let (mut reader, mut writer) = (shop.client(), shop.client());
    let mut level = 10;
    for change in [
        "UPDATE stock SET level = level + 1 WHERE id = 1",
        "INSERT INTO stock VALUES (3, 1, 100)",
        "DELETE FROM stock WHERE id = 2",
        "TRUNCATE stock",
    ] {
        for query in [
            TOTAL,
            "SELECT sum(s.level) FROM stock AS s WHERE s.level > 0",
        ] {
            cached(&mut reader, query);
            cached(&mut reader, query);
        }
        assert!(!shop.names("query").is_empty());
        writer.run(change);
        let truth: String = writer.ask("SELECT coalesce(sum(level)::text, 'none') FROM stock");
        let shown = |client: &mut Client| {
            let rows = client.rows(&format!(
                "SELECT * FROM inventory_perf.cached_query('{TOTAL}')"
            ));
            rows[0].clone()
        };
        let expected = match truth.as_str() {
            "none" => "null".to_owned(),
            truth => truth.to_owned(),
        };
        for _ in 0..2 {
            let answer = shown(&mut reader);
            assert!(
                answer.contains(&format!(": {expected}}}")),
                "{change}: {answer}"
            );
        }
        shop.deliver();
        for _ in 0..2 {
            let answer = shown(&mut reader);
            assert!(
                answer.contains(&format!(": {expected}}}")),
                "{change}: {answer}"
            );
        }
        level += 1;
    }
    assert_eq!(level, 14);
}

#[test]
fn only_transactions_that_may_are_served_and_fill() {
    let shop = Shop::open();
    let mut reader = shop.client();
    for begin in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "BEGIN; CREATE TEMP TABLE mine (x int)",
        "BEGIN; SET LOCAL inventory_perf.cache_enabled = off",
    ] {
        reader.run(begin);
        tagged(&mut reader, TOTAL);
        reader.run("ROLLBACK");
        assert_eq!(shop.names("query"), Vec::<String>::new(), "{begin}");
    }
    assert_eq!(tagged(&mut reader, TOTAL), "30");
    shop.client()
        .run("UPDATE stock SET level = 11 WHERE id = 1");
    for begin in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "BEGIN; CREATE TEMP TABLE mine (x int)",
        "BEGIN; SET LOCAL inventory_perf.cache_enabled = off",
    ] {
        reader.run(begin);
        assert_eq!(tagged(&mut reader, TOTAL), "31", "{begin}");
        reader.run("ROLLBACK");
    }
    for begin in ["BEGIN", "BEGIN READ ONLY", "BEGIN; SAVEPOINT a"] {
        reader.run(begin);
        assert_eq!(tagged(&mut reader, TOTAL), "30", "{begin}");
        reader.run("COMMIT");
    }
}

#[test]
fn rights_count_on_every_call() {
    let shop = Shop::open();
    let (mut owner, mut seller) = (shop.client(), shop.as_role("seller"));
    assert_eq!(tagged(&mut seller, TOTAL), "30");
    owner.run("UPDATE stock SET level = 11 WHERE id = 1");
    assert_eq!(tagged(&mut seller, TOTAL), "30");
    // an answer is its role's alone
    assert_eq!(tagged(&mut shop.as_role("buyer"), TOTAL), "31");
    let refused = |client: &mut Client, query: &str| {
        let call =
            format!("SELECT * FROM inventory_perf.cached_query('{query}', tags => '{{shop}}')");
        assert_eq!(
            client.refusal_code(&call),
            SqlState::INSUFFICIENT_PRIVILEGE,
            "{query}"
        );
    };
    refused(&mut shop.as_role("stranger"), TOTAL);
    owner.run("REVOKE SELECT ON stock FROM seller");
    refused(&mut seller, TOTAL);
    owner.run("GRANT SELECT (id) ON stock TO seller");
    refused(&mut seller, TOTAL);
    owner.run("GRANT SELECT (level) ON stock TO seller");
    assert_eq!(tagged(&mut seller, TOTAL), "30");

    // functions, inlined or not, and operators
    owner.run(
        "CREATE FUNCTION doubled(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 * 2; END';
         CREATE FUNCTION halved(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2';
         CREATE FUNCTION bigger(int, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 > $2; END';
         CREATE OPERATOR >>> (LEFTARG = int, RIGHTARG = int, FUNCTION = bigger)",
    );
    for (query, function) in [
        (
            "SELECT doubled(level) FROM stock WHERE id = 2",
            "doubled(int)",
        ),
        (
            "SELECT halved(level) FROM stock WHERE id = 2",
            "halved(int)",
        ),
        ("SELECT level FROM stock WHERE id >>> 1", "bigger(int, int)"),
    ] {
        let before = tagged(&mut seller, query);
        owner.run("UPDATE stock SET level = level + 10 WHERE id = 2");
        assert_eq!(tagged(&mut seller, query), before, "{query}");
        owner.run(&format!(
            "REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC"
        ));
        refused(&mut seller, query);
        owner.run(&format!("GRANT EXECUTE ON FUNCTION {function} TO PUBLIC"));
        tagged(&mut seller, query);
    }

    // a view gives its owner's rights, while the caller may read it
    owner.run(
        "CREATE VIEW levels AS SELECT sum(level) FROM stock;
         GRANT SELECT ON levels TO stranger",
    );
    let mut stranger = shop.as_role("stranger");
    tagged(&mut stranger, "SELECT * FROM levels");
    owner.run("REVOKE SELECT ON levels FROM stranger");
    refused(&mut stranger, "SELECT * FROM levels");
}

#[test]
fn row_level_security_separates_what_is_cached() {
    let shop = Shop::open();
    let mut owner = shop.client();
    owner.run(
        "ALTER TABLE stock ENABLE ROW LEVEL SECURITY;
         CREATE POLICY tenant ON stock TO seller, buyer
             USING (tenant = current_setting('app.tenant', true)::int);
         CREATE POLICY crew ON stock TO crew USING (true)",
    );
    let mut seller = shop.as_role("seller");
    let as_tenant = |client: &mut Client, tenant: &str| {
        client.run(&format!("SET app.tenant = '{tenant}'"));
        tagged(client, TOTAL)
    };
    for _ in 0..2 {
        assert_eq!(as_tenant(&mut seller, "1"), "10");
        assert_eq!(as_tenant(&mut seller, "2"), "20");
    }
    owner.run("UPDATE stock SET level = level + 1");
    assert_eq!(as_tenant(&mut seller, "1"), "10");
    assert_eq!(as_tenant(&mut seller, "2"), "20");
    // a setting of the transaction
    seller.run("BEGIN; SET LOCAL app.tenant = '1'");
    assert_eq!(tagged(&mut seller, TOTAL), "10");
    seller.run("COMMIT");
    assert_eq!(tagged(&mut seller, TOTAL), "20");
    // a policy that comes or goes, and a role that one has or loses
    owner.run("GRANT crew TO seller");
    assert_eq!(tagged(&mut seller, TOTAL), "32");
    owner.run("REVOKE crew FROM seller");
    assert_eq!(tagged(&mut seller, TOTAL), "20");
    owner.run("ALTER POLICY tenant ON stock USING (tenant = 1)");
    assert_eq!(tagged(&mut seller, TOTAL), "11");
    owner.run("ALTER TABLE stock DISABLE ROW LEVEL SECURITY");
    assert_eq!(tagged(&mut seller, TOTAL), "32");
    // whoever row-level security refuses is refused on a hit
    owner.run("ALTER TABLE stock ENABLE ROW LEVEL SECURITY");
    seller.run("SET row_security = off");
    let call = format!("SELECT * FROM inventory_perf.cached_query('{TOTAL}', tags => '{{shop}}')");
    assert_eq!(seller.refusal_code(&call), SqlState::INSUFFICIENT_PRIVILEGE);
}

#[test]
fn a_definers_function_reads_with_the_definers_rights() {
    let shop = Shop::open();
    let mut owner = shop.client();
    owner.run(
        "ALTER TABLE stock ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON stock TO seller, buyer USING (CASE current_user WHEN 'seller' THEN id = 1 ELSE id = 2 END);
         CREATE SCHEMA AUTHORIZATION buyer;
         SET ROLE buyer;
         CREATE FUNCTION buyer.total() RETURNS text LANGUAGE sql SECURITY DEFINER AS
             $f$SELECT string_agg(q::text, ',') FROM inventory_perf.cached_query('SELECT sum(level) FROM public.stock', tags => '{shop}') AS q$f$;
         GRANT USAGE ON SCHEMA buyer TO seller",
    );
    let mut seller = shop.as_role("seller");
    const DIRECT: &str = "SELECT sum(level) FROM public.stock";
    for _ in 0..2 {
        assert_eq!(tagged(&mut seller, DIRECT), "10");
        let answer: String = seller.ask("SELECT buyer.total()");
        assert_eq!(answer, "{\"sum\": 20}");
    }
}

#[test]
fn the_session_decides_what_a_query_means() {
    let shop = Shop::open();
    let mut client = shop.client();
    client.run(
        "CREATE SCHEMA other;
         CREATE TABLE other.stock (level int);
         INSERT INTO other.stock VALUES (7)",
    );
    assert_eq!(tagged(&mut client, TOTAL), "30");
    client.run("SET search_path = other, public");
    assert_eq!(tagged(&mut client, TOTAL), "7");
    client.run("SET search_path = public");
    assert_eq!(tagged(&mut client, TOTAL), "30");
    client.run("CREATE TEMP TABLE stock (level int); INSERT INTO stock VALUES (3)");
    assert_eq!(tagged(&mut client, TOTAL), "3");
    client.run("DROP TABLE pg_temp.stock");
    // a table that takes the name over while the session keeps its plan
    client.run("CREATE SCHEMA first; SET search_path = first, public");
    assert_eq!(tagged(&mut client, TOTAL), "30");
    client.run("CREATE TABLE first.stock (level int); INSERT INTO first.stock VALUES (5)");
    assert_eq!(tagged(&mut client, TOTAL), "5");
    client.run("RESET search_path");

    const TIME: &str =
        "SELECT to_char('2024-01-01 12:00Z'::timestamptz, 'HH24') FROM stock WHERE id = 1";
    client.run("SET timezone = 'UTC'");
    assert_eq!(tagged(&mut client, TIME), "12");
    client.run("SET timezone = 'Asia/Tokyo'");
    assert_eq!(tagged(&mut client, TIME), "21");
    const INTERVAL: &str = "SELECT level * interval '1 day' FROM stock WHERE id = 1";
    let plain = tagged(&mut client, INTERVAL);
    client.run("SET intervalstyle = 'iso_8601'");
    assert_ne!(tagged(&mut client, INTERVAL), plain);

    // parameters, tags, and what looks alike
    let mut with = |params: &str| {
        ask_cached(
            &mut client,
            &format!(
                "'SELECT $1 || ''-'' || $2 FROM stock WHERE id = 1', '{params}', tags => '{{shop}}'"
            ),
        )
    };
    assert_eq!(with(r#"["a", "b-c"]"#), "a-b-c");
    assert_eq!(with(r#"["a-b", "c"]"#), "a-b-c");
    assert_eq!(with(r#"["ab", ""]"#), "ab-");
    assert_eq!(with(r#"["", "ab"]"#), "-ab");
    assert_eq!(with(r#"["ab", null]"#), "none");
}

#[test]
fn ddl_makes_another_query_of_it() {
    let shop = Shop::open();
    let (mut client, mut owner) = (shop.client(), shop.client());
    owner.run(
        "CREATE VIEW levels AS SELECT sum(level) FROM stock;
         CREATE FUNCTION factor() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';
         CREATE FUNCTION times(int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT sum(level) * $1 FROM public.stock';
         CREATE FUNCTION wrapped(int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT public.times($1)'",
    );
    let all = [
        "SELECT * FROM levels",
        "SELECT level * factor() FROM stock WHERE id = 1",
        "SELECT times(id) FROM stock WHERE id = 1",
        "SELECT wrapped(id) FROM stock WHERE id = 1",
        "SELECT sum(level) FROM stock",
    ];
    let ask_all = |client: &mut Client| all.map(|query| tagged(client, query));
    let before = ask_all(&mut client);
    assert_eq!(before, ["30", "10", "30", "30", "30"]);
    assert_eq!(ask_all(&mut client), before);
    owner.run(
        "CREATE OR REPLACE VIEW levels AS SELECT sum(level) + 1 AS sum FROM stock;
         CREATE OR REPLACE FUNCTION factor() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 2; END';
         CREATE OR REPLACE FUNCTION times(int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT sum(level) * $1 + 2 FROM public.stock'",
    );
    let after = ["31", "20", "32", "32", "30"];
    assert_eq!(ask_all(&mut client), after);
    assert_eq!(ask_all(&mut shop.client()), after);
    // no trigger sees that values become others
    owner.run("DROP VIEW levels; ALTER TABLE stock ALTER COLUMN level TYPE int USING level * 10");
    for client in [&mut client, &mut shop.client()] {
        let after = all[1..].iter().map(|query| tagged(client, query));
        assert!(after.eq(["200", "302", "302", "300"]));
    }
}

#[test]
fn partitions_come_and_go() {
    let shop = Shop::open();
    let (mut client, mut owner) = (shop.client(), shop.client());
    owner.run(
        "CREATE TABLE moves (id int, quantity int) PARTITION BY RANGE (id);
         CREATE TABLE moves_1 PARTITION OF moves FOR VALUES FROM (0) TO (100);
         CREATE TABLE later (id int, quantity int);
         INSERT INTO moves VALUES (1, 5);
         INSERT INTO later VALUES (101, 7);
         SELECT inventory_perf.invalidate_on_change('moves')",
    );
    shop.deliver();
    const SUM: &str = "SELECT sum(quantity) FROM moves";
    assert_eq!(cached(&mut client, SUM), "5");
    assert_eq!(cached(&mut client, SUM), "5");
    owner.run("ALTER TABLE moves ATTACH PARTITION later FOR VALUES FROM (100) TO (200)");
    assert_eq!(cached(&mut client, SUM), "12");
    assert_eq!(cached(&mut client, SUM), "12");
    owner.run("UPDATE moves_1 SET quantity = 6");
    assert_eq!(cached(&mut client, SUM), "13");
    shop.deliver();
    assert_eq!(cached(&mut client, SUM), "13");
    owner.run("UPDATE later SET quantity = 8");
    assert_eq!(cached(&mut client, SUM), "14");
    shop.deliver();
    assert_eq!(cached(&mut client, SUM), "14");
    owner.run("ALTER TABLE moves DETACH PARTITION later");
    assert_eq!(cached(&mut client, SUM), "6");
}

#[test]
fn without_triggers_for_everything_nothing_is_stored() {
    let shop = Shop::watched();
    let (mut client, mut owner) = (shop.client(), shop.client());
    let trigger: String = owner.ask(
        "SELECT tgname::text FROM pg_trigger WHERE tgrelid = 'stock'::regclass AND tgtype & 32 <> 0",
    );
    owner.run(&format!("ALTER TABLE stock DISABLE TRIGGER \"{trigger}\""));
    cached(&mut client, TOTAL);
    assert_eq!(shop.names("query"), Vec::<String>::new());
    owner.run(&format!(
        "ALTER TABLE stock ENABLE ALWAYS TRIGGER \"{trigger}\""
    ));
    // altering a watched table makes what was read from it invalid
    shop.deliver();
    cached(&mut client, TOTAL);
    assert_eq!(shop.names("query").len(), 1);
    // an UPDATE that some columns keep quiet is not watched
    owner.run("SELECT inventory_perf.invalidate_on_change('stock', when_changed => '{tenant}')");
    shop.deliver();
    cached(&mut client, TOTAL);
    owner.run("UPDATE stock SET level = 11 WHERE id = 1");
    assert_eq!(cached(&mut client, TOTAL), "31");
    owner.run("SELECT inventory_perf.stop_invalidating('stock')");
    owner.run("UPDATE stock SET level = 12 WHERE id = 1");
    assert_eq!(cached(&mut client, TOTAL), "32");
}

#[test]
fn snapshots_of_a_ledger_are_watched_through_the_ledger() {
    let shop = Shop::open();
    let (mut client, mut owner) = (shop.as_role("seller"), shop.client());
    owner.run(
        "CREATE TABLE moves (tenant_id int, product_id int, quantity int, moved_at date);
         INSERT INTO moves VALUES (1, 1, 5, '2024-01-01');
         GRANT SELECT ON moves TO seller;
         SELECT * FROM inventory_perf.attach_ledger('moves')",
    );
    const LEVELS: &str = "SELECT quantity_on_hand FROM stock_levels";
    const ON: &str = "SELECT quantity FROM stock_on('2024-06-01')";
    const UNTYPED: &str = "SELECT quantity FROM inventory_perf.stock_on('moves', '2024-06-01')";
    let queries = [LEVELS, ON, UNTYPED];
    for query in queries {
        assert_eq!(cached(&mut client, query), "5");
    }
    assert_eq!(shop.names("query"), Vec::<String>::new());
    owner.run("SELECT inventory_perf.invalidate_on_change('moves')");
    shop.deliver();
    for query in queries {
        assert_eq!(cached(&mut client, query), "5");
    }
    assert_eq!(shop.names("query").len(), 3);
    owner.run("INSERT INTO moves VALUES (1, 1, 2, '2024-01-02')");
    for query in queries {
        assert_eq!(cached(&mut client, query), "7");
    }
    shop.deliver();
    for query in queries {
        assert_eq!(cached(&mut client, query), "7");
    }
    // a fold changes no answer, and takes none away
    let before = shop.names("query");
    owner.run("SELECT inventory_perf.populate_daily_stock_snapshots('moves')");
    shop.deliver();
    for query in queries {
        assert_eq!(cached(&mut client, query), "7");
    }
    assert_eq!(shop.names("query").len(), before.len());
    owner.run("REVOKE SELECT ON moves FROM seller");
    for query in queries {
        let call = format!("SELECT * FROM inventory_perf.cached_query($q${query}$q$)");
        assert_eq!(
            client.refusal_code(&call),
            SqlState::INSUFFICIENT_PRIVILEGE,
            "{query}"
        );
    }
    // storage itself changes in a fold
    cached(&mut owner, "SELECT count(*) FROM stock_pending");
    assert_eq!(shop.names("query").len(), before.len());
}

#[test]
fn mended_snapshots_make_answers_from_them_invalid() {
    let shop = Shop::open();
    let (mut client, mut owner) = (shop.as_role("seller"), shop.client());
    owner.run(
        "CREATE TABLE moves (tenant_id int, product_id int, quantity int, moved_at date);
         INSERT INTO moves VALUES (1, 1, 5, '2024-01-01');
         GRANT SELECT ON moves TO seller;
         SELECT * FROM inventory_perf.attach_ledger('moves');
         SELECT inventory_perf.invalidate_on_change('moves')",
    );
    const ON: &str = "SELECT quantity FROM stock_on('2024-01-01')";
    const TAGGED: &str = "$q$SELECT quantity FROM stock_on('2024-01-01')$q$, tags => '{levels}'";
    owner.run("SELECT inventory_perf.invalidate_on_change('moves', tags => '{levels}')");
    shop.deliver();
    for mend in [
        "SELECT inventory_perf.repair_ledger('moves')",
        "SELECT inventory_perf.rebuild_ledger('moves')",
        "SELECT inventory_perf.populate_daily_stock_snapshots('1'::text, '2024-01-01', '2024-01-01')",
    ] {
        owner.run("UPDATE stock_days SET in_quantity = 6, month_quantity = 6");
        owner.run("SELECT inventory_perf.cache_flush()");
        shop.deliver();
        assert_eq!(cached(&mut client, ON), "6", "{mend}");
        assert_eq!(ask_cached(&mut client, TAGGED), "6", "{mend}");
        owner.run(mend);
        assert_eq!(cached(&mut client, ON), "5", "{mend}");
        assert_eq!(ask_cached(&mut client, TAGGED), "5", "{mend}");
        shop.deliver();
        assert_eq!(cached(&mut client, ON), "5", "{mend}");
        assert_eq!(ask_cached(&mut client, TAGGED), "5", "{mend}");
    }
    // what was right already takes nothing away
    owner.run("SELECT inventory_perf.repair_ledger('moves')");
    assert_eq!(
        owner.ask::<i64>("SELECT count(*) FROM inventory_perf.cache_outbox"),
        0
    );
}

#[test]
fn what_only_claims_to_be_immutable_may_read_who_is_asking() {
    let shop = Shop::watched();
    let mut client = shop.as_role("seller");
    shop.client().run(
        "CREATE FUNCTION is_own(tenant int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql
             AS 'BEGIN RETURN tenant = current_setting(''shop.tenant'')::int; END'",
    );
    for (tenant, level) in [(1, "10"), (2, "20"), (1, "10")] {
        client.run(&format!("SET shop.tenant = {tenant}"));
        assert_eq!(
            cached(&mut client, "SELECT level FROM stock WHERE is_own(tenant)"),
            level
        );
    }
    assert_eq!(shop.names("query").len(), 2);
}

#[test]
fn rows_are_written_as_types_and_roles_are_now() {
    let shop = Shop::open();
    let mut owner = shop.client();
    owner.run(
        "CREATE TYPE condition AS ENUM ('good', 'bad');
         CREATE TYPE place AS (shelf int);
         CREATE TABLE kept (condition condition, place place);
         INSERT INTO kept VALUES ('good', ROW(1));
         SELECT inventory_perf.invalidate_on_change('kept')",
    );
    shop.deliver();
    const KEPT: &str = "SELECT condition, place FROM kept";
    const NAME: &str = "SELECT current_user AS name FROM kept";
    assert_eq!(cached(&mut owner, KEPT), r#"{"shelf": 1},good"#);
    owner.run("ALTER TYPE condition RENAME VALUE 'good' TO 'new'");
    assert_eq!(cached(&mut owner, KEPT), r#"{"shelf": 1},new"#);
    shop.deliver();
    assert_eq!(cached(&mut owner, KEPT), r#"{"shelf": 1},new"#);
    owner.run("ALTER TYPE place RENAME ATTRIBUTE shelf TO floor");
    assert_eq!(cached(&mut owner, KEPT), r#"{"floor": 1},new"#);
    shop.deliver();
    assert_eq!(cached(&mut owner, KEPT), r#"{"floor": 1},new"#);

    owner.run("CREATE ROLE apprentice; GRANT SELECT ON kept TO apprentice");
    owner.run("SET ROLE apprentice");
    assert_eq!(cached(&mut owner, NAME), "apprentice");
    shop.client()
        .run("ALTER ROLE apprentice RENAME TO journeyman");
    assert_eq!(cached(&mut owner, NAME), "journeyman");
}

#[test]
fn what_a_subscription_writes_to_is_not_watched_by_statements() {
    let shop = Shop::watched();
    let (mut client, mut owner) = (shop.as_role("seller"), shop.client());
    assert_eq!(cached(&mut client, TOTAL), "30");
    assert_eq!(shop.names("query").len(), 1);
    // as CREATE SUBSCRIPTION notes it; a publisher would be needed for that
    owner.run(
        "CREATE SUBSCRIPTION feed CONNECTION 'dbname=none' PUBLICATION none
             WITH (connect = false, slot_name = NONE);
         INSERT INTO pg_subscription_rel
         SELECT oid, 'stock'::regclass, 'r' FROM pg_subscription WHERE subname = 'feed';
         ALTER SUBSCRIPTION feed SET (synchronous_commit = off)",
    );
    shop.deliver();
    redis::cmd("UNLINK")
        .arg(shop.names("query"))
        .exec(&mut redis().connect())
        .expect("remove what is cached");
    // neither in a session that knows the query nor in another one
    for client in [&mut client, &mut shop.as_role("seller")] {
        assert_eq!(cached(client, TOTAL), "30");
        assert_eq!(shop.names("query"), Vec::<String>::new());
    }
    owner.run("DROP SUBSCRIPTION feed");
}

#[test]
fn rows_expire() {
    let shop = Shop::open();
    let mut client = shop.client();
    client.run("SET inventory_perf.cache_ttl_jitter = 0");
    let arguments = format!("'{TOTAL}', ttl => '300 ms', tags => '{{shop}}'");
    let begin = Instant::now();
    assert_eq!(ask_cached(&mut client, &arguments), "30");
    shop.client()
        .run("UPDATE stock SET level = 11 WHERE id = 1");
    let answer = ask_cached(&mut client, &arguments);
    assert!(answer == "30" || begin.elapsed() > Duration::from_millis(250));
    thread::sleep(Duration::from_millis(320));
    assert_eq!(ask_cached(&mut client, &arguments), "31");
}

/// `slow()` counts how often it was computed.
fn slow_query(shop: &Shop, body: &str) -> &'static str {
    shop.client().run(&format!(
        "CREATE FUNCTION slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $f$BEGIN {body}; RETURN $1; END$f$"
    ));
    "SELECT slow(level) FROM stock WHERE id = 1"
}

fn computations(shop: &Shop) -> i64 {
    // Statistics come a moment after the end of the session that counts.
    thread::sleep(Duration::from_millis(300));
    shop.client().ask(
        "SELECT coalesce((SELECT calls FROM pg_stat_user_functions WHERE funcname = 'slow'), 0)",
    )
}

#[test]
fn one_computes_while_the_others_wait() {
    let shop = Shop::open();
    let query = slow_query(&shop, "PERFORM pg_sleep(0.3)");
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let mut client = shop.client();
            client.run("SET inventory_perf.cache_fill_wait = '5 s'");
            thread::spawn(move || tagged(&mut client, query))
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.join().expect("a reader"), "10");
    }
    // Twice if a role was changed meanwhile, as other tests do: then the first one stores nothing.
    assert!((1..=2).contains(&computations(&shop)));
    assert_eq!(shop.names("fill"), Vec::<String>::new());
}

#[test]
fn waiting_is_bounded() {
    let shop = Shop::open();
    let query = slow_query(&shop, "PERFORM pg_sleep(1)");
    let mut first = shop.client();
    let filler = thread::spawn(move || tagged(&mut first, query));
    while shop.names("fill").is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    let mut second = shop.client();
    second.run("SET inventory_perf.cache_fill_wait = '100 ms'");
    assert_eq!(tagged(&mut second, query), "10");
    // a wait can be cancelled
    let mut third = shop.client();
    filler.join().expect("the filler");
    shop.client()
        .run("SELECT inventory_perf.invalidate_tags('shop')");
    shop.deliver();
    let mut first = shop.client();
    let filler = thread::spawn(move || tagged(&mut first, query));
    while shop.names("fill").is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    third.run("SET inventory_perf.cache_fill_wait = '30 s'; SET statement_timeout = '100 ms'");
    let begin = Instant::now();
    let call = format!("SELECT * FROM inventory_perf.cached_query('{query}', tags => '{{shop}}')");
    assert_eq!(third.refusal_code(&call), SqlState::QUERY_CANCELED);
    assert!(begin.elapsed() < Duration::from_millis(900));
    filler.join().expect("the filler");
    assert_eq!(computations(&shop), 3);
}

#[test]
fn an_error_lets_the_next_one_compute() {
    let shop = Shop::open();
    let mut client = shop.client();
    let call = "SELECT * FROM inventory_perf.cached_query('SELECT 1 / (level - 10) FROM stock', tags => '{shop}')";
    for _ in 0..2 {
        assert_eq!(client.refusal_code(call), SqlState::DIVISION_BY_ZERO);
        assert_eq!(shop.names("fill"), Vec::<String>::new());
    }
    client.run("SET statement_timeout = '100 ms'");
    let query = slow_query(&shop, "PERFORM pg_sleep(10)");
    let call = format!("SELECT * FROM inventory_perf.cached_query('{query}', tags => '{{shop}}')");
    assert_eq!(client.refusal_code(&call), SqlState::QUERY_CANCELED);
    assert_eq!(shop.names("fill"), Vec::<String>::new());
    assert_eq!(shop.names("query"), Vec::<String>::new());
    assert_eq!(tagged(&mut client, TOTAL), "30");
}

#[test]
fn entries_that_make_no_sense_are_misses() {
    let shop = Shop::open();
    let mut client = shop.client();
    assert_eq!(tagged(&mut client, TOTAL), "30");
    let name = shop.entry();
    let mut redis = redis().connect();
    let good: Vec<u8> = redis::cmd("GET")
        .arg(&name)
        .query(&mut redis)
        .expect("the entry");
    let end = good
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a header");
    let header: serde_json::Value = serde_json::from_slice(&good[5..end]).expect("the header");
    let forged = |payload: &str| {
        let mut header = header.clone();
        header["c"] = "json".into();
        header["n"] = payload.len().into();
        header["h"] = crc32fast::hash(payload.as_bytes()).into();
        format!("IPC1 {header}\n{payload}").into_bytes()
    };
    let mut other = header.clone();
    other["s"] = serde_json::json!([]);
    let without_stamps = [
        b"IPC1 ".as_slice(),
        other.to_string().as_bytes(),
        &good[end..],
    ]
    .concat();
    for bad in [
        b"nonsense".to_vec(),
        Vec::new(),
        good[..good.len() - 1].to_vec(),
        without_stamps,
        forged("{}"),
        forged("1"),
        forged(r#"[{"sum": "\u0000"}]"#),
        forged(r#"[{"sum": 1e9999999}]"#),
        forged(r#"[{"sum": 1}, {"sum": 1e9999999}]"#),
        forged(&format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000))),
    ] {
        let shown = String::from_utf8_lossy(&bad[..bad.len().min(300)]).into_owned();
        let _: () = redis::cmd("SET")
            .arg(&name)
            .arg(bad)
            .query(&mut redis)
            .expect("forge the entry");
        assert_eq!(tagged(&mut client, TOTAL), "30", "{shown}");
    }
    let _: () = redis::cmd("SET")
        .arg(&name)
        .arg(forged(r#"[{"sum": 99}]"#))
        .query(&mut redis)
        .expect("forge the entry");
    assert_eq!(tagged(&mut client, TOTAL), "99");
    let _: () = redis::cmd("DEL")
        .arg(&name)
        .query(&mut redis)
        .expect("delete");
    let _: () = redis::cmd("LPUSH")
        .arg(&name)
        .arg("a list")
        .query(&mut redis)
        .expect("another type");
    assert_eq!(tagged(&mut client, TOTAL), "30");
}

#[test]
fn large_results_are_given_and_not_stored() {
    let shop = Shop::open();
    let mut client = shop.client();
    client.run("SET inventory_perf.cache_max_entry_size = '64 kB'");
    let count = |client: &mut Client, rows: u32| -> i64 {
        client.ask(&format!(
            "SELECT count(*) FROM inventory_perf.cached_query( \
                 'SELECT g AS n, md5(g::text) AS t FROM stock, generate_series(1, {rows}) AS g WHERE id = 1', tags => '{{shop}}')"
        ))
    };
    assert_eq!(count(&mut client, 50_000), 50_000);
    assert_eq!(shop.names("query"), Vec::<String>::new());
    assert_eq!(count(&mut client, 500), 500);
    assert_eq!(shop.names("query").len(), 1);
    assert_eq!(count(&mut client, 500), 500);
}

#[test]
fn every_value_comes_back_as_it_was() {
    let shop = Shop::open();
    let mut client = shop.client();
    for format in ["msgpack", "json"] {
        client.run(&format!("SET inventory_perf.cache_format = {format}"));
        for compress in ["-1", "0"] {
            client.run(&format!(
                "SET inventory_perf.cache_compress_above = {compress}"
            ));
            let query = format!(
                "SELECT 0.1000000000000000055511151231257827 AS a, 1e400::numeric AS b, 9223372036854775808 AS c, \
                 1.10 AS d, 'NaN'::numeric AS e, 'infinity'::float8 AS f, 0.1::float8 AS g, NULL AS h, true AS i, \
                 ARRAY[[1, 2], [3, 4]] AS j, '{{\"a\": [1.0, {{}}]}}'::jsonb AS k, '\"ü\\\\' || chr(128512) AS l, \
                 '\\xff00'::bytea AS m, '2024-01-01'::date AS n, -0.0::float8 AS o, '{format}{compress}' AS p FROM stock WHERE id = 1"
            );
            let call = format!(
                "SELECT q::text FROM inventory_perf.cached_query($q${query}$q$, tags => '{{shop}}') AS q"
            );
            let computed = client.rows(&call);
            assert_eq!(client.rows(&call), computed);
            client.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
            assert_eq!(client.rows(&call), computed);
            client.run("COMMIT");
        }
    }
    assert_eq!(shop.names("query").len(), 4);
}

#[test]
fn warming_fills_for_the_role_that_warms() {
    let shop = Shop::open();
    shop.client().run(
        "GRANT EXECUTE ON FUNCTION inventory_perf.register_cached_query, inventory_perf.cache_warm TO seller",
    );
    let (mut owner, mut seller) = (shop.client(), shop.as_role("seller"));
    seller.run(&format!(
        "SELECT inventory_perf.register_cached_query('total', '{TOTAL}', tags => '{{shop}}')"
    ));
    let warm = "SELECT name, rows, stored FROM inventory_perf.cache_warm('total')";
    assert_eq!(seller.rows(warm), ["(total,1,t)"]);
    owner.run("UPDATE stock SET level = 11 WHERE id = 1");
    assert_eq!(tagged(&mut shop.as_role("seller"), TOTAL), "30");
    assert_eq!(seller.rows(warm), ["(total,1,t)"]);
    assert_eq!(tagged(&mut shop.as_role("seller"), TOTAL), "31");
    assert_eq!(tagged(&mut shop.as_role("buyer"), TOTAL), "31");
    seller.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(seller.rows(warm), ["(total,1,f)"]);
    seller.run("COMMIT");
}

#[test]
fn without_redis_queries_are_computed() {
    let other = Redis::new();
    let cluster = Cluster::with_test_settings()
        .set("inventory_perf.redis_url", &format!("'{}'", other.url()))
        .set("inventory_perf.redis_timeout", "100ms")
        .set("client_min_messages", "warning")
        .start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    client.run(
        "CREATE TABLE stock (id int, level int);
         INSERT INTO stock VALUES (1, 10)",
    );
    client.run("SELECT inventory_perf.deliver_invalidations()");
    assert_eq!(tagged(&mut client, TOTAL), "10");
    client.run("UPDATE stock SET level = 11");
    assert_eq!(tagged(&mut client, TOTAL), "10");
    other.stop();
    for _ in 0..5 {
        assert_eq!(tagged(&mut client, TOTAL), "11");
    }
    other.start();
    other.freeze();
    let begin = Instant::now();
    for _ in 0..20 {
        assert_eq!(tagged(&mut client, TOTAL), "11");
    }
    assert!(begin.elapsed() < Duration::from_secs(5));
    other.thaw();
    // another Redis is not trusted until somebody has confirmed it
    assert_eq!(tagged(&mut client, TOTAL), "11");
    // nor is a cache that nobody has confirmed since the server started
    cluster.restart();
    let mut client = cluster.connect(&database);
    client.run("SELECT inventory_perf.deliver_invalidations()");
    assert_eq!(tagged(&mut client, TOTAL), "11");
    client.run("UPDATE stock SET level = 12");
    assert_eq!(tagged(&mut client, TOTAL), "11");
    cluster.kill();
    cluster.start();
    let mut client = cluster.connect(&database);
    assert_eq!(tagged(&mut client, TOTAL), "12");
}
