//! The cache without Redis, in tables: many sessions at once, and never more than its size.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster};
use postgres::Client;
use postgres::error::SqlState;

const MB: i64 = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that nobody else uses: whether a value is stored hangs on every transaction in it.
fn cluster() -> Cluster {
    Cluster::with_test_settings()
        .set("inventory_perf.cache_table_size", "'1MB'")
        .start()
}

fn open(cluster: &Cluster, database: &str) -> Client {
    let mut client = cluster.connect(database);
    client.run("SET search_path = inventory_perf, public");
    client
}

/// Stores an entry under 'k'. A new name needs a second attempt, or more while others write.
fn store(client: &mut Client, arguments: &str) {
    let deadline = Instant::now() + PATIENCE;
    while {
        client.run("SELECT cache_get('k')");
        !client.ask::<bool>(&format!("SELECT cache_set({arguments})"))
    } {
        assert!(Instant::now() < deadline, "never stored");
    }
}

fn misses(client: &mut Client, reason: &str) -> i64 {
    client.ask(&format!(
        "SELECT (misses_by_reason ->> '{reason}')::bigint FROM cache_stats"
    ))
}

#[test]
fn the_first_value_after_an_invalidation_is_stored() {
    let cluster = cluster();
    let database = cluster.database();
    let mut client = open(&cluster, &database);
    client.run("SELECT deliver_invalidations()");
    store(&mut client, "'k', '0', '10 min', '{t}'");
    let mut refused = 0;
    for (number, call) in [
        "invalidate_keys('k')",
        "invalidate_tags('t')",
        "invalidate_pattern('k*')",
    ]
    .into_iter()
    .enumerate()
    {
        client.run(&format!("SELECT {call}"));
        client.run("SELECT deliver_invalidations()");
        let value: Option<String> = client.ask("SELECT cache_get('k')::text");
        assert_eq!(value, None, "{call}");
        // only autovacuum can be in the way
        let set = format!("SELECT cache_set('k', '{number}', '10 min', '{{t}}')");
        while !client.ask::<bool>(&set) {
            refused += 1;
            assert!(refused < 3, "stored only the second time");
            client.run("SELECT cache_get('k')");
        }
        let value: String = client.ask("SELECT cache_get('k')::text");
        assert_eq!(value, number.to_string(), "{call}");
    }

    // a change after the miss, which is delivered before the value is stored
    client.run("SELECT invalidate_keys('k')");
    client.run("SELECT deliver_invalidations()");
    client.run("SELECT cache_get('k')");
    let mut other = open(&cluster, &database);
    other.run("SELECT invalidate_tags('t')");
    other.run("SELECT deliver_invalidations()");
    assert!(!client.ask::<bool>("SELECT cache_set('k', '9', '10 min', '{t}')"));
    let value: Option<String> = client.ask("SELECT cache_get('k')::text");
    assert_eq!(value, None);
}

#[test]
fn what_has_expired_is_counted_as_that() {
    let cluster = cluster();
    let database = cluster.database();
    let mut client = open(&cluster, &database);
    client.run("SELECT deliver_invalidations()");
    store(&mut client, "'k', '1', '1 ms'");
    thread::sleep(Duration::from_millis(20));
    let absent = misses(&mut client, "absent");
    client.run("SELECT cache_get('k')");
    client.run("SELECT * FROM cache_get_many('{k,none}')");
    assert_eq!(misses(&mut client, "expired"), 2);
    assert_eq!(misses(&mut client, "absent"), absent + 1);
    // a stamp is good for as long as it is there
    client.run("UPDATE cache_stamps SET expires_at = '2001-01-01'");
    store(&mut client, "'k', '2', '10 min'");
    assert_eq!(client.ask::<String>("SELECT cache_get('k')::text"), "2");
}

/// What many sessions see and do at once.
struct Load {
    committed: Vec<AtomicU64>,
    ended: AtomicBool,
    hits: AtomicU64,
    stored: AtomicU64,
}

/// Their values are some 2,500 bytes each, so more than there is room for.
const KEYS: usize = 600;
const LARGEST: i64 = 5_000;

impl Load {
    fn goes_on(&self) -> bool {
        !self.ended.load(Ordering::SeqCst)
    }

    fn choose(&self) -> usize {
        rand::random_range(0..KEYS)
    }

    /// Reads values under keys, and stores what is missing.
    fn read(&self, client: &mut Client) {
        let store = client
            .prepare(
                "WITH computed AS MATERIALIZED (
                     SELECT jsonb_build_object('n', n, 'pad', (
                         SELECT string_agg(md5(random()::text || i), '')
                         FROM generate_series(1, 20 + id % 110) i)) AS value
                     FROM public.counts WHERE id = $1)
                 SELECT (value ->> 'n')::bigint, cache_set('count:' || $1::int, value, '10 min')
                 FROM computed",
            )
            .expect("a statement");
        let get = client
            .prepare("SELECT (cache_get('count:' || $1::int) ->> 'n')::bigint")
            .expect("a statement");
        while self.goes_on() {
            let key = self.choose();
            let id = i32::try_from(key).expect("a small number");
            let floor = self.committed[key].load(Ordering::SeqCst);
            let found: Option<i64> = client.query_one(&get, &[&id]).expect("cache_get").get(0);
            let value = match found {
                Some(value) => {
                    self.hits.fetch_add(1, Ordering::Relaxed);
                    value
                }
                None => {
                    let row = client.query_one(&store, &[&id]).expect("cache_set");
                    let stored: bool = row.get(1);
                    self.stored.fetch_add(u64::from(stored), Ordering::Relaxed);
                    row.get(0)
                }
            };
            assert!(value as u64 >= floor, "key {key} was {floor}, not {value}");
        }
    }

    fn write(&self, client: &mut Client) {
        while self.goes_on() {
            let key = self.choose();
            let value: i64 = client.ask(&format!(
                "UPDATE public.counts SET n = n + 1 WHERE id = {key} RETURNING n"
            ));
            self.committed[key].fetch_max(value as u64, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn deliver(&self, client: &mut Client) {
        while self.goes_on() {
            match client.batch_execute("SELECT deliver_invalidations()") {
                Ok(()) => {}
                // another one makes the epoch
                Err(error) => assert_eq!(error.code(), Some(&SqlState::LOCK_NOT_AVAILABLE)),
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The largest size that was seen, until so many values were stored and the cache was full.
    fn watch(&self, client: &mut Client, values: u64) -> i64 {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut largest = 0;
        while self.goes_on()
            && (self.stored.load(Ordering::Relaxed) < values || largest <= MB * 7 / 8)
        {
            let stored = self.stored.load(Ordering::Relaxed);
            assert!(
                Instant::now() < deadline,
                "{stored} stored, {largest} bytes"
            );
            largest = largest.max(client.ask(SIZE));
            thread::sleep(Duration::from_millis(10));
        }
        self.ended.store(true, Ordering::SeqCst);
        largest
    }
}

const SIZE: &str = "SELECT coalesce(sum(octet_length(value) + 200), 0)::bigint FROM cache_entries";

/// Ends the others as well when its thread panics.
struct Ending<'a>(&'a Load);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.ended.store(true, Ordering::SeqCst);
        }
    }
}

#[test]
fn many_sessions_never_fill_it_above_its_size() {
    let cluster = cluster();
    let database = cluster.database();
    let mut client = open(&cluster, &database);
    client.run(&format!(
        "CREATE TABLE public.counts (id int PRIMARY KEY, n bigint NOT NULL);
         INSERT INTO public.counts SELECT i, 0 FROM generate_series(0, {KEYS}) i;
         SELECT invalidate_on_change('public.counts', keys => ARRAY['count:{{id}}'])"
    ));
    client.run("SELECT deliver_invalidations()");
    let load = Load {
        committed: (0..KEYS).map(|_| AtomicU64::new(0)).collect(),
        ended: AtomicBool::new(false),
        hits: AtomicU64::new(0),
        stored: AtomicU64::new(0),
    };
    let session = |work: fn(&Load, &mut Client)| {
        let _ending = Ending(&load);
        work(&load, &mut open(&cluster, &database));
    };
    let largest = thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| session(Load::read));
        }
        for _ in 0..2 {
            scope.spawn(|| session(Load::write));
            scope.spawn(|| session(Load::deliver));
        }
        load.watch(&mut client, 2_000)
    });
    let (hits, stored) = (load.hits.into_inner(), load.stored.into_inner());
    println!("{hits} hits, {stored} stored, at most {largest} bytes");
    assert!(largest <= MB + MB / 8 + LARGEST, "{largest} bytes");
    assert!(hits > 100, "too few hits");
    // what was evicted last is the oldest, and what is left is most of the size
    let left: i64 = client.ask(SIZE);
    assert!(left > MB * 3 / 4, "{left} bytes are left");
}

/// Entries that are large for the size, and a call with many of them.
#[test]
fn large_entries_make_room_as_well() {
    let cluster = cluster();
    let database = cluster.database();
    let mut client = open(&cluster, &database);
    client.run("SET inventory_perf.cache_max_entry_size = '1MB'");
    client.run("SELECT deliver_invalidations()");
    let value = "(SELECT to_jsonb(string_agg(md5(random()::text || i), '')) FROM generate_series(1, 12000) i)";
    let deadline = Instant::now() + PATIENCE;
    for number in 0..12 {
        let key = format!("large:{number}");
        while {
            client.run(&format!("SELECT cache_get('{key}')"));
            !client.ask::<bool>(&format!("SELECT cache_set('{key}', {value}, '10 min')"))
        } {
            assert!(Instant::now() < deadline, "{key} is never stored");
        }
        let size: i64 = client.ask(SIZE);
        assert!(size <= MB, "{size} bytes after {key}");
        assert!(client.ask::<bool>(&format!("SELECT cache_exists('{key}')")));
    }
}
