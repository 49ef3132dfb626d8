//! What is altered, replaced or renamed makes another answer of it.

use super::*;

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
