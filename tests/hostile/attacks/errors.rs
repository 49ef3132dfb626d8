//! Errors that are not ours arrive as if we were not there.

use crate::arena::shown;
use crate::common::{Ask, Cluster};
use postgres::Client;

const SCHEMA: &str = "
    CREATE TABLE parents (id int PRIMARY KEY, name varchar(5) NOT NULL, CONSTRAINT positive CHECK (id > 0));
    CREATE TABLE children (id int, parent int CONSTRAINT known REFERENCES parents,
                           late int CONSTRAINT known_late REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO parents VALUES (1, 'one'); INSERT INTO children VALUES (1, 1, 1);
    CREATE DOMAIN small AS int CONSTRAINT less CHECK (VALUE < 10);
    CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'no %', TG_OP USING ERRCODE = 'ST001', DETAIL = 'a detail', HINT = 'a hint',
            COLUMN = 'a column', CONSTRAINT = 'a constraint', DATATYPE = 'a type', TABLE = 'a table', SCHEMA = 'a schema';
    END $$;
    CREATE TABLE watched (id int);
    CREATE TRIGGER complains AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION complain();
    CREATE TRIGGER complains_of_all AFTER DELETE ON watched FOR EACH STATEMENT EXECUTE FUNCTION complain();
    CREATE TABLE deferred (id int);
    CREATE CONSTRAINT TRIGGER complains_late AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION complain();
    CREATE TABLE tree (id int) PARTITION BY LIST (id);
    CREATE TABLE branch PARTITION OF tree FOR VALUES IN (1);
    CREATE FUNCTION deep(n int) RETURNS int LANGUAGE plpgsql AS $$
    BEGIN IF n = 0 THEN RETURN 1 / n; END IF; RETURN deep(n - 1); END $$;
    CREATE FUNCTION inlined(int) RETURNS int LANGUAGE sql AS 'SELECT 10 / $1';
    CREATE FUNCTION caught() RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO watched VALUES (1);
        RETURN 'nothing';
    EXCEPTION WHEN SQLSTATE 'ST001' THEN RETURN 'caught';
    END $$;
    CREATE FUNCTION violated() RETURNS text LANGUAGE plpgsql AS $$
    DECLARE a text; b text; c text; d text;
    BEGIN
        DELETE FROM parents;
        RETURN 'nothing';
    EXCEPTION WHEN foreign_key_violation THEN
        GET STACKED DIAGNOSTICS a = CONSTRAINT_NAME, b = TABLE_NAME, c = SCHEMA_NAME, d = PG_EXCEPTION_CONTEXT;
        RETURN concat_ws('|', a, b, c, d);
    END $$;
    CREATE FUNCTION cancelled() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(10); RETURN NULL; END $$;
    CREATE TABLE slow (id int);
    CREATE TRIGGER sleeps AFTER INSERT ON slow FOR EACH ROW EXECUTE FUNCTION cancelled();";

const CORPUS: [&str; 34] = [
    "INSERT INTO parents VALUES (1, 'two')",
    "INSERT INTO parents VALUES (2, NULL)",
    "INSERT INTO parents VALUES (3, 'too long')",
    "INSERT INTO parents VALUES (-1, 'minus')",
    "INSERT INTO children VALUES (1, 99, 1)",
    "INSERT INTO children VALUES (1, 1, 99)",
    "BEGIN; INSERT INTO children VALUES (1, 1, 99); SET CONSTRAINTS ALL IMMEDIATE",
    "ROLLBACK; DELETE FROM parents WHERE id = 1",
    "UPDATE parents SET id = 7",
    "TRUNCATE parents",
    "INSERT INTO watched VALUES (1)",
    "DELETE FROM watched",
    "INSERT INTO deferred VALUES (1)",
    "WITH w AS (INSERT INTO watched VALUES (1) RETURNING *) SELECT * FROM w",
    "MERGE INTO watched w USING (VALUES (1)) v (id) ON false WHEN NOT MATCHED THEN INSERT VALUES (v.id)",
    "INSERT INTO tree VALUES (2)",
    "SELECT deep(3)",
    "SELECT inlined(0)",
    "SELECT 1 / (id - 1) FROM parents",
    "SELECT 'x'::int",
    "SELECT 12::small",
    "SELECT nothing FROM parents",
    "SELECT * FROM nowhere",
    "SELEC 1",
    "SELECT no_such_function(1)",
    "DO $$ BEGIN RAISE EXCEPTION 'plain'; END $$",
    "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'ABCDE', MESSAGE = 'of our own'; END $$",
    "DO $$ BEGIN EXECUTE 'SELECT 1 FROM nowhere'; END $$",
    "DO $$ BEGIN INSERT INTO watched VALUES (1); END $$",
    "CREATE TABLE parents (id int)",
    "DROP TABLE parents",
    "ALTER TABLE parents ADD CONSTRAINT more CHECK (id > 100)",
    "SET statement_timeout = 200; INSERT INTO slow VALUES (1)",
    "COPY parents FROM PROGRAM 'echo x'",
];

/// Each field of each error, and what its handlers make of it.
fn errors(client: &mut Client) -> Vec<String> {
    client.run(SCHEMA);
    let mut errors: Vec<String> = CORPUS
        .iter()
        .map(|sql| {
            let told = match client.batch_execute(sql) {
                Ok(()) => "nothing".to_owned(),
                Err(error) => match error.as_db_error() {
                    Some(error) => format!("{error:?}"),
                    None => format!("{error:?}"),
                },
            };
            let _ = client.batch_execute("ROLLBACK; RESET statement_timeout");
            format!("{sql}\n{told}")
        })
        .collect();
    for sql in ["SELECT caught()", "SELECT violated()"] {
        let told = match client.query_one(sql, &[]) {
            Ok(row) => row.get::<_, String>(0),
            Err(error) => format!("{error:?}"),
        };
        errors.push(format!("{sql}\n{told}"));
    }
    errors
}

#[test]
fn attack_14_errors_of_others() {
    let plain = Cluster::with_test_settings().start();
    let preloaded = Cluster::with_test_settings()
        .set("shared_preload_libraries", "'inventory_perf'")
        .start();
    let expected = errors(&mut plain.connect(&plain.empty_database()));
    let with_extension = preloaded.database();
    let without = preloaded.empty_database();
    let mut failed = Vec::new();
    for database in [without, with_extension] {
        let told = errors(&mut preloaded.connect(&database));
        for (told, expected) in told.iter().zip(&expected) {
            if told != expected {
                failed.push(format!(
                    "--- told\n{told}\n--- without the library\n{expected}"
                ));
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} errors differ:\n{}",
        failed.len(),
        shown(&failed)
    );
    for cluster in [plain, preloaded] {
        let log = std::fs::read_to_string(cluster.log_file()).expect("the log");
        assert!(!log.contains("BACKTRACE"), "a backtrace");
        assert!(!log.contains("stack backtrace"), "a backtrace");
    }
}
