//! Constants that pg_qualstats has seen: what a parameter is typically, when it is there, and no
//! hindrance when it is not.

mod common;

use common::{Ask, Cluster};
use postgres::Client;

const TABLE: &str = "
    CREATE TABLE parts (
        id integer PRIMARY KEY, price integer NOT NULL, code text NOT NULL, state text NOT NULL, note text NOT NULL);
    INSERT INTO parts
    SELECT n, n * 7919::bigint % 100003, 'C' || n * 104729::bigint % 100003,
        CASE WHEN n % 5000 = 0 THEN 'lost' WHEN n % 2 = 0 THEN 'done' ELSE 'open' END, repeat(md5(n::text), 8)
    FROM generate_series(1, 60000) n;
    ANALYZE parts;
    CREATE ROLE reader;
    GRANT SELECT ON parts TO reader";

/// By the statistics, this leaves half of the rows: no index helps.
const STATE: &str = "SELECT * FROM parts WHERE state = $1";

/// The columns of what is advised for a statement.
fn advised(client: &mut Client, statement: &str) -> Vec<String> {
    let advice = client
        .query(
            "SELECT regexp_replace(create_ddl, '.* USING ', '') || ': ' || validity
             FROM inventory_perf.advise_indexes(ARRAY[$1]) ORDER BY 1",
            &[&statement],
        )
        .unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    advice.iter().map(|row| row.get(0)).collect()
}

/// A database with the table, whose server has pg_qualstats preloaded or not.
fn parts(cluster: &Cluster, schema: Option<&str>) -> Client {
    let mut client = cluster.connect(&cluster.database());
    client.run("CREATE EXTENSION hypopg");
    if let Some(schema) = schema {
        client.run(&format!(
            "CREATE SCHEMA IF NOT EXISTS {schema}; CREATE EXTENSION pg_qualstats SCHEMA {schema}"
        ));
    }
    client.run(TABLE);
    client
}

#[test]
fn constants_that_were_seen_are_typical() {
    let cluster = Cluster::with_test_settings()
        .set(
            "shared_preload_libraries",
            "'pg_stat_statements,pg_qualstats'",
        )
        .set("pg_qualstats.sample_rate", "1")
        .start();
    let mut client = parts(&cluster, Some("\"Seen \"\"quals\"\"\""));
    assert_eq!(advised(&mut client, STATE), [""; 0]);

    // Other comparisons, other columns and a text that is cut off say nothing of it.
    let long = "x".repeat(200);
    client.run(&format!(
        "SELECT FROM parts WHERE state <> 'lost';
         SELECT FROM parts WHERE state LIKE 'lost';
         SELECT FROM parts WHERE code = 'lost';
         SELECT FROM parts WHERE price IN (1, 2, 3);
         SELECT FROM parts WHERE price = -5;
         SELECT FROM parts WHERE state = '{long}'"
    ));
    assert_eq!(advised(&mut client, STATE), [""; 0]);

    for _ in 0..3 {
        client.run("SELECT FROM parts WHERE state = 'lost'");
    }
    let found = advised(&mut client, STATE);
    assert!(found.len() == 1 && found[0].contains("state"), "{found:?}");

    // A list that was seen is one for an array, and does not spoil what else is known.
    let list = advised(&mut client, "SELECT * FROM parts WHERE price = ANY ($1)");
    assert_eq!(list, ["btree (\"price\"): both"]);

    // A pattern that was seen begins with what to look for.
    let pattern = advised(&mut client, "SELECT * FROM parts WHERE code LIKE $1");
    assert!(
        !pattern.iter().any(|index| index.contains("btree")),
        "{pattern:?}"
    );
    client.run("SELECT FROM parts WHERE code LIKE 'C99%'");
    let pattern = advised(&mut client, "SELECT * FROM parts WHERE code LIKE $1");
    let prefix = "btree (\"code\"): typical values".to_owned();
    assert!(pattern.contains(&prefix), "{pattern:?}");

    // Who may not use the schema has the statistics.
    client.run("SET ROLE reader");
    assert_eq!(advised(&mut client, STATE), [""; 0]);
    client.run("RESET ROLE");

    // Statements have the numbers that pg_stat_statements gives them.
    client.run(
        "CREATE EXTENSION pg_stat_statements;
         CREATE TABLE lots AS SELECT * FROM parts;
         ANALYZE lots;
         SELECT pg_stat_statements_reset();
         SELECT \"Seen \"\"quals\"\"\".pg_qualstats_reset()",
    );
    for _ in 0..5 {
        client.run("SELECT count(*) FROM lots WHERE state = 'done'");
    }
    client.run("SELECT note FROM lots WHERE state = 'lost'");
    let rows = client.rows(
        "SELECT s.query, array_agg(DISTINCT q.constvalue)
         FROM pg_stat_statements s JOIN \"Seen \"\"quals\"\"\".pg_qualstats() q USING (queryid)
         WHERE s.query LIKE '%lots%' GROUP BY 1 ORDER BY 1",
    );
    assert_eq!(rows.len(), 2, "{rows:?}");
}

#[test]
fn what_is_not_sampled_or_not_loaded_does_not_matter() {
    let sampled = Cluster::with_test_settings()
        .set("shared_preload_libraries", "'pg_qualstats'")
        .set("pg_qualstats.sample_rate", "0")
        .start();
    let plain = Cluster::with_test_settings().start();
    for mut client in [
        parts(&sampled, Some("public")),
        parts(&plain, Some("public")),
    ] {
        client.run("SELECT FROM parts WHERE state = 'lost'");
        assert_eq!(advised(&mut client, STATE), [""; 0]);
        let equal = advised(&mut client, "SELECT * FROM parts WHERE price = $1");
        assert_eq!(equal, ["btree (\"price\"): both"]);
    }
}
