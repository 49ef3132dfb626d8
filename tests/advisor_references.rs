//! Foreign keys whose referenced rows go, whoever deletes them.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster};

/// The deletions are made inside a function, whose statements are not recorded by default.
const SCHEMA: &str = "
    CREATE TABLE orders (id integer PRIMARY KEY, placed_on date NOT NULL);
    CREATE TABLE lines (id integer PRIMARY KEY, order_id integer NOT NULL REFERENCES orders, note text NOT NULL);
    CREATE TABLE photos (id integer PRIMARY KEY, order_id integer NOT NULL REFERENCES orders ON DELETE CASCADE, note text NOT NULL);
    CREATE TABLE tags (id integer PRIMARY KEY, photo_id integer NOT NULL REFERENCES photos ON DELETE CASCADE, note text NOT NULL);
    CREATE TABLE shops (id integer PRIMARY KEY);
    CREATE TABLE shelves (id integer PRIMARY KEY, shop_id integer NOT NULL REFERENCES shops ON DELETE CASCADE, note text NOT NULL);
    CREATE TABLE carts (id integer PRIMARY KEY, order_id integer REFERENCES orders, note text NOT NULL);
    CREATE INDEX ON carts (order_id);
    INSERT INTO orders SELECT n, '2024-01-01' FROM generate_series(1, 30000) n;
    INSERT INTO shops SELECT n FROM generate_series(1, 30000) n;
    INSERT INTO lines SELECT n, 100 + n % 29900 + 1, repeat('x', 100) FROM generate_series(1, 30000) n;
    INSERT INTO photos SELECT n, n, repeat('x', 100) FROM generate_series(1, 30000) n;
    INSERT INTO tags SELECT n, n, repeat('x', 100) FROM generate_series(1, 30000) n;
    INSERT INTO shelves SELECT n, n, repeat('x', 100) FROM generate_series(1, 30000) n;
    INSERT INTO carts SELECT n, NULL, repeat('x', 100) FROM generate_series(1, 30000) n;
    ANALYZE;
    CREATE FUNCTION purge(first integer, last integer) RETURNS void LANGUAGE sql AS
    'DELETE FROM orders WHERE id BETWEEN first AND last'";

#[test]
fn foreign_keys_are_advised_where_referenced_rows_were_deleted() {
    let cluster = Cluster::with_test_settings()
        .set("shared_preload_libraries", "pg_stat_statements")
        .start();
    let mut client = cluster.connect(&cluster.database());
    client.run("CREATE EXTENSION hypopg; CREATE EXTENSION pg_stat_statements");
    client.run(SCHEMA);
    client.run("SELECT pg_stat_statements_reset()");
    let advice = |client: &mut postgres::Client| -> Vec<(String, String)> {
        let rows = client
            .query(
                "SELECT relation::regclass || regexp_replace(create_ddl, '.* USING btree', ''), reason
                 FROM inventory_perf.advise_indexes() ORDER BY 1",
                &[],
            )
            .unwrap_or_else(|error| panic!("advise_indexes: {error:?}"));
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    assert_eq!(advice(&mut client), [], "nothing was deleted yet");

    client.run("SELECT purge(1, 50)");
    let started = Instant::now();
    while client.ask::<i64>("SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'photos'")
        < 50
    {
        assert!(started.elapsed() < Duration::from_secs(30), "no statistics");
        thread::sleep(Duration::from_millis(200));
    }
    let advised = advice(&mut client);
    let indexes: Vec<&str> = advised.iter().map(|(index, _)| index.as_str()).collect();
    // Not of shops, of which none was deleted, nor a second one of carts.
    assert_eq!(
        indexes,
        [
            r#"lines ("order_id")"#,
            r#"photos ("order_id")"#,
            r#"tags ("photo_id")"#
        ]
    );
    let why = "as rows that they refer to were deleted";
    assert!(
        advised.iter().all(|(_, reason)| reason.contains(why)),
        "{advised:?}"
    );
    // A list of statements is advised for as it is.
    let listed: i64 =
        client.ask("SELECT count(*) FROM inventory_perf.advise_indexes('{SELECT 1}')");
    assert_eq!(listed, 0);
}
