//! How Redis is reached and who answers: sockets, passwords, users, databases, prefixes, TLS, a
//! server that hangs, and settings that change under way.

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster, Redis, RedisOptions, run};
use postgres::Client;
use postgres::error::SqlState;
use redis::Commands;

const PATIENCE: Duration = Duration::from_secs(20);
const PASSWORD: &str = "s3cret word";

/// A server that has everything in its configuration file, and one session in it.
struct Site {
    cluster: Cluster,
    database: String,
    client: Client,
}

impl Site {
    fn new(settings: &[(&str, &str)]) -> Self {
        let options = Cluster::with_test_settings()
            .set("autovacuum", "off")
            .set("inventory_perf.redis_timeout", "'2s'")
            .set("inventory_perf.redis_connect_timeout", "'2s'")
            .set("inventory_perf.cache_breaker_pause", "'1ms'");
        let options = settings
            .iter()
            .fold(options, |options, (name, value)| options.set(name, value));
        let cluster = options.start();
        let database = cluster.database();
        let client = session(&cluster, &database);
        Self {
            cluster,
            database,
            client,
        }
    }

    /// Changes settings of the running server, and waits until the session has them.
    fn configure(&mut self, settings: &[(&str, &str)]) {
        let quoted =
            |(name, value): &(&str, &str)| (format!("inventory_perf.{name}"), format!("'{value}'"));
        let lines: Vec<_> = settings.iter().map(quoted).collect();
        self.cluster.append_settings(&lines);
        self.client.run("SELECT pg_reload_conf()");
        for (name, value) in settings {
            self.wait(name, |client| {
                client.ask::<String>(&format!("SHOW inventory_perf.{name}")) == *value
            });
        }
    }

    fn wait(&mut self, what: &str, mut is_so: impl FnMut(&mut Client) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&mut self.client) {
            assert!(Instant::now() < deadline, "never came: {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether Redis can be reached, and why not.
    fn health(&mut self) -> (bool, String) {
        let row = self
            .client
            .query_one(
                "SELECT reachable, coalesce(last_error, '') FROM cache_health()",
                &[],
            )
            .expect("cache_health");
        (row.get(0), row.get(1))
    }

    /// A failure that says so, that readers do not notice, and that tells no secret.
    fn cannot(&mut self, words: &str) {
        let (reachable, error) = self.health();
        assert!(!reachable && error.contains(words), "{words:?}: {error}");
        let nothing = "SELECT cache_get('a') IS NULL AND NOT cache_set('a', '1')";
        assert!(self.client.ask::<bool>(nothing), "{words}");
        let refusal = self.client.refusal("SELECT deliver_invalidations()");
        let log = fs::read_to_string(self.cluster.log_file()).expect("the server's log");
        for told in [format!("{refusal:?}"), error, log] {
            assert!(!told.contains(PASSWORD), "{told}");
        }
    }

    /// Delivers, stores and reads.
    fn can(&mut self) {
        self.deliver();
        keep(&mut self.client, "a", "1");
        let (reachable, error) = self.health();
        assert!(reachable, "{error}");
    }

    fn deliver(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.client.batch_execute("SELECT deliver_invalidations()") {
            // the worker may make a new epoch at the same time
            let is_busy = error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE);
            assert!(is_busy && Instant::now() < deadline, "{error:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// A file that the server may read.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.cluster.directory().join(name);
        fs::write(&path, content).expect("write a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its mode");
        path.display().to_string()
    }
}

fn session(cluster: &Cluster, database: &str) -> Client {
    let mut client = cluster.connect(database);
    client.run("LOAD 'inventory_perf'; SET search_path = inventory_perf, public");
    client
}

fn keep(client: &mut Client, key: &str, value: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        client.run(&format!("SELECT cache_get('{key}')"));
        if client.ask(&format!("SELECT cache_set('{key}', '{value}')")) {
            break;
        }
        let health = client.rows("SELECT * FROM cache_health()");
        assert!(Instant::now() < deadline, "never stored\n{health:?}");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(get(client, key).as_deref(), Some(value));
}

fn get(client: &mut Client, key: &str) -> Option<String> {
    client.ask(&format!("SELECT cache_get('{key}')::text"))
}

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
    for (file, words) in [
        (empty.as_str(), "it is empty"),
        ("/nowhere/password", "cannot use file"),
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
const RIGHTS: &str = "+auth +select +info +get +mget +getrange +set +mset +unlink +del +publish \
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
        for name in ["epoch", "lease", "delivered"] {
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
fn another_server_is_believed_only_after_it_was_confirmed() {
    let (first, second) = (Redis::new(), Redis::new());
    let mut site = Site::new(&[("inventory_perf.redis_url", &format!("'{}'", first.url()))]);
    site.can();
    site.configure(&[("redis_url", &second.url())]);
    assert_eq!(get(&mut site.client, "a"), None);
    let misses = "SELECT (misses_by_reason ->> 'unconfirmed server')::int FROM cache_stats";
    assert_eq!(site.client.ask::<i32>(misses), 1);
    let health = "SELECT reachable, epoch_ok FROM cache_health()";
    assert_eq!(site.client.rows(health), ["(t,f)"]);
    site.can();
    assert_eq!(site.client.rows(health), ["(t,t)"]);
    assert!(second.connect().exists::<_, bool>("a").expect("ask Redis"));

    // what is left in the first is as old as it is
    site.configure(&[("redis_url", &first.url())]);
    assert_eq!(get(&mut site.client, "a"), None);
    site.client.run("SELECT deliver_invalidations()");
    assert_eq!(get(&mut site.client, "a"), None);
    // a restart and a flush are noticed as well
    for outage in [Redis::restart, |redis: &Redis| {
        let mut connection = redis.connect();
        redis::cmd("FLUSHALL").exec(&mut connection).expect("flush");
    }] {
        site.can();
        outage(&first);
        assert_eq!(get(&mut site.client, "a"), None);
        site.can();
    }

    // with the library preloaded the worker sees to it
    site.cluster.append_settings(&[(
        "shared_preload_libraries".to_owned(),
        "'inventory_perf'".to_owned(),
    )]);
    site.cluster.restart();
    site.client = session(&site.cluster, &site.database);
    site.wait("a worker", |client| client.rows(health) == ["(t,t)"]);
    keep(&mut site.client, "a", "1");
    let mut other = session(&site.cluster, &site.database);
    assert_eq!(get(&mut other, "a").as_deref(), Some("1"));
    let stats = "SELECT scope, hits >= 2 FROM cache_stats";
    assert_eq!(other.rows(stats), ["(database,t)"]);
    site.configure(&[("redis_url", &second.url())]);
    site.wait("the other server", |client| {
        client.rows(health) == ["(t,t)"]
    });
    keep(&mut site.client, "a", "2");
    assert!(second.connect().exists::<_, bool>("a").expect("ask Redis"));
    site.wait("the other session", |_| {
        get(&mut other, "a").as_deref() == Some("2")
    });
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

/// Certificates by openssl: an authority, and one each for a server and a client.
struct Authority {
    directory: PathBuf,
    name: &'static str,
}

impl Authority {
    fn new(directory: &Path, name: &'static str) -> Self {
        let authority = Self {
            directory: directory.to_owned(),
            name,
        };
        run(openssl()
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={name}"), "-keyout"])
            .arg(authority.file("ca.key"))
            .arg("-out")
            .arg(authority.file("ca.crt")));
        authority.issue("server", "subjectAltName=IP:127.0.0.1,DNS:localhost");
        authority.issue("client", "extendedKeyUsage=clientAuth");
        authority
    }

    fn file(&self, name: &str) -> String {
        let path = self.directory.join(format!("{}.{name}", self.name));
        path.display().to_string()
    }

    fn issue(&self, whom: &str, extension: &str) {
        let [key, request, certificate, extensions] =
            ["key", "csr", "crt", "ext"].map(|kind| self.file(&format!("{whom}.{kind}")));
        fs::write(
            &extensions,
            format!("basicConstraints=CA:FALSE\n{extension}\n"),
        )
        .expect("write extensions");
        run(openssl()
            .args([
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ])
            .args(["-nodes", "-subj", &format!("/CN={whom}")])
            .args(["-keyout", &key, "-out", &request]));
        run(openssl()
            .args([
                "x509",
                "-req",
                "-days",
                "2",
                "-set_serial",
                "7",
                "-in",
                &request,
            ])
            .args(["-CA", &self.file("ca.crt"), "-CAkey", &self.file("ca.key")])
            .args(["-extfile", &extensions, "-out", &certificate]));
        for file in [&key, &certificate] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("a mode");
        }
    }

    /// A Redis that speaks TLS on a port of its own.
    fn redis(&self, clients: &str) -> (Redis, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let options: RedisOptions = Redis::options()
            .set("tls-port", &port.to_string())
            .set("tls-cert-file", &self.file("server.crt"))
            .set("tls-key-file", &self.file("server.key"))
            .set("tls-ca-cert-file", &self.file("ca.crt"))
            .set("tls-auth-clients", clients);
        (options.start(), port)
    }
}

fn openssl() -> Command {
    Command::new("openssl")
}

#[test]
fn tls_trusts_its_own_authority_and_no_other() {
    let mut site = Site::new(&[]);
    let own = Authority::new(site.cluster.directory(), "own");
    let foreign = Authority::new(site.cluster.directory(), "foreign");
    let (redis, port) = own.redis("no");
    let url = format!("rediss://127.0.0.1:{port}");

    // no public authority knows it
    site.configure(&[("redis_url", &url)]);
    site.cannot("certificate");
    site.configure(&[("redis_ca_file", &own.file("ca.crt"))]);
    site.can();
    let version: String = site.client.ask("SELECT server_version FROM cache_health()");
    assert!(version.starts_with("redis "), "{version}");
    // far more than fits into one record
    let large = format!("\"{}\"", "x".repeat(1_000_000));
    site.client
        .run("SET inventory_perf.cache_compress_above = -1");
    keep(&mut site.client, "large", &large);
    site.configure(&[("redis_url", &format!("rediss://localhost:{port}/2"))]);
    site.can();
    for (setting, value, words) in [
        ("redis_ca_file", foreign.file("ca.crt"), "certificate"),
        ("redis_ca_file", own.file("server.key"), "cannot use file"),
        (
            "redis_ca_file",
            "/nowhere/ca.crt".to_owned(),
            "cannot use file",
        ),
    ] {
        site.configure(&[(setting, &value)]);
        site.cannot(words);
    }
    site.configure(&[("redis_ca_file", &own.file("ca.crt"))]);
    // not the name that the certificate has, and no TLS at all
    for (url, words) in [
        (format!("rediss://127.0.0.2:{port}"), ""),
        (format!("rediss://127.0.0.1:{}", redis.port()), ""),
        (format!("redis://127.0.0.1:{port}"), ""),
        (
            format!("rediss://127.0.0.1:{port}/#insecure"),
            "redis_ca_file",
        ),
    ] {
        site.configure(&[("redis_url", &url)]);
        site.cannot(words);
    }
}

#[test]
fn tls_shows_a_certificate_where_one_is_asked_for() {
    let mut site = Site::new(&[]);
    let own = Authority::new(site.cluster.directory(), "own");
    let foreign = Authority::new(site.cluster.directory(), "foreign");
    let (_redis, port) = own.redis("yes");
    site.configure(&[
        ("redis_url", &format!("rediss://127.0.0.1:{port}")),
        ("redis_ca_file", &own.file("ca.crt")),
    ]);
    site.cannot("");
    site.configure(&[
        ("redis_cert_file", &own.file("client.crt")),
        ("redis_key_file", &own.file("client.key")),
    ]);
    site.can();
    site.configure(&[
        ("redis_cert_file", &foreign.file("client.crt")),
        ("redis_key_file", &foreign.file("client.key")),
    ]);
    site.cannot("");
    // a key of another certificate, and none
    site.configure(&[("redis_cert_file", &own.file("client.crt"))]);
    site.cannot("cannot use file");
    site.configure(&[("redis_key_file", "")]);
    site.cannot("cannot use file");
    site.configure(&[("redis_key_file", &own.file("client.key"))]);
    site.can();
}
