//! Where the workers run, what ends them, and that others follow.

use super::*;

#[test]
fn every_database_with_the_extension_has_a_worker() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).start();
    let first = cluster.database();
    let mut one = cluster.connect(&first);
    wait_for_worker(&mut one, &first);
    delivers(&mut one, &redis);

    // a later one, and one that comes as a copy
    let second = cluster.empty_database();
    let mut two = cluster.connect(&second);
    assert_eq!(worker_of(&mut two, &second), None);
    two.run("CREATE EXTENSION inventory_perf");
    wait_for_worker(&mut two, &second);
    delivers(&mut two, &redis);
    drop(one);
    let mut postgres = cluster.connect("postgres");
    postgres.run(&format!("CREATE DATABASE copy TEMPLATE {first}"));
    wait_for_worker(&mut postgres, "copy");
    wait_for_worker(&mut postgres, &first);
    delivers(&mut cluster.connect("copy"), &redis);

    // a rolled-back CREATE EXTENSION starts none
    let empty = cluster.empty_database();
    cluster
        .connect(&empty)
        .run("BEGIN; CREATE EXTENSION inventory_perf; ROLLBACK");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(worker_of(&mut postgres, &empty), None);
    let types = "SELECT DISTINCT backend_type, application_name FROM pg_stat_activity
                 WHERE backend_type LIKE 'inventory_perf%' ORDER BY 1";
    assert_eq!(
        postgres.rows(types),
        [
            "(\"inventory_perf launcher\",\"inventory_perf launcher\")",
            "(\"inventory_perf worker\",\"inventory_perf worker\")"
        ]
    );
    let running: i64 = cluster
        .connect(&first)
        .ask("SELECT count(*) FROM inventory_perf.worker_status WHERE state = 'running'");
    assert_eq!(running, 3);
}

#[test]
fn the_extension_can_be_dropped_while_the_workers_are_busy() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    for round in 0..3 {
        client.run(
            "CREATE TABLE moves (product_id int, quantity numeric, moved_at date);
             SELECT inventory_perf.attach_ledger('moves')",
        );
        wait_for_worker(&mut client, &database);
        let mut writer = cluster.connect(&database);
        let busy = thread::spawn(move || {
            // ends with an error when the function is gone
            while writer
                .batch_execute(
                    "SELECT inventory_perf.invalidate_keys('a', 'b');
                     INSERT INTO moves SELECT g, 1, current_date FROM generate_series(1, 100) g",
                )
                .is_ok()
            {}
        });
        thread::sleep(Duration::from_millis(700));
        let time = took(|| {
            // a writer in the middle may be the victim of the deadlock that it makes, or this
            while let Err(error) = client.batch_execute("DROP EXTENSION inventory_perf CASCADE") {
                assert_eq!(
                    error.code(),
                    Some(&SqlState::T_R_DEADLOCK_DETECTED),
                    "{error:?}"
                );
            }
        });
        assert!(time < Duration::from_secs(5), "round {round}: {time:?}");
        busy.join().expect("the writer ends");
        eventually("no worker is left", || {
            worker_of(&mut client, &database).is_none()
        });
        client.run(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE EXTENSION inventory_perf",
        );
        wait_for_worker(&mut client, &database);
        delivers(&mut client, &redis);
    }
}

#[test]
fn commands_that_need_the_database_alone_get_it() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).start();
    let mut postgres = cluster.connect("postgres");
    postgres.run("SET allow_in_place_tablespaces = on");
    postgres.run("CREATE TABLESPACE other LOCATION ''");
    let database = cluster.database();
    wait_for_worker(&mut postgres, &database);
    for command in [
        format!("ALTER DATABASE {database} RENAME TO renamed"),
        "ALTER DATABASE renamed SET TABLESPACE other".into(),
        "CREATE DATABASE copied TEMPLATE renamed".into(),
        "DROP DATABASE copied".into(),
        "DROP DATABASE renamed WITH (FORCE)".into(),
    ] {
        let time = took(|| postgres.run(&command));
        assert!(time < Duration::from_secs(4), "{command}: {time:?}");
        if !command.starts_with("DROP DATABASE renamed") {
            wait_for_worker(&mut postgres, "renamed");
        }
    }
    eventually("no worker is left", || {
        postgres.ask::<i64>(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'inventory_perf worker'",
        ) == 0
    });
}

#[test]
fn the_worker_comes_back_when_the_command_fails() {
    let Served {
        redis,
        cluster,
        database,
        client: mut inside,
    } = Served::new(&[]);
    let pid = wait_for_worker(&mut inside, &database);
    let mut postgres = cluster.connect("postgres");
    let refused = postgres.refusal_code(&format!("DROP DATABASE {database}"));
    assert_eq!(refused, SqlState::OBJECT_IN_USE);
    let next = wait_for_worker(&mut inside, &database);
    assert_ne!(pid, next);
    delivers(&mut inside, &redis);

    // who may not run the command cannot send the worker away with it
    postgres.run("CREATE ROLE somebody LOGIN CREATEDB");
    let mut somebody = cluster.connect_as("somebody", "postgres");
    for command in [
        format!("DROP DATABASE {database}"),
        format!("ALTER DATABASE {database} RENAME TO x"),
        format!("CREATE DATABASE x TEMPLATE {database}"),
    ] {
        let refused = somebody.refusal_code(&command);
        assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE, "{command}");
    }
    assert_eq!(worker_of(&mut postgres, &database), Some(next));
}

#[test]
fn whatever_ends_a_worker_another_follows() {
    let Served {
        redis,
        cluster,
        database,
        mut client,
    } = Served::new(&[]);
    let mut pid = wait_for_worker(&mut client, &database);
    let launcher = "SELECT pid FROM pg_stat_activity
                    WHERE backend_type = 'inventory_perf launcher'";
    for _ in 0..2 {
        client.run(&format!("SELECT pg_terminate_backend({pid})"));
        eventually("another worker", || {
            worker_of(&mut client, &database).is_some_and(|next| next != pid)
        });
        pid = wait_for_worker(&mut client, &database);
        delivers(&mut client, &redis);
    }
    // the launcher: workers go on, and a new one looks after them
    let first: i32 = client.ask(launcher);
    client.run(&format!("SELECT pg_terminate_backend({first})"));
    eventually("another launcher", || {
        client
            .rows(launcher)
            .iter()
            .any(|row| *row != format!("({first})"))
    });
    assert_eq!(worker_of(&mut client, &database), Some(pid));
    client.run(&format!("SELECT pg_terminate_backend({pid})"));
    eventually("another worker", || {
        worker_of(&mut client, &database).is_some_and(|next| next != pid)
    });
    delivers(&mut client, &redis);

    // a crash of the worker resets the server; what was committed is delivered, and nothing that
    // was stored before is believed
    let before = epoch(&redis, &database);
    let pid = wait_for_worker(&mut client, &database);
    redis.freeze();
    client.run("SELECT inventory_perf.invalidate_keys('committed')");
    send("KILL", pid as u32);
    eventually("the server is reset", || {
        client.simple_query("SELECT 1").is_err()
    });
    eventually("the server is back", || {
        cluster.config(&database).connect(postgres::NoTls).is_ok()
            && cluster
                .config(&database)
                .connect(postgres::NoTls)
                .is_ok_and(|mut client| client.simple_query("SELECT 1").is_ok())
    });
    redis.thaw();
    let mut client = cluster.connect(&database);
    wait_for_worker(&mut client, &database);
    let all: bool = client.ask("SELECT inventory_perf.wait_until_delivered()");
    assert!(all);
    assert_ne!(epoch(&redis, &database), before);
    delivers(&mut client, &redis);
}

#[test]
fn settings_are_reloaded() {
    let (first, second) = (Redis::new(), Redis::new());
    let cluster = preloaded(&first).start();
    let database = cluster.database();
    let mut client = cluster.connect(&database);
    let pid = wait_for_worker(&mut client, &database);
    delivers(&mut client, &first);
    client.run(&format!(
        "ALTER SYSTEM SET inventory_perf.redis_url = '{}'",
        second.url()
    ));
    client.run("SELECT pg_reload_conf()");
    eventually("an epoch in the other Redis", || {
        epoch(&second, &database).is_some()
    });
    delivers(&mut client, &second);
    assert_eq!(worker_of(&mut client, &database), Some(pid));
    let unix = second.socket_url();
    client.run(&format!(
        "ALTER SYSTEM SET inventory_perf.redis_url = '{unix}'"
    ));
    client.run("SELECT pg_reload_conf()");
    delivers(&mut client, &second);
}

#[test]
fn a_standby_has_no_workers_until_it_is_promoted() {
    let redis = Redis::new();
    let primary = preloaded(&redis).start();
    let database = primary.database();
    let mut client = primary.connect(&database);
    wait_for_worker(&mut client, &database);
    delivers(&mut client, &redis);
    let standby = primary.standby();
    standby.wait_for_replay_of(&primary);
    let before = epoch(&redis, &database);
    let mut other = standby.connect(&database);
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'inventory_perf%'";
    assert_eq!(other.ask::<i64>(ours), 0);
    let refused = other.refusal_code("SELECT inventory_perf.deliver_invalidations()");
    assert_eq!(refused, SqlState::READ_ONLY_SQL_TRANSACTION);
    primary.stop("fast");
    other.run("SELECT pg_promote()");
    wait_for_worker(&mut other, &database);
    delivers(&mut other, &redis);
    assert_ne!(epoch(&redis, &database), before);
}

#[test]
fn too_few_worker_processes_are_warned_about() {
    let redis = Redis::new();
    let cluster = preloaded(&redis).set("max_worker_processes", "3").start();
    let databases: Vec<String> = (0..3).map(|_| cluster.database()).collect();
    let log = || std::fs::read_to_string(cluster.log_file()).expect("read the log");
    eventually("a warning", || {
        log().contains("Increase max_worker_processes")
    });
    // what has no worker delivers by hand, and gets one as soon as there is room
    let mut postgres = cluster.connect("postgres");
    let without = databases
        .iter()
        .find(|database| worker_of(&mut postgres, database).is_none())
        .expect("a database without a worker");
    let mut client = cluster.connect(without);
    client.run("SELECT inventory_perf.invalidate_keys('a')");
    assert_eq!(
        client.ask::<i64>("SELECT inventory_perf.deliver_invalidations()"),
        1
    );
    let with = databases
        .iter()
        .find(|database| worker_of(&mut postgres, database).is_some())
        .expect("a database with a worker");
    postgres.run(&format!("DROP DATABASE {with}"));
    wait_for_worker(&mut postgres, without);
}
