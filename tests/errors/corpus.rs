//! Statements that fail, or tell something, in as many ways as PostgreSQL has.

/// What the cases work on.
pub const OBJECTS: &str = r#"
CREATE SCHEMA errors;
CREATE DOMAIN errors.positive AS integer CONSTRAINT above_zero CHECK (VALUE > 0);
CREATE TYPE errors.mood AS ENUM ('sad', 'happy');
CREATE TABLE errors.parent (id integer PRIMARY KEY, note text);
INSERT INTO errors.parent VALUES (1, 'a'), (2, 'b');
CREATE TABLE errors.child (
    id integer CONSTRAINT child_key UNIQUE,
    parent integer CONSTRAINT child_parent REFERENCES errors.parent DEFERRABLE,
    amount integer NOT NULL CONSTRAINT child_amount CHECK (amount < 100),
    span int4range, kind errors.positive,
    CONSTRAINT child_span EXCLUDE USING gist (span WITH &&));
INSERT INTO errors.child VALUES (1, 1, 1, '[1,5)', 1);
CREATE TABLE errors.moves (product_id integer, quantity integer CONSTRAINT small CHECK (quantity < 1000), moved_at date)
    PARTITION BY RANGE (moved_at);
CREATE TABLE errors.moves_1 PARTITION OF errors.moves FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE errors.moves_2 PARTITION OF errors.moves FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO errors.moves VALUES (1, 5, '2024-02-02'), (2, 5, '2025-02-02');
CREATE VIEW errors.big AS SELECT * FROM errors.child WHERE amount > 10 WITH CHECK OPTION;
CREATE FUNCTION errors.fail(integer) RETURNS integer LANGUAGE plpgsql STABLE AS $$BEGIN
RAISE EXCEPTION USING ERRCODE = 'ST001', MESSAGE = 'told % by a user', DETAIL = 'its detail', HINT = 'its hint',
SCHEMA = 's', TABLE = 't', COLUMN = 'c', DATATYPE = 'd', CONSTRAINT = 'n'; END$$;
CREATE FUNCTION errors.fixed_fail(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN IF $1 = 666 THEN RETURN errors.fail($1); END IF; RETURN $1; END';
CREATE FUNCTION errors.divide(a integer, b integer) RETURNS integer LANGUAGE sql AS 'SELECT a / b';
CREATE FUNCTION errors.deep(n integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE r integer; BEGIN
    IF n = 0 THEN RETURN errors.divide(1, 0); END IF;
    EXECUTE format('SELECT errors.deep(%s)', n - 1) INTO r; RETURN r; END $$;
CREATE FUNCTION errors.endless() RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN errors.endless(); END';
CREATE FUNCTION errors.nap() RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); END';
CREATE FUNCTION errors.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    IF NEW.note = 'refused' THEN RAISE check_violation USING MESSAGE = 'no', CONSTRAINT = 'trigger', TABLE = 'parent'; END IF;
    IF NEW.note = 'warned' THEN RAISE WARNING 'careful' USING HINT = 'look', ERRCODE = '01ABC'; END IF;
    RETURN NEW; END$$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON errors.parent FOR EACH ROW EXECUTE FUNCTION errors.refuse();
CREATE FUNCTION errors.late() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN IF NEW.note = ''late'' THEN PERFORM errors.fail(1); END IF; RETURN NULL; END';
CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON errors.parent DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW EXECUTE FUNCTION errors.late();
CREATE FUNCTION errors.statement() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN IF EXISTS (SELECT FROM changed WHERE note = ''whole'') THEN PERFORM errors.fail(1); END IF; RETURN NULL; END';
CREATE TRIGGER statement AFTER INSERT ON errors.parent REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION errors.statement();
CREATE FUNCTION errors.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
    'BEGIN IF current_setting(''errors.ddl'', true) = ''no'' THEN PERFORM errors.fail(1); END IF; END';
CREATE EVENT TRIGGER errors_start ON ddl_command_start EXECUTE FUNCTION errors.on_ddl();
CREATE PROCEDURE errors.proceed() LANGUAGE plpgsql AS 'BEGIN COMMIT; PERFORM errors.fail(1); END';
CREATE ROLE errors_nobody_at_all"#;

/// A ledger whose mapping calls a function of a user's.
pub const MAPPED: &str = "
    CREATE TABLE errors.mapped (product_id integer, quantity integer, moved_at date);
    SELECT inventory_perf.attach_ledger('errors.mapped', quantity => 'errors.fixed_fail(quantity)')";

/// Calls of the library that run `errors.fail()`.
pub const THROUGH_FUNCTIONS: &[&str] = &[
    "SELECT inventory_perf.cached_query('SELECT errors.fail(1)')",
    "SELECT inventory_perf.cached_query('SELECT errors.fail(id) FROM errors.parent')",
    "INSERT INTO errors.mapped VALUES (1, 666, '2024-01-01')",
];

pub const CASES: &[&str] = &[
    // Raised by code.
    "SELECT errors.fail(1)",
    "DO $$ BEGIN PERFORM errors.fail(1); END $$",
    "DO $$ BEGIN PERFORM errors.fail(1); EXCEPTION WHEN SQLSTATE 'ST001' THEN RAISE NOTICE 'caught'; END $$",
    "DO $$ DECLARE a text; b text; c text; BEGIN INSERT INTO errors.child VALUES (1, 1, 1);
       EXCEPTION WHEN unique_violation THEN GET STACKED DIAGNOSTICS a = CONSTRAINT_NAME, b = TABLE_NAME, c = PG_EXCEPTION_CONTEXT;
       RAISE NOTICE '% % %', a, b, c; END $$",
    "DO $$ BEGIN RAISE NOTICE 'n' USING DETAIL = 'd', HINT = 'h', ERRCODE = '00001', COLUMN = 'c'; END $$",
    "DO $$ BEGIN RAISE WARNING 'w' USING ERRCODE = '01XYZ', TABLE = 't'; END $$",
    "DO $$ BEGIN RAISE INFO 'i'; END $$",
    "DO $$ BEGIN RAISE SQLSTATE 'ZZ999'; END $$",
    "DO $$ BEGIN RAISE division_by_zero; END $$",
    "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '00ABC', MESSAGE = ''; END $$",
    "DO $$ BEGIN ASSERT false, 'asserted'; END $$",
    "SELECT errors.deep(3)",
    "SELECT errors.divide(1, 0)",
    "SELECT errors.endless()",
    "DO $$ BEGIN EXECUTE 'SELECT 1 +'; END $$",
    "DO $$ BEGIN EXECUTE 'SELECT nothing'; END $$",
    "DO $$ BEGIN PERFORM nothing FROM errors.parent; END $$",
    "CALL errors.proceed()",
    "DO $$ DECLARE i integer; BEGIN SELECT id INTO STRICT i FROM errors.parent; END $$",
    "DO $$ DECLARE i integer; BEGIN i := 'x'; END $$",
    // Syntax and analysis, with positions.
    "SELEC 1",
    "SELECT * FROM errors.parent WHERE",
    "SELECT nothing FROM errors.parent",
    "SELECT * FROM errors.nothing",
    "SELECT errors.nothing(1)",
    "SELECT 'x'::integer",
    "SELECT id, count(*) FROM errors.parent",
    "SELECT 1 + 'a'::text",
    "CREATE FUNCTION errors.bad() RETURNS integer LANGUAGE sql AS 'SELECT nothing'",
    "CREATE FUNCTION errors.bad() RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN 1 END'",
    // Violations.
    "INSERT INTO errors.child VALUES (1, 1, 1)",
    "INSERT INTO errors.child VALUES (2, 1, NULL)",
    "INSERT INTO errors.child VALUES (2, 1, 100)",
    "INSERT INTO errors.child VALUES (2, 9, 1)",
    "INSERT INTO errors.child VALUES (2, 1, 1, '[2,3)')",
    "INSERT INTO errors.child VALUES (2, 1, 1, NULL, 0)",
    "INSERT INTO errors.big VALUES (3, 1, 1)",
    "UPDATE errors.child SET amount = 1000",
    "DELETE FROM errors.parent",
    "SELECT 0::errors.positive",
    "SELECT 'angry'::errors.mood",
    "BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO errors.child VALUES (2, 9, 1); COMMIT",
    "BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE errors.parent SET note = 'late'; COMMIT",
    "BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE errors.parent SET note = 'late'; SET CONSTRAINTS ALL IMMEDIATE",
    "ALTER TABLE errors.parent ADD CONSTRAINT short CHECK (length(note) > 5)",
    "ALTER TABLE errors.parent ALTER note TYPE integer USING note::integer",
    // Triggers.
    "INSERT INTO errors.parent VALUES (3, 'refused')",
    "UPDATE errors.parent SET note = 'warned'",
    "INSERT INTO errors.parent VALUES (3, 'late')",
    "INSERT INTO errors.parent VALUES (3, 'whole')",
    "SET errors.ddl = 'no'; CREATE TABLE errors.another ()",
    // The ledger's partitions.
    "INSERT INTO errors.moves VALUES (1, 1, '2030-01-01')",
    "INSERT INTO errors.moves_1 VALUES (1, 1, '2025-05-05')",
    "UPDATE errors.moves SET moved_at = '2030-01-01'",
    "INSERT INTO errors.moves VALUES (1, 1000, '2024-01-01')",
    "UPDATE errors.moves SET quantity = 1000 / (quantity - 5)",
    "MERGE INTO errors.moves m USING (VALUES (1)) v (p) ON m.product_id = v.p WHEN MATCHED THEN UPDATE SET quantity = 5000",
    "MERGE INTO errors.moves m USING (VALUES (1), (1)) v (p) ON m.product_id = v.p WHEN MATCHED THEN UPDATE SET quantity = 6",
    "CREATE TABLE errors.moves_3 PARTITION OF errors.moves FOR VALUES FROM ('2024-05-01') TO ('2024-06-01')",
    // Commands.
    "CREATE TABLE errors.parent ()",
    "DROP TABLE errors.parent",
    "DROP TABLE errors.nothing",
    "DROP TABLE IF EXISTS errors.nothing",
    "CREATE SCHEMA IF NOT EXISTS errors",
    "CREATE EXTENSION nothing_like_that",
    "DROP DATABASE nothing_like_that",
    "CREATE DATABASE nothing_like_that TEMPLATE nothing_like_that",
    "ALTER DATABASE nothing_like_that RENAME TO other",
    "DROP EXTENSION nothing_like_that",
    "SET work_mem = 'much'",
    "SET nothing_like_that = 1",
    "VACUUM errors.nothing",
    "BEGIN; VACUUM",
    "BEGIN; SELECT 1/0; COMMIT; SELECT 2",
    "SAVEPOINT outside",
    "COMMIT",
    "BEGIN; ROLLBACK TO nowhere",
    "PREPARE p AS SELECT $1::integer; EXECUTE p('x')",
    "EXECUTE nothing_like_that",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH nothing_like_that",
    "COPY errors.parent FROM '/nothing/like/that'",
    "COPY errors.parent FROM PROGRAM 'echo 4,x,y' WITH (FORMAT csv)",
    "COPY errors.parent FROM PROGRAM 'echo q,x' WITH (FORMAT csv)",
    "COPY errors.parent FROM PROGRAM 'echo 1,x' WITH (FORMAT csv)",
    "COPY errors.moves FROM PROGRAM 'echo 1,5000,2024-01-01' WITH (FORMAT csv)",
    "COPY errors.moves FROM PROGRAM 'echo 1,1,2031-01-01' WITH (FORMAT csv)",
    "SET ROLE errors_nobody_at_all; SELECT * FROM errors.parent",
    "SET ROLE nothing_like_that",
    "BEGIN READ ONLY; DELETE FROM errors.child",
    "SET statement_timeout = '20ms'; SELECT errors.nap()",
    "SELECT generate_series(1, 10) / 0",
    "SELECT 10000000000::integer",
    "SELECT '2024-13-01'::date",
    "SELECT '{'::jsonb",
    "SELECT repeat('x', 2000000000)",
    "TRUNCATE errors.parent",
];
