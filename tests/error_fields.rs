//! With the library preloaded, errors that are not ours arrive exactly as without it.

mod common;
#[path = "errors/corpus.rs"]
mod corpus;

use std::sync::{Arc, Mutex};
use std::thread;

use common::{Ask, Cluster};
use postgres::error::{DbError, ErrorPosition};
use postgres::{Client, NoTls};

type Heard = Arc<Mutex<Vec<Told>>>;

/// Every field of an error or a notice.
#[derive(Clone, Debug, PartialEq)]
struct Told(Vec<(&'static str, Option<String>)>);

impl Told {
    fn of(error: &DbError) -> Self {
        let some = |text: &str| Some(text.to_owned());
        let maybe = |text: Option<&str>| text.map(str::to_owned);
        Self(vec![
            ("severity", some(error.severity())),
            ("code", some(error.code().code())),
            ("message", some(&without_processes(error.message()))),
            ("detail", error.detail().map(without_processes)),
            ("hint", maybe(error.hint())),
            ("position", error.position().map(position)),
            ("where", error.where_().map(without_processes)),
            ("schema", maybe(error.schema())),
            ("table", maybe(error.table())),
            ("column", maybe(error.column())),
            ("datatype", maybe(error.datatype())),
            ("constraint", maybe(error.constraint())),
            ("file", maybe(error.file())),
            ("line", error.line().map(|line| line.to_string())),
            ("routine", maybe(error.routine())),
        ])
    }

    fn field(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| *field == name);
        found.and_then(|(_, value)| value.as_deref())
    }
}

fn position(position: &ErrorPosition) -> String {
    match position {
        ErrorPosition::Original(at) => at.to_string(),
        ErrorPosition::Internal { position, query } => format!("{position} of {query}"),
    }
}

/// Numbers of processes and transactions differ from server to server.
fn without_processes(text: &str) -> String {
    let words = text.split(' ');
    let mut after = "";
    let mut words: Vec<String> = words
        .map(|word| {
            let is_number = matches!(
                after,
                "Process" | "process" | "transaction" | "database" | "relation"
            );
            after = word;
            let digits = word.trim_end_matches(|letter: char| !letter.is_ascii_digit());
            match is_number && digits.parse::<u64>().is_ok() {
                true => word.replace(digits, "N"),
                false => word.to_owned(),
            }
        })
        .collect();
    // Which of two processes a deadlock is told to first is chance.
    if text.contains("blocked by process") {
        words.truncate(4);
    }
    words.join(" ")
}

fn connect(cluster: &Cluster, database: &str) -> (Client, Heard) {
    let heard = Heard::default();
    let told = Arc::clone(&heard);
    let client = cluster
        .config(database)
        .notice_callback(move |notice| {
            told.lock().expect("what was told").push(Told::of(&notice));
        })
        .connect(NoTls)
        .expect("a connection");
    (client, heard)
}

/// What each case makes the server tell.
fn answers(cluster: &Cluster, database: &str, own: &str) -> Vec<(String, Vec<Told>)> {
    let (mut client, heard) = connect(cluster, database);
    client.run(corpus::OBJECTS);
    client.run(own);
    let mut answers = Vec::new();
    for case in corpus::CASES {
        heard.lock().expect("what was told").clear();
        let failed = client.batch_execute(case).err();
        let mut told = heard.lock().expect("what was told").clone();
        told.extend(failed.as_ref().and_then(|e| e.as_db_error()).map(Told::of));
        client.run("ROLLBACK; RESET ALL");
        answers.push(((*case).to_owned(), told));
    }
    answers.push(("lock".to_owned(), vec![locked_out(cluster, database)]));
    answers.push(("deadlock".to_owned(), vec![deadlock(cluster, database)]));
    answers.push((
        "serialization".to_owned(),
        vec![serialization(cluster, database)],
    ));
    answers.push(("cancel".to_owned(), vec![cancelled(cluster, database)]));
    answers
}

fn refused(client: &mut Client, sql: &str) -> Told {
    Told::of(&client.refusal(sql))
}

fn locked_out(cluster: &Cluster, database: &str) -> Told {
    let mut holder = cluster.connect(database);
    holder.run("BEGIN; LOCK TABLE errors.parent");
    let told = refused(
        &mut cluster.connect(database),
        "SET lock_timeout = '50ms'; DO $$ BEGIN UPDATE errors.parent SET id = id; END $$",
    );
    holder.run("ROLLBACK");
    told
}

fn deadlock(cluster: &Cluster, database: &str) -> Told {
    let mut one = cluster.connect(database);
    let mut other = cluster.connect(database);
    one.run(
        "SET deadlock_timeout = '20ms'; BEGIN; UPDATE errors.parent SET note = 'a' WHERE id = 1",
    );
    other.run(
        "SET deadlock_timeout = '1h'; BEGIN; UPDATE errors.parent SET note = 'b' WHERE id = 2",
    );
    let waiting = thread::spawn(move || {
        other.run("UPDATE errors.parent SET note = 'b' WHERE id = 1; ROLLBACK");
    });
    let mut watch = cluster.connect(database);
    while !watch.ask::<bool>("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)") {
        thread::yield_now();
    }
    let told = refused(&mut one, "UPDATE errors.parent SET note = 'a' WHERE id = 2");
    one.run("ROLLBACK");
    waiting.join().expect("the other");
    told
}

fn serialization(cluster: &Cluster, database: &str) -> Told {
    let mut one = cluster.connect(database);
    one.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM errors.parent");
    cluster
        .connect(database)
        .run("UPDATE errors.parent SET note = 'newer' WHERE id = 1");
    refused(
        &mut one,
        "UPDATE errors.parent SET note = 'older' WHERE id = 1",
    )
}

fn cancelled(cluster: &Cluster, database: &str) -> Told {
    let mut client = cluster.connect(database);
    let token = client.cancel_token();
    let mut watch = cluster.connect(database);
    let canceller = thread::spawn(move || {
        while !watch.ask::<bool>(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')",
        ) {
            thread::yield_now();
        }
        token.cancel_query(NoTls).expect("cancelling");
    });
    let told = refused(&mut client, "SELECT errors.nap()");
    canceller.join().expect("the canceller");
    told
}

/// Makes the library do what it can: a ledger of partitions, watched by the cache.
const ATTACHED: &str = "
    SELECT inventory_perf.attach_ledger('errors.moves');
    SELECT inventory_perf.invalidate_on_change('errors.moves');
    SELECT inventory_perf.invalidate_on_change('errors.parent')";

#[test]
fn errors_arrive_as_without_the_library() {
    // SAFETY: before any thread of this test begins. The helper takes RUST_BACKTRACE away.
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "1") };
    let plain = Cluster::with_test_settings().start();
    let preloaded = Cluster::with_test_settings()
        .set("shared_preload_libraries", "'inventory_perf'")
        .start();
    let without = answers(&plain, &plain.empty_database(), "");
    let with = answers(&preloaded, &preloaded.database(), ATTACHED);
    let mut different = Vec::new();
    for ((case, one), (_, other)) in without.iter().zip(&with) {
        assert!(!one.is_empty(), "{case} tells nothing, so it shows nothing");
        if one != other {
            different.push(format!("{case}\n  without {one:?}\n  with    {other:?}"));
        }
    }
    assert!(with.len() >= 60, "{}", with.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Errors of a user's code that run through functions of the library, too.
#[test]
fn errors_of_a_users_code_pass_through_functions_whole() {
    // SAFETY: as above.
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "1") };
    let cluster = Cluster::with_test_settings().start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    client.run(corpus::OBJECTS);
    client.run(corpus::MAPPED);
    for call in corpus::THROUGH_FUNCTIONS {
        let told = refused(&mut client, call);
        let expected = [
            ("code", "ST001"),
            ("message", "told % by a user"),
            ("detail", "its detail"),
            ("hint", "its hint"),
            ("schema", "s"),
            ("table", "t"),
            ("column", "c"),
            ("datatype", "d"),
            ("constraint", "n"),
            ("file", "pl_exec.c"),
            ("routine", "exec_stmt_raise"),
        ];
        for (field, value) in expected {
            assert_eq!(
                told.field(field),
                Some(value),
                "{field} of {call}: {told:?}"
            );
        }
        let context = told.field("where").expect("a context");
        let line = "PL/pgSQL function errors.fail(integer) line 2 at RAISE";
        assert_eq!(context.matches(line).count(), 1, "{call}: {context}");
        // And it is caught by what it is.
        let caught = format!(
            "DO $do$ BEGIN EXECUTE $call${call}$call$; RAISE 'not reached';
             EXCEPTION WHEN SQLSTATE 'ST001' THEN NULL; END $do$"
        );
        client.run(&caught);
    }
    // What is raised after an error was caught is not mistaken for it.
    let told = refused(
        &mut client,
        "DO $$ BEGIN BEGIN PERFORM inventory_perf.cached_query('SELECT errors.fail(1)');
         EXCEPTION WHEN OTHERS THEN NULL; END;
         PERFORM inventory_perf.cached_query('SELECT 1 / 0'); END $$",
    );
    assert_eq!(told.field("code"), Some("22012"));
    assert_eq!(told.field("constraint"), None);
}
