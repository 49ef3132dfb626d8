//! Redis that is stopped, refuses, hangs, lies or is full of nonsense: writers do not notice,
//! readers get right answers, and nobody learns what he may not know.

mod common;
mod staleness;

use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster, Proxy, Redis};
use postgres::Client;
use postgres::error::SqlState;
use redis::Commands;
use staleness::{Extension, valid_entries};

const COUNTERS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(30);

struct Site {
    redis: Redis,
    proxy: Proxy,
    extension: Extension,
}

impl Site {
    fn new(settings: &[(&str, &str)]) -> Self {
        let redis = Redis::new();
        let proxy = Proxy::to(&redis);
        let options = settings
            .iter()
            .fold(Cluster::with_test_settings(), |options, (name, value)| {
                options.set(name, value)
            });
        let extension = Extension::start(&proxy.url(), options, COUNTERS);
        Self {
            redis,
            proxy,
            extension,
        }
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            let log = self.extension.cluster.log_tail();
            assert!(Instant::now() < deadline, "never came: {what}\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_until_cached(&self, client: &mut Client, counter: i32) {
        self.wait("a good entry", || {
            read(client, counter);
            let entries = valid_entries(&mut self.redis.connect(), &self.extension.database);
            !entries.is_empty()
        });
    }

    fn wait_until_delivered(&self, client: &mut Client) {
        self.wait("delivery", || {
            !client.ask::<bool>("SELECT EXISTS (SELECT FROM inventory_perf.cache_outbox)")
        });
    }
}

/// The value of a counter through cached_query, and how long that took.
fn read(client: &mut Client, counter: i32) -> (i64, Duration) {
    let started = Instant::now();
    let value = client.ask::<String>(&format!(
        "SELECT (answer -> 'value')::text FROM inventory_perf.cached_query(
             'SELECT value FROM staleness.counters WHERE counter = $1', '[{counter}]', '60 s',
             '{{counter:{counter}}}') AS answer"
    ));
    (value.parse().expect("a number"), started.elapsed())
}

fn raise(client: &mut Client, counter: i32) -> i64 {
    client.ask(&format!(
        "UPDATE staleness.counters SET value = value + 1 WHERE counter = {counter} RETURNING value"
    ))
}

/// Ways for Redis to be of no use.
#[derive(Clone, Copy, Debug)]
enum Outage {
    Stopped,
    Refusing,
    BlackHole,
    Frozen,
}

impl Outage {
    const ALL: [Self; 4] = [Self::Stopped, Self::Refusing, Self::BlackHole, Self::Frozen];

    fn set(self, site: &Site, on: bool) {
        match (self, on) {
            (Self::Stopped, true) => site.redis.stop(),
            (Self::Stopped, false) => site.redis.start(),
            (Self::Refusing, on) => site.proxy.refuse(on),
            (Self::BlackHole, on) => site.proxy.black_hole(on),
            (Self::Frozen, true) => site.redis.freeze(),
            (Self::Frozen, false) => site.redis.thaw(),
        }
    }
}

/// How long writers need for their transactions.
fn write(site: &Site) -> Duration {
    let started = Instant::now();
    thread::scope(|scope| {
        for writer in 0..4 {
            scope.spawn(move || {
                let mut client = site.extension.connect();
                for _ in 0..250 {
                    raise(&mut client, writer);
                }
            });
        }
    });
    started.elapsed()
}

#[test]
fn writers_do_not_notice_an_outage() {
    let site = Site::new(&[]);
    let mut client = site.extension.connect();
    site.wait_until_cached(&mut client, 7);
    write(&site);
    let usual = write(&site);
    for outage in Outage::ALL {
        outage.set(&site, true);
        let away = write(&site);
        outage.set(&site, false);
        println!("{outage:?}: {away:?}, else {usual:?}");
        // One wait for Redis in each thousand transactions would already be more.
        assert!(
            away < usual * 3 + Duration::from_millis(250),
            "{outage:?}: {away:?}"
        );
        site.wait_until_delivered(&mut client);
    }
}

#[test]
fn readers_get_right_answers_in_an_outage() {
    let site = Site::new(&[
        ("inventory_perf.redis_connect_timeout", "'200ms'"),
        ("inventory_perf.redis_timeout", "'200ms'"),
    ]);
    let mut client = site.extension.connect();
    for outage in Outage::ALL {
        site.wait_until_cached(&mut client, 7);
        outage.set(&site, true);
        let mut slow = 0;
        for _ in 0..100 {
            let written = raise(&mut client, 7);
            let (value, time) = read(&mut client, 7);
            assert_eq!(value, written, "{outage:?}");
            assert!(time < Duration::from_secs(2), "{outage:?}: {time:?}");
            slow += u32::from(time > Duration::from_millis(150));
            assert_eq!(read(&mut client, 8).0, 0, "{outage:?}");
        }
        assert!(
            slow < 30,
            "{outage:?}: {slow} of 100 reads waited for Redis"
        );
        outage.set(&site, false);
        site.wait_until_delivered(&mut client);
    }
}

#[test]
fn the_breaker_opens_and_closes() {
    let site = Site::new(&[("inventory_perf.cache_breaker_failures", "3")]);
    let mut client = site.extension.connect();
    let mut state = site.extension.connect();
    let mut is = |wanted: &str| {
        let found: String = state.ask("SELECT breaker_state FROM inventory_perf.cache_health()");
        found == wanted
    };
    site.wait_until_cached(&mut client, 7);
    assert!(is("closed"));
    site.proxy.black_hole(true);
    site.wait("an open breaker", || {
        read(&mut client, 7);
        is("open")
    });
    // One probe at a time: of many sessions at most a few wait.
    let waits: u32 = thread::scope(|scope| {
        let sessions: Vec<_> = (0..10)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = site.extension.connect();
                    let times = (0..20).map(|_| read(&mut client, 7).1);
                    let slow = times.filter(|time| *time > Duration::from_millis(150));
                    u32::try_from(slow.count()).expect("a small number")
                })
            })
            .collect();
        sessions
            .into_iter()
            .map(|session| session.join().expect("a reader"))
            .sum()
    });
    assert!(waits <= 10, "{waits} of 200 reads waited");
    site.proxy.black_hole(false);
    site.wait("a closed breaker", || {
        read(&mut client, 7);
        is("closed")
    });
    site.wait_until_cached(&mut client, 7);
}

#[test]
fn a_large_backlog_becomes_one_new_epoch() {
    let site = Site::new(&[("inventory_perf.outbox_cap", "1000")]);
    let mut client = site.extension.connect();
    site.wait_until_cached(&mut client, 7);
    let epoch = "SELECT epoch FROM inventory_perf.cache_state";
    let before: String = client.ask(epoch);
    site.proxy.refuse(true);
    client.run(
        "DO $$ BEGIN
             FOR number IN 1 .. 5000 LOOP
                 UPDATE staleness.counters SET value = value + 1 WHERE counter = 7;
                 COMMIT;
             END LOOP;
         END $$",
    );
    let rows: i64 = client.ask("SELECT count(*) FROM inventory_perf.cache_outbox");
    assert_eq!(rows, 5000, "an outage delivers nothing");
    site.proxy.refuse(false);
    site.wait_until_delivered(&mut client);
    assert_ne!(client.ask::<String>(epoch), before);
    assert_eq!(
        valid_entries(&mut site.redis.connect(), &site.extension.database).len(),
        0
    );
    assert_eq!(read(&mut client, 7).0, 5000);
}

#[test]
fn nonsense_in_redis_is_a_miss() {
    let site = Site::new(&[]);
    let mut client = site.extension.connect();
    let mut redis = site.redis.connect();
    let set =
        "SELECT inventory_perf.cache_set('mine', '{\"a\": [1, 2]}', '60 s', '{counter:7}')::text";
    let get = "SELECT coalesce(inventory_perf.cache_get('mine')::text, 'nothing')";
    for round in 0..300 {
        site.wait("a stored value", || {
            client.ask::<String>(set);
            client.ask::<String>(get) != "nothing"
        });
        site.wait_until_cached(&mut client, 7);
        let names: Vec<String> = redis.keys("*").expect("KEYS");
        for name in &names {
            // What belongs to the stamps and the epoch is spoilt less often: each time is a new
            // start for all entries.
            if is_entry(name) || round % 20 == 0 {
                spoil(&mut redis, name, round);
            }
        }
        let value: String = client.ask(get);
        assert!(value == "nothing" || value == r#"{"a": [1, 2]}"#, "{value}");
        assert_eq!(read(&mut client, 7).0, 0);
        let exists = "SELECT inventory_perf.cache_exists('mine')";
        client.ask::<bool>(exists);
    }
    raise(&mut client, 7);
    site.wait_until_delivered(&mut client);
    assert_eq!(read(&mut client, 7).0, 1);
}

fn is_entry(name: &str) -> bool {
    name == "mine" || name.contains(":query:")
}

/// Makes something else of what is stored under a name.
fn spoil(redis: &mut redis::Connection, name: &str, round: usize) {
    // What is no string already was spoilt and not looked at since.
    let Ok(stored) = redis.get::<_, Vec<u8>>(name) else {
        return;
    };
    let random = |length: usize| -> Vec<u8> { (0..length).map(|_| rand::random()).collect() };
    let mut bytes = stored.clone();
    let done: redis::RedisResult<()> = match round % 7 {
        0 => redis.set(name, random(200)),
        1 => {
            bytes.truncate(bytes.len() * 2 / 3);
            redis.set(name, bytes)
        }
        2 => {
            for _ in 0..3 {
                let position = rand::random_range(0..bytes.len().max(1));
                if let Some(byte) = bytes.get_mut(position) {
                    *byte ^= 1 << rand::random_range(0..8);
                }
            }
            redis.set(name, bytes)
        }
        3 => {
            let _: () = redis.del(name).expect("DEL");
            redis.rpush(name, "a list")
        }
        4 => {
            bytes.extend(random(50));
            redis.set(name, bytes)
        }
        5 => {
            let text = String::from_utf8_lossy(&stored).replace("\"n\":", "\"n\":99999999");
            redis.set(name, text)
        }
        _ => redis.set(name, vec![b' '; 20_000_000]),
    };
    done.expect("a spoilt key");
}

#[test]
fn secrets_stay_secret() {
    let redis = Redis::options().set("requirepass", "hunter2").start();
    let password = redis.directory().join("password");
    std::fs::write(&password, "hunter2\n").expect("a password file");
    let options = Cluster::with_test_settings().set(
        "inventory_perf.redis_password_file",
        &format!("'{}'", password.display()),
    );
    let extension = Extension::start(&redis.url(), options, COUNTERS);
    let mut client = extension.connect();
    client.run("CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA inventory_perf TO clerk");
    let deadline = Instant::now() + PATIENCE;
    let entries = || valid_entries(&mut redis.connect(), &extension.database).len();
    while entries() == 0 {
        read(&mut client, 7);
        assert!(
            Instant::now() < deadline,
            "nothing was cached with a password"
        );
    }

    let mut clerk = extension.cluster.connect_as("clerk", &extension.database);
    for setting in ["redis_url", "redis_password_file", "redis_key_file"] {
        let name = format!("inventory_perf.{setting}");
        for question in [
            format!("SHOW {name}"),
            format!("SELECT current_setting('{name}')"),
        ] {
            let refusal = clerk.refusal_code(&question);
            assert_eq!(refusal, SqlState::INSUFFICIENT_PRIVILEGE, "{question}");
        }
        let seen =
            format!("SELECT count(*) FROM pg_settings WHERE name = '{name}' AND setting <> ''");
        assert_eq!(clerk.ask::<i64>(&seen), 0, "{name}");
        let refusal = clerk.refusal_code(&format!("SET {name} = 'x'"));
        assert!(
            [
                SqlState::INSUFFICIENT_PRIVILEGE,
                SqlState::CANT_CHANGE_RUNTIME_PARAM
            ]
            .contains(&refusal),
            "{name}: {refusal:?}"
        );
    }
    for relation in [
        "cache_outbox",
        "cache_state",
        "cache_entries",
        "cache_stamps",
    ] {
        let refusal = clerk.refusal_code(&format!("TABLE inventory_perf.{relation}"));
        assert_eq!(refusal, SqlState::INSUFFICIENT_PRIVILEGE, "{relation}");
    }
    for call in [
        "cache_get('counter:7')",
        "cache_set('counter:7', '1', '60 s', '{}')",
        "cache_exists('counter:7')",
        "invalidate_keys('counter:7')",
        "invalidate_tags('counter:7')",
        "invalidate_pattern('*')",
        "cache_delete('counter:7')",
        "cache_flush()",
        "deliver_invalidations()",
        "cache_health()",
    ] {
        let refusal = clerk.refusal_code(&format!("SELECT inventory_perf.{call}"));
        assert_eq!(refusal, SqlState::INSUFFICIENT_PRIVILEGE, "{call}");
    }

    // A wrong password is told of, without it.
    std::fs::write(&password, "hunter3\n").expect("a password file");
    redis.restart();
    thread::sleep(Duration::from_millis(300));
    read(&mut client, 7);
    let health: Vec<String> = client.rows("SELECT * FROM inventory_perf.cache_health()");
    let log = std::fs::read_to_string(extension.cluster.log_file()).expect("the log");
    for text in [health.concat(), log] {
        assert!(!text.contains("hunter"), "{text}");
    }
}

#[test]
fn nobody_reads_the_rows_of_another() {
    let site = Site::new(&[]);
    let mut client = site.extension.connect();
    client.run(
        "CREATE ROLE anne LOGIN; CREATE ROLE bert LOGIN; CREATE ROLE carl LOGIN;
         CREATE TABLE public.orders (tenant text, item text);
         INSERT INTO public.orders VALUES ('anne', 'a'), ('bert', 'b'), ('x', 'in x'), ('y', 'in y');
         ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON public.orders
             USING (tenant IN (current_user, current_setting('app.tenant', true)));
         GRANT SELECT ON public.orders TO anne, bert;
         GRANT USAGE ON SCHEMA inventory_perf TO anne, bert, carl;
         SELECT inventory_perf.invalidate_on_change('public.orders');",
    );
    let connect = |role: &str| {
        site.extension
            .cluster
            .connect_as(role, &site.extension.database)
    };
    let question =
        "SELECT coalesce(string_agg(answer ->> 'item', ',' ORDER BY answer ->> 'item'), '')
                    FROM inventory_perf.cached_query('SELECT item FROM public.orders') AS answer";
    let (mut anne, mut bert, mut carl) = (connect("anne"), connect("bert"), connect("carl"));
    site.wait("good entries", || {
        assert_eq!(anne.ask::<String>(question), "a");
        assert_eq!(bert.ask::<String>(question), "b");
        valid_entries(&mut site.redis.connect(), &site.extension.database).len() >= 2
    });
    for _ in 0..3 {
        assert_eq!(anne.ask::<String>(question), "a");
        assert_eq!(bert.ask::<String>(question), "b");
        assert_eq!(client.ask::<String>(question), "a,b,in x,in y");
        assert_eq!(
            carl.refusal_code(question),
            SqlState::INSUFFICIENT_PRIVILEGE
        );
        anne.run("SET app.tenant = 'x'");
        assert_eq!(anne.ask::<String>(question), "a,in x");
        anne.run("SET app.tenant = 'y'");
        assert_eq!(anne.ask::<String>(question), "a,in y");
        anne.run("SET app.tenant = ''");
    }
    client.run("REVOKE SELECT ON public.orders FROM bert");
    assert_eq!(
        bert.refusal_code(question),
        SqlState::INSUFFICIENT_PRIVILEGE
    );
}
