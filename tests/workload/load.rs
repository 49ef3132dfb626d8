//! Sessions that work on one ledger at the same time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use postgres::error::{Error, SqlState};
use rand::Rng;
use rand::rngs::StdRng;

use super::comparison::{Comparison, compare};
use super::plan::{self, MOST_WRITERS};
use super::shape::Shape;
use super::{generator, values};
use crate::common::Cluster;

const PAUSE: Duration = Duration::from_millis(10);

/// How much work is done at a time, and for how long.
#[derive(Clone, Copy)]
pub struct Scale {
    pub writers: usize,
    pub folders: usize,
    pub comparers: usize,
    pub duration: Duration,
    /// The work goes on beyond its duration until so many comparisons were made.
    pub comparisons: u64,
}

/// What was done; counted so that a test can refuse a run that did too little.
#[derive(Debug, Default)]
pub struct Outcome {
    pub transactions: AtomicU64,
    pub refused_transactions: AtomicU64,
    pub truncations: AtomicU64,
    pub folds: AtomicU64,
    pub deltas_folded: AtomicU64,
    pub comparisons: AtomicU64,
    pub comparisons_of_something: AtomicU64,
}

pub struct Load<'a> {
    pub cluster: &'a Cluster,
    /// Where the comparers read: the cluster itself unless a standby is to answer.
    pub readers: &'a Cluster,
    pub database: String,
    pub shape: &'static Shape,
    pub seed: u64,
    pub outcome: Outcome,
    /// Of the server, such as 150004.
    version: i32,
    attached: AtomicBool,
    stopped: AtomicBool,
    failure: Mutex<Option<String>>,
}

/// Why a session ended before it was told to.
pub enum Ending {
    Refused(Error),
    Wrong(String),
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl<'a> Load<'a> {
    /// Creates the ledger with some rows in it, not attached yet.
    pub fn new(cluster: &'a Cluster, database: String, shape: &'static Shape, seed: u64) -> Self {
        let mut client = cluster.connect(&database);
        let mut rng = generator(seed, shape, "filling");
        let filling = plan::filling(&mut rng, shape, 300);
        for sql in [shape.create, &plan::documents(shape), &filling] {
            client
                .batch_execute(sql)
                .unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
        }
        let load = Self::restored(cluster, database, shape, seed);
        load.attached.store(false, Relaxed);
        load
    }

    /// A load on a ledger that is there and attached already.
    pub fn restored(
        cluster: &'a Cluster,
        database: String,
        shape: &'static Shape,
        seed: u64,
    ) -> Self {
        Self {
            cluster,
            readers: cluster,
            shape,
            seed,
            outcome: Outcome::default(),
            version: version(cluster, &database),
            database,
            attached: AtomicBool::new(true),
            stopped: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// The same with the ledger attached.
    pub fn attached(
        cluster: &'a Cluster,
        database: String,
        shape: &'static Shape,
        seed: u64,
    ) -> Self {
        let load = Self::new(cluster, database, shape, seed);
        load.attach(shape.attach);
        load
    }

    /// Runs the statements that attach the ledger; folders and comparers wait for it.
    pub fn attach(&self, sql: &str) {
        let mut client = self.cluster.connect(&self.database);
        client
            .batch_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
        self.attached.store(true, Relaxed);
    }

    /// Whether one MERGE cannot insert and update rows: from PostgreSQL 16 on the triggers of a
    /// partitioned table see wrong rows of it.
    pub fn refuses_merge(&self) -> bool {
        self.version >= 160_000 && self.shape.is_partitioned()
    }

    pub fn is_attached(&self) -> bool {
        self.attached.load(Relaxed)
    }

    pub fn goes_on(&self) -> bool {
        !self.stopped.load(Relaxed)
    }

    /// Runs all sessions, `meanwhile` beside them, and panics when any of them failed.
    pub fn run(&self, scale: Scale, meanwhile: impl FnOnce()) {
        self.run_sessions(scale, false, meanwhile);
    }

    /// The same, until `crash` has taken the server down; what the sessions were doing then is lost
    /// and no failure.
    pub fn run_into_a_crash(&self, scale: Scale, crash: impl FnOnce()) {
        self.run_sessions(scale, true, crash);
    }

    fn run_sessions(&self, scale: Scale, into_a_crash: bool, meanwhile: impl FnOnce()) {
        assert!(
            scale.writers <= MOST_WRITERS,
            "there are documents for {MOST_WRITERS} writers"
        );
        self.stopped.store(false, Relaxed);
        let end = |name: &str, session: Result<(), Ending>| match session {
            Ok(()) => {}
            Err(Ending::Refused(error)) if into_a_crash && is_lost_connection(&error) => {}
            Err(Ending::Refused(error)) => self.fail(format!("{name}: {error:?}")),
            Err(Ending::Wrong(message)) => self.fail(format!("{name}: {message}")),
        };
        let end = &end;
        thread::scope(|scope| {
            let start =
                |name: String, work: fn(&Self, &str, usize) -> Result<(), Ending>, number| {
                    scope.spawn(move || end(&name, work(self, &name, number)));
                };
            for number in 1..=scale.writers {
                start(format!("writer {number}"), Self::write, number);
            }
            for number in 1..=scale.folders {
                start(format!("folder {number}"), Self::fold, number);
            }
            for number in 1..=scale.comparers {
                start(format!("comparer {number}"), Self::compare, number);
            }
            start("watcher".to_owned(), Self::watch, 0);

            let began = Instant::now();
            // Whatever panics here must stop the sessions, or the scope would wait for ever.
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile)).err();
            while panic.is_none() && !into_a_crash && self.goes_on() {
                let elapsed = began.elapsed();
                let enough = self.outcome.comparisons.load(Relaxed) >= scale.comparisons;
                if elapsed >= scale.duration && enough || elapsed >= scale.duration * 8 {
                    break;
                }
                thread::sleep(PAUSE);
            }
            self.stopped.store(true, Relaxed);
            if let Some(panic) = panic {
                std::panic::resume_unwind(panic);
            }
        });
        let failure = self
            .failure
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take();
        if let Some(message) = failure {
            panic!(
                "INVENTORY_PERF_SEED={}, {}: {message}",
                self.seed, self.shape.name
            );
        }
    }

    fn fail(&self, message: String) {
        self.stopped.store(true, Relaxed);
        let mut failure = self
            .failure
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        failure.get_or_insert(message);
    }

    pub fn session(&self, cluster: &Cluster, name: &str) -> Result<(Client, StdRng), Error> {
        let mut client = cluster
            .config(&self.database)
            .application_name(name)
            .connect(postgres::NoTls)?;
        client.batch_execute("SET statement_timeout = '120s'; SET deadlock_timeout = '100ms'")?;
        Ok((client, generator(self.seed, self.shape, name)))
    }

    fn fold(&self, name: &str, _: usize) -> Result<(), Ending> {
        let (mut client, mut rng) = self.session(self.cluster, name)?;
        let ledger = self.shape.regclass();
        while self.goes_on() {
            if !self.is_attached() {
                thread::sleep(PAUSE);
                continue;
            }
            let call = match (rng.random_range(0..20), self.shape.tenant) {
                (0, _) => format!("populate_daily_stock_snapshots({ledger})"),
                (1, _) => {
                    let until = values::any_day(&mut rng);
                    format!("populate_daily_stock_snapshots({ledger}, '{until}')")
                }
                (2, Some(tenant)) => {
                    let tenant = tenant(&mut rng);
                    let start = values::day_of(&mut rng, 2023..=2024, 1..=12);
                    let call = format!(
                        "SELECT inventory_perf.populate_daily_stock_snapshots\
                         ({tenant}, '{start}'::date, '{start}'::date + 40)"
                    );
                    self.expect_no_refusal(&mut client, &call)?;
                    continue;
                }
                (3, _) => {
                    self.repair(&mut client)?;
                    continue;
                }
                (4, _) => {
                    let call = if rng.random_ratio(1, 10) {
                        format!("SELECT inventory_perf.rebuild_ledger({ledger})")
                    } else {
                        "VACUUM".to_owned()
                    };
                    self.expect_no_refusal(&mut client, &call)?;
                    continue;
                }
                _ => "populate_daily_stock_snapshots()".to_owned(),
            };
            let call = format!("SELECT sum(deltas_folded)::bigint FROM inventory_perf.{call}");
            let undone = rng.random_ratio(1, 10);
            let pause = Duration::from_millis(rng.random_range(0..40));
            match self.fold_once(&mut client, &call, undone, pause) {
                Err(error) if is_deadlock_with_truncate(&error) => {
                    client.batch_execute("ROLLBACK")?;
                }
                Err(error) => return Err(error.into()),
                Ok(_) if undone => {}
                Ok(deltas) => {
                    self.outcome.folds.fetch_add(1, Relaxed);
                    self.outcome.deltas_folded.fetch_add(deltas, Relaxed);
                }
            }
            thread::sleep(pause);
        }
        Ok(())
    }

    /// Folds in a transaction that is kept open for a while: the others must not notice.
    fn fold_once(
        &self,
        client: &mut Client,
        call: &str,
        undone: bool,
        pause: Duration,
    ) -> Result<u64, Error> {
        let mut transaction = client.transaction()?;
        let deltas: Option<i64> = transaction.query_one(call, &[])?.get(0);
        thread::sleep(pause);
        if undone {
            transaction.rollback()?
        } else {
            transaction.commit()?
        }
        Ok(u64::try_from(deltas.unwrap_or(0)).unwrap_or(0))
    }

    fn repair(&self, client: &mut Client) -> Result<(), Ending> {
        let call = format!(
            "SELECT inventory_perf.repair_ledger({})",
            self.shape.regclass()
        );
        match client.query_one(&call, &[]) {
            Ok(row) if row.get::<_, i64>(0) == 0 => Ok(()),
            Ok(row) => {
                let days: i64 = row.get(0);
                Err(Ending::Wrong(format!(
                    "repair_ledger changed {days} days of an exact ledger"
                )))
            }
            Err(error) if is_deadlock_with_truncate(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn expect_no_refusal(&self, client: &mut Client, sql: &str) -> Result<(), Ending> {
        match client.batch_execute(sql) {
            Err(error) if !is_deadlock_with_truncate(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn compare(&self, name: &str, _: usize) -> Result<(), Ending> {
        let (mut client, mut rng) = self.session(self.readers, name)?;
        while self.goes_on() {
            if !self.is_attached() {
                thread::sleep(PAUSE);
                continue;
            }
            match self.compare_in_one_snapshot(&mut client, &mut rng) {
                Err(Ending::Refused(error))
                    if is_deadlock_with_truncate(&error) || is_older_than_storage(&error) =>
                {
                    client.batch_execute("ROLLBACK")?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Several questions to one snapshot, which grows old while others write and fold.
    fn compare_in_one_snapshot(&self, client: &mut Client, rng: &mut StdRng) -> Result<(), Ending> {
        let isolation = [
            "REPEATABLE READ",
            "REPEATABLE READ, READ ONLY",
            "READ COMMITTED, READ ONLY",
        ][rng.random_range(0..3)];
        client.batch_execute(&format!("BEGIN ISOLATION LEVEL {isolation}"))?;
        for setting in self.plan_settings(rng) {
            client.batch_execute(&format!("SET LOCAL {setting}"))?;
        }
        // TRUNCATE is not multi-version: without the lock it could empty a snapshot taken before.
        client.batch_execute(&format!(
            "LOCK TABLE {} IN ACCESS SHARE MODE",
            self.shape.ledger
        ))?;
        for _ in 0..rng.random_range(1..=5) {
            self.compare_once(client, &Comparison::random(rng, self.shape))?;
            if rng.random_bool(0.2) {
                thread::sleep(Duration::from_millis(rng.random_range(0..60)));
            }
        }
        client.batch_execute("COMMIT")?;
        Ok(())
    }

    pub fn compare_once(&self, client: &mut Client, comparison: &Comparison) -> Result<(), Ending> {
        let compared = compare(client, comparison)?;
        self.outcome.comparisons.fetch_add(1, Relaxed);
        if compared.rows > 0 {
            self.outcome.comparisons_of_something.fetch_add(1, Relaxed);
        }
        match compared.difference {
            Some(difference) => Err(Ending::Wrong(difference)),
            None => Ok(()),
        }
    }

    /// No setting of the planner or of the session may change an answer.
    fn plan_settings(&self, rng: &mut StdRng) -> Vec<&'static str> {
        const SETTINGS: &[&str] = &[
            "enable_nestloop = off",
            "enable_hashjoin = off",
            "enable_mergejoin = off",
            "enable_hashagg = off",
            "enable_sort = off",
            "enable_indexscan = off",
            "enable_seqscan = off",
            "enable_bitmapscan = off",
            "plan_cache_mode = force_generic_plan",
            "work_mem = '64kB'",
            "TimeZone = 'America/Los_Angeles'",
            "TimeZone = 'Asia/Kathmandu'",
            "DateStyle = 'German'",
            "extra_float_digits = -15",
            "search_path = ''",
            "constraint_exclusion = on",
        ];
        (0..rng.random_range(0..3))
            .map(|_| SETTINGS[rng.random_range(0..SETTINGS.len())])
            .collect()
    }

    /// A writer that waits for somebody who folds or reads is a failure even if it ends well.
    fn watch(&self, name: &str, _: usize) -> Result<(), Ending> {
        const WAITING: &str = "
            SELECT waiting.application_name, waiting.query, blocking.application_name, blocking.query
            FROM pg_stat_activity AS waiting,
                 unnest(pg_blocking_pids(waiting.pid)) AS blocking_pid
                 JOIN pg_stat_activity AS blocking ON blocking.pid = blocking_pid
            WHERE waiting.datname = current_database() AND waiting.wait_event_type = 'Lock'
              AND waiting.application_name LIKE 'writer %'
              AND blocking.application_name NOT LIKE 'writer %'
              -- What waits for everybody, and what cuts the free end off a table.
              AND waiting.query !~ '^TRUNCATE' AND blocking.query <> 'VACUUM'
              -- A reader may wait for the storage to be filled anew, a writer may not.
              AND waiting.query !~ '^WITH every_leg'
              AND blocking.backend_type = 'client backend'";
        let (mut client, _) = self.session(self.cluster, name)?;
        while self.goes_on() {
            thread::sleep(PAUSE * 5);
            if !self.is_attached() {
                continue;
            }
            if let Some(row) = client.query_opt(&format!("{WAITING} LIMIT 1"), &[])? {
                let text = |column| row.get::<_, String>(column);
                let (waiting, waiting_query) = (text(0), text(1));
                let (blocking, blocking_query) = (text(2), text(3));
                return Err(Ending::Wrong(format!(
                    "{waiting} in {waiting_query}\nwaits for {blocking} in {blocking_query}"
                )));
            }
        }
        Ok(())
    }
}

fn version(cluster: &Cluster, database: &str) -> i32 {
    cluster
        .connect(database)
        .query_one("SELECT current_setting('server_version_num')::int", &[])
        .expect("ask for the version")
        .get(0)
}

fn is_lost_connection(error: &Error) -> bool {
    let closing = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
    ];
    error.code().is_none_or(|code| closing.contains(code))
}

/// A snapshot cannot see storage that was filled after it was taken.
pub fn is_older_than_storage(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| {
        *error.code() == SqlState::T_R_SERIALIZATION_FAILURE
            && error
                .message()
                .contains("were filled after this transaction's snapshot")
    })
}

/// A transaction that truncates, or rebuilds, wants every lock and cannot be kept from a deadlock.
pub fn is_deadlock_with_truncate(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| {
        *error.code() == SqlState::T_R_DEADLOCK_DETECTED
            && error
                .detail()
                .is_some_and(|detail| detail.contains("AccessExclusiveLock"))
    })
}
