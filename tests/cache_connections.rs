//! How Redis is reached: sockets, passwords, users, databases, prefixes, a server that hangs or is
//! full, and settings that change under way.

mod common;
mod connections;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Ask, Proxy, Redis, run};
use connections::{PASSWORD, Site, get, keep, session};
use postgres::Client;
use postgres::error::SqlState;
use redis::Commands;

#[test]
fn addresses_of_every_kind_work_and_others_are_refused() {
    let redis = Redis::new();
    let mut site = Site::new(&[]);
    // without Redis the cache is in tables
    assert_eq!(
        site.client.ask::<String>("SELECT mode FROM cache_health()"),
        "tables"
    );
    site.can();
    let port = redis.port();
    for url in [
        redis.url(),
        redis.socket_url(),
        format!("redis://localhost:{port}"),
        format!("redis://127.0.0.1:{port}/0"),
    ] {
        site.configure(&[("redis_url", &url)]);
        site.can();
        assert_eq!(
            site.client.ask::<String>("SELECT mode FROM cache_health()"),
            "redis"
        );
    }
    for (url, words) in [
        ("nonsense", "configuration:"),
        ("http://127.0.0.1", "configuration:"),
        ("redis://127.0.0.1:99999", "configuration:"),
        ("redis://127.0.0.1:1/notanumber", "configuration:"),
        ("rediss://127.0.0.1:1/#insecure", "configuration:"),
        ("redis://127.0.0.1:1", "refused:"),
        ("unix:///nowhere/redis.sock", "refused:"),
        ("redis://no-such-host.invalid", "refused:"),
    ] {
        site.configure(&[("redis_url", url)]);
        site.cannot(words);
    }
    site.configure(&[("redis_url", &redis.url())]);
    site.can();
}

#[test]
fn a_password_comes_from_a_file() {
    let redis = Redis::options().set("requirepass", PASSWORD).start();
    let mut site = Site::new(&[("inventory_perf.redis_url", &format!("'{}'", redis.url()))]);
    site.cannot("authentication:");
    let file = site.file("password", &format!("{PASSWORD}\n"));
    site.configure(&[("redis_password_file", &file)]);
    site.can();
    // a new password is taken by new connections
    let wrong = site.file("wrong", "another s3cret");
    site.configure(&[("redis_password_file", &wrong)]);
    site.cannot("authentication:");
    let (_, error) = site.health();
    assert!(!error.contains("another"), "{error}");
    let empty = site.file("empty", "\n");
    let secret = site.file("secret", PASSWORD);
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("its mode");
    let pipe = site.cluster.directory().join("pipe").display().to_string();
    run(Command::new("mkfifo").args(["-m", "644", &pipe]));
    for (file, words) in [
        (empty.as_str(), "empty\": it is empty"),
        ("/nowhere/password", "No such file"),
        (secret.as_str(), "Permission denied"),
        ("/tmp", "cannot use file \"/tmp\": it is not a regular file"),
        (pipe.as_str(), "it is not a regular file"),
    ] {
        site.configure(&[("redis_password_file", file)]);
        site.cannot(words);
    }
    site.configure(&[("redis_password_file", &file)]);
    site.can();

    // in the URL, everybody could read it
    let secret = redis.url().replace("redis://", "redis://:s3cret%20word@");
    site.configure(&[("redis_url", &secret), ("redis_password_file", "")]);
    site.cannot("redis_password_file");
    site.cluster.append_settings(&[(
        "shared_preload_libraries".to_owned(),
        "'inventory_perf'".to_owned(),
    )]);
    site.cluster.restart();
    site.client = session(&site.cluster, &site.database);
    site.can();
    site.client.run("CREATE ROLE stranger LOGIN");
    let mut stranger = site.cluster.connect_as("stranger", &site.database);
    for question in [
        "SHOW inventory_perf.redis_url",
        "SELECT current_setting('inventory_perf.redis_password_file')",
    ] {
        let state = stranger.refusal_code(question);
        assert_eq!(state, SqlState::INSUFFICIENT_PRIVILEGE, "{question}");
    }
    let seen = stranger.rows("SELECT name FROM pg_settings WHERE name ~ 'redis_(url|.*file)'");
    assert!(seen.is_empty(), "{seen:?}");
}

/// The commands that docs/caching.md says a user of Redis needs.
const RIGHTS: &str = "+auth +select +info +get +getrange +set +mset +unlink +del +publish \
                      +eval +evalsha +script|load +pttl +pexpire +scan";

#[test]
fn a_user_of_redis_needs_no_more_than_it_is_told() {
    let redis = Redis::new();
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/caching.md"))
        .expect("the page");
    assert!(page.contains(RIGHTS), "docs/caching.md names other rights");
    let mut setting = redis::cmd("ACL");
    setting
        .arg("SETUSER")
        .arg("app")
        .arg("on")
        .arg(format!(">{PASSWORD}"));
    setting.arg("~*").arg("&*").arg("-@all");
    RIGHTS.split_whitespace().for_each(|right| {
        setting.arg(right);
    });
    let mut connection = redis.connect();
    setting.exec(&mut connection).expect("a user");

    let url = redis.url().replace("redis://", "redis://app@");
    let mut site = Site::new(&[("inventory_perf.redis_url", &format!("'{url}'"))]);
    let file = site.file("password", PASSWORD);
    site.configure(&[("redis_password_file", &file)]);
    site.can();
    site.client.run(
        "CREATE TABLE public.moves (id integer PRIMARY KEY, stock text);
         SELECT invalidate_on_change('public.moves', ARRAY['m:{id}'], ARRAY['t:{id}'], ARRAY['c:{id}'])",
    );
    for step in [
        "INSERT INTO public.moves VALUES (1, 'x')",
        "SELECT invalidate_pattern('a*')",
        "TRUNCATE public.moves",
        "SELECT cache_flush()",
    ] {
        site.client.run(step);
        site.client.run("SELECT deliver_invalidations()");
    }
    for _ in 0..2 {
        site.client
            .run("SELECT * FROM cached_query('SELECT id FROM public.moves')");
    }
    site.can();
    // nothing else was tried
    let log: Vec<redis::Value> = redis::cmd("ACL")
        .arg("LOG")
        .query(&mut connection)
        .expect("the log");
    assert!(log.is_empty(), "{log:?}");
    let _: () = redis::cmd("ACL")
        .arg("SETUSER")
        .arg("app")
        .arg("-evalsha")
        .query(&mut connection)
        .expect("fewer rights");
    assert_eq!(get(&mut site.client, "a"), None);
    let error: String = site.client.ask("SELECT last_error FROM cache_health()");
    assert!(error.starts_with("authentication: "), "{error}");
    // a name alone is not passed over
    site.configure(&[("redis_password_file", "")]);
    site.cannot("configuration: inventory_perf.redis_url names the user \"app\" and there is no");
    let default = redis.url().replace("redis://", "redis://default@");
    site.configure(&[("redis_url", &default)]);
    site.can();
    site.configure(&[("redis_password_file", &file)]);
    // nobody of that name
    let url = redis.url().replace("redis://", "redis://nobody@");
    site.configure(&[("redis_url", &url)]);
    site.cannot("authentication:");
}

#[test]
fn databases_share_a_redis_under_names_of_their_own() {
    let redis = Redis::new();
    let url = format!("{}/3", redis.url());
    let mut site = Site::new(&[("inventory_perf.redis_url", &format!("'{url}'"))]);
    let second = site.cluster.database();
    for (database, prefix) in [(&site.database, "one:"), (&second, "p*[{ü}]:")] {
        site.client.run(&format!(
            "ALTER DATABASE {database} SET inventory_perf.redis_key_prefix = '{prefix}'"
        ));
    }
    site.client = session(&site.cluster, &site.database);
    let mut other = session(&site.cluster, &second);
    site.can();
    other.run("SELECT deliver_invalidations()");
    keep(&mut other, "a", "2");
    keep(&mut other, "b", "2");
    assert_eq!(get(&mut site.client, "a").as_deref(), Some("1"));
    assert_eq!(get(&mut site.client, "b"), None);

    let mut connection = redis.connect();
    assert_eq!(
        redis::cmd("DBSIZE")
            .query::<i64>(&mut connection)
            .expect("its size"),
        0
    );
    redis::cmd("SELECT")
        .arg(3)
        .exec(&mut connection)
        .expect("database 3");
    let mut names: Vec<String> = connection.keys("*").expect("the names");
    names.sort();
    let (first, second) = (&site.database, &second);
    let mut expected = vec![
        "one:a".to_owned(),
        "p*[{ü}]:a".to_owned(),
        "p*[{ü}]:b".to_owned(),
    ];
    for (prefix, database, keys) in [("one:", first, "a"), ("p*[{ü}]:", second, "ab")] {
        for name in ["epoch", "lease", "delivered", "batches"] {
            expected.push(format!("{prefix}inventory_perf:{{{database}}}:{name}"));
        }
        for key in keys.chars() {
            expected.push(format!(
                "{prefix}inventory_perf:{{{database}}}:stamp:key:{key}"
            ));
        }
    }
    expected.sort();
    assert_eq!(names, expected);

    // neither a pattern nor a flush reaches the other's
    other.run("SELECT invalidate_pattern('*')");
    other.run("SELECT deliver_invalidations()");
    assert_eq!(get(&mut other, "a"), None);
    assert!(
        !connection
            .exists::<_, bool>("p*[{ü}]:a")
            .expect("ask Redis")
    );
    keep(&mut other, "a", "3");
    other.run("SELECT cache_flush()");
    other.run("SELECT deliver_invalidations()");
    assert_eq!(get(&mut other, "a"), None);
    assert_eq!(get(&mut site.client, "a").as_deref(), Some("1"));
    // the prefix is not for everybody to set
    other.run("CREATE ROLE stranger");
    let state =
        other.refusal_code("SET ROLE stranger; SET inventory_perf.redis_key_prefix = 'one:'");
    assert_eq!(state, SqlState::INSUFFICIENT_PRIVILEGE);
}

#[test]
fn a_redis_that_hangs_is_left_alone_and_asked_again() {
    let redis = Redis::new();
    let mut site = Site::new(&[
        (
            "inventory_perf.redis_url",
            &format!("'{}'", redis.socket_url()),
        ),
        ("inventory_perf.redis_timeout", "'100ms'"),
        ("inventory_perf.redis_connect_timeout", "'100ms'"),
        ("inventory_perf.cache_breaker_failures", "3"),
        ("inventory_perf.cache_breaker_pause", "'3s'"),
    ]);
    site.can();
    let row = |client: &mut Client| {
        let row = client
            .query_one(
                "SELECT breaker_state, store_calls, (misses_by_reason ->> 'error')::bigint,
                        (misses_by_reason ->> 'breaker open')::bigint FROM cache_stats",
                &[],
            )
            .expect("cache_stats");
        (
            row.get::<_, String>(0),
            row.get::<_, i64>(1),
            row.get::<_, i64>(2),
            row.get::<_, i64>(3),
        )
    };
    redis.freeze();
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(get(&mut site.client, "a"), None);
    }
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(250), "{waited:?}");
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    let (_, error) = site.health();
    assert_eq!(error, "timeout: no reply in time");
    let (state, calls, errors, open) = row(&mut site.client);
    assert_eq!((state.as_str(), errors, open), ("open", 3, 0));
    for _ in 0..20 {
        assert_eq!(get(&mut site.client, "a"), None);
        assert!(!site.client.ask::<bool>("SELECT cache_set('a', '2')"));
    }
    assert_eq!(row(&mut site.client), ("open".to_owned(), calls, 3, 20));
    // a probe that fails opens it again
    site.wait("a failed probe", |client| {
        get(client, "a");
        row(client).2 == 4
    });
    assert_eq!(row(&mut site.client).0, "open");
    redis.thaw();
    site.wait("the value", |client| {
        get(client, "a").as_deref() == Some("1")
    });
    assert_eq!(row(&mut site.client).0, "closed");
    site.can();
}

#[test]
fn a_worker_waits_longer_after_each_failure() {
    let redis = Redis::new();
    let proxy = Proxy::to(&redis);
    let mut site = Site::new(&[
        ("shared_preload_libraries", "'inventory_perf'"),
        ("inventory_perf.redis_url", &format!("'{}'", proxy.url())),
    ]);
    site.wait("a worker", |client| {
        client.ask("SELECT EXISTS (SELECT FROM cache_state)")
    });
    // Commits, calls that wake it and reloads do not make it try more often.
    let outage = |site: &mut Site, duration: Duration| {
        redis.stop();
        let before = proxy.accepted();
        let began = Instant::now();
        while began.elapsed() < duration {
            for step in [
                "SELECT invalidate_keys('a')",
                "SELECT wait_until_delivered('1 ms')",
                "SELECT pg_reload_conf()",
            ] {
                site.client.run(step);
            }
        }
        let tried = proxy.accepted() - before;
        redis.start();
        site.wait("delivery", |client| {
            client.ask("SELECT NOT EXISTS (SELECT FROM cache_outbox)")
        });
        tried
    };
    // after 0.1, 0.3, 0.7, 1.5, and 3.1 seconds
    let tried = outage(&mut site, Duration::from_secs(4));
    assert!((4..=8).contains(&tried), "{tried} attempts");
    // and from the beginning after a success
    let tried = outage(&mut site, Duration::from_secs(1));
    assert!((2..=5).contains(&tried), "{tried} attempts");
    let log = fs::read_to_string(site.cluster.log_file()).expect("the server's log");
    let told = log.matches("the cache's store does not answer").count();
    assert_eq!(told, 1, "{log}");
}

#[test]
fn a_full_redis_serves_what_it_has() {
    let redis = Redis::new();
    let mut site = Site::new(&[("inventory_perf.redis_url", &format!("'{}'", redis.url()))]);
    site.can();
    keep(&mut site.client, "b", "1");
    let mut connection = redis.connect();
    let mut limit = |bytes: &str| {
        redis::cmd("CONFIG")
            .arg(&["SET", "maxmemory", bytes])
            .exec(&mut connection)
            .expect("a limit");
    };
    limit("1");
    assert!(!site.client.ask::<bool>("SELECT cache_set('a', '2')"));
    assert_eq!(get(&mut site.client, "a").as_deref(), Some("1"));
    let error: String = site.client.ask("SELECT last_error FROM cache_health()");
    assert!(error.starts_with("unready: OOM"), "{error}");
    site.client.run("SELECT cache_delete('a')");
    site.client.refusal("SELECT deliver_invalidations()");
    assert_eq!(get(&mut site.client, "a"), None);
    assert_eq!(get(&mut site.client, "b").as_deref(), Some("1"));
    assert_eq!(
        site.client
            .ask::<i64>("SELECT outbox_rows FROM cache_health()"),
        1
    );
    limit("0");
    assert_eq!(site.client.ask::<i64>("SELECT deliver_invalidations()"), 1);
    assert_eq!(get(&mut site.client, "b").as_deref(), Some("1"));
    site.can();
}

#[test]
fn a_worker_takes_a_new_prefix_when_it_starts_again() {
    let redis = Redis::new();
    let mut site = Site::new(&[
        ("shared_preload_libraries", "'inventory_perf'"),
        ("inventory_perf.redis_url", &format!("'{}'", redis.url())),
    ]);
    let database = site.database.clone();
    site.client.run(&format!(
        "ALTER DATABASE {database} SET inventory_perf.redis_key_prefix = 'shop:'"
    ));
    site.wait("a worker", |client| {
        client.ask("SELECT EXISTS (SELECT FROM worker_status WHERE state = 'running')")
    });
    site.client.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE backend_type = 'inventory_perf worker' AND datname = current_database()",
    );
    site.client = session(&site.cluster, &site.database);
    let lease = format!("shop:inventory_perf:{{{database}}}:lease");
    let mut connection = redis.connect();
    site.wait("a lease", |_| connection.exists(&lease).expect("ask Redis"));
    keep(&mut site.client, "a", "1");
    assert!(connection.exists::<_, bool>("shop:a").expect("ask Redis"));
    site.client.run("SELECT cache_delete('a')");
    site.wait("delivery", |_| {
        !connection.exists::<_, bool>("shop:a").expect("ask Redis")
    });
}
