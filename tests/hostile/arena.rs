//! A server with a victim and with those who are after it.
//!
//! `keeper` owns `shop` with its ledger, and does nothing wrong. `owner` owns `den` and may do what it
//! likes there; `stranger` may create in both schemas and in its own, `trap`; `guest` has a
//! connection and temporary tables, and a table in a schema where it may create nothing. `reader` and
//! `writer` use both ledgers, `passer` has nothing to do with any of them.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use postgres::Client;

use super::canary;
use super::common::{Ask, Cluster};
use super::exact::{Ledger, Verdict};
use super::server_log::{ServerLog, alarming};

pub const ROLES: [&str; 9] = [
    "keeper",
    "owner",
    "stranger",
    "guest",
    "reader",
    "writer",
    "passer",
    "member",
    "accomplice",
];

/// Those whose objects are theirs to give.
const HOSTILE: [&str; 5] = ["owner", "stranger", "guest", "member", "accomplice"];

/// Storage of a ledger. Only here are its names.
pub const STORAGE: [&str; 4] = [
    "stock_pending",
    "stock_days",
    "stock_openings",
    "stock_months",
];
pub const PENDING: &str = "stock_pending";
pub const MAPPING_VIEW: &str = "stock_mapped_moves";
pub const CAPTURE: &str = "00_inventory_perf_insert";

/// How long anybody may wait for somebody else's table; more under valgrind.
pub fn patience() -> Duration {
    let seconds = std::env::var("INVENTORY_PERF_HOSTILE_PATIENCE").ok();
    let seconds = seconds.map(|text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(20))
}

pub const SHOP: &str = "
    CREATE SCHEMA shop AUTHORIZATION keeper;
    CREATE SCHEMA den AUTHORIZATION owner;
    CREATE SCHEMA trap AUTHORIZATION stranger;
    CREATE SCHEMA yard;
    GRANT USAGE ON SCHEMA shop, den, trap, yard TO PUBLIC;
    GRANT CREATE ON SCHEMA shop, den TO stranger;
    GRANT CREATE ON SCHEMA den, trap TO accomplice;
    CREATE SCHEMA passing AUTHORIZATION passer;";

pub struct Arena {
    pub cluster: Arc<Cluster>,
    pub database: String,
    log: RefCell<ServerLog>,
    lines: RefCell<Vec<String>>,
    rights: RefCell<Vec<String>>,
}

/// What other threads need to connect.
pub struct Shared {
    config: postgres::Config,
}

impl Shared {
    pub fn try_connect(&self, role: &str, name: &str) -> Result<Client, postgres::Error> {
        let mut config = self.config.clone();
        config.user(role).application_name(name);
        let mut client = config.connect(postgres::NoTls)?;
        client.batch_execute(&format!(
            "SET statement_timeout = {}",
            patience().as_millis()
        ))?;
        Ok(client)
    }
}

impl Arena {
    pub fn shared(&self) -> Shared {
        Shared {
            config: self.cluster.config(&self.database),
        }
    }

    pub fn open() -> Self {
        Self::with(&[])
    }

    pub fn with(settings: &[(&str, &str)]) -> Self {
        let options = Cluster::with_test_settings()
            .set(
                "shared_preload_libraries",
                "'inventory_perf, pg_stat_statements'",
            )
            .set("log_line_prefix", "'%m [%p] %u %e %a: '")
            .set("max_worker_processes", "16")
            .set("inventory_perf.worker_naptime", "'1s'")
            .set("inventory_perf.fold_interval", "'1h'");
        let cluster = settings
            .iter()
            .fold(options, |options, (name, value)| options.set(name, value))
            .start();
        let mut superuser = cluster.connect("postgres");
        for role in ROLES {
            superuser.run(&format!("CREATE ROLE {role} LOGIN"));
        }
        for (role, member) in canary::GRANTED {
            superuser.run(&format!("GRANT {role} TO {member}"));
        }
        Self::on(Arc::new(cluster))
    }

    /// Another one in a database of its own, on the same server.
    pub fn beside(&self) -> Self {
        Self::on(Arc::clone(&self.cluster))
    }

    fn on(cluster: Arc<Cluster>) -> Self {
        let database = cluster.database();
        let mut superuser = cluster.connect(&database);
        superuser.run("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION hypopg");
        superuser.run(SHOP);
        let mut log = ServerLog::of(cluster.log_file());
        // What was said before was said of another one.
        log.new_lines();
        let arena = Self {
            cluster,
            database,
            log: RefCell::new(log),
            lines: RefCell::default(),
            rights: RefCell::default(),
        };
        for (schema, role) in [("den", "owner"), ("trap", "stranger")] {
            arena.as_role(role).run(&canary::functions(schema, role));
        }
        arena.open_ledger("shop", "keeper");
        arena.remember_rights();
        arena
    }

    /// The ledger of a schema: attached, with movements that are folded and some that are not.
    pub fn open_ledger(&self, schema: &str, owner: &str) {
        let mut client = self.as_role(owner);
        client.run(&ledger(schema));
        client.run(&format!(
            "SELECT inventory_perf.attach_ledger('{schema}.moves')"
        ));
        client.run(&format!(
            "SELECT inventory_perf.populate_daily_stock_snapshots('{schema}.moves');
             INSERT INTO {schema}.moves VALUES (2, 1, 3, '2024-02-10', 'late'), (3, 1, 4, '2024-03-01', '')"
        ));
    }

    /// The den's ledger with a partition for each of some products, and one for the rest.
    pub fn open_partitioned_ledger(&self) {
        let mut owner = self.as_role("owner");
        owner.run(&ledger("den").replace(
            "note text);",
            "note text) PARTITION BY LIST (product_id);
             CREATE TABLE den.rest PARTITION OF den.moves FOR VALUES IN (0);
             CREATE TABLE den.part_1 PARTITION OF den.moves FOR VALUES IN (1);
             CREATE TABLE den.part_2 PARTITION OF den.moves FOR VALUES IN (2);
             CREATE TABLE den.part_3 PARTITION OF den.moves FOR VALUES IN (3);
             CREATE TABLE den.part_4 PARTITION OF den.moves FOR VALUES IN (4);",
        ));
        owner.run("SELECT inventory_perf.attach_ledger('den.moves')");
    }

    pub fn as_role(&self, role: &str) -> Client {
        self.session(role, "trusting nobody")
    }

    /// A session that uses what hostile roles own.
    pub fn at_own_risk(&self, role: &str) -> Client {
        self.session(role, canary::AT_OWN_RISK)
    }

    fn session(&self, role: &str, name: &str) -> Client {
        let mut client = self
            .cluster
            .config(&self.database)
            .user(role)
            .application_name(name)
            .connect(postgres::NoTls)
            .unwrap_or_else(|error| panic!("cannot connect as {role}: {error:?}"));
        // Who waits for longer waits for somebody else's table.
        let limit = patience().as_millis();
        client.run(&format!("SET statement_timeout = {limit}"));
        client
    }

    /// Runs what may be refused; a server that goes away is found in its log.
    pub fn attempt(&self, client: &mut Client, sql: &str) -> Result<(), String> {
        client
            .batch_execute(sql)
            .map_err(|error| match error.as_db_error() {
                Some(refusal) => format!("{}: {}", refusal.code().code(), refusal.message()),
                None => error.to_string(),
            })
    }

    /// The same in a session of its own, which a crash of another one may have to wait for.
    pub fn attempt_as(&self, role: &str, sql: &str) -> Result<(), String> {
        let mut client = self.connect_again(role, "trusting nobody");
        self.attempt(&mut client, sql)
    }

    pub fn attempt_at_own_risk(&self, role: &str, sql: &str) -> Result<(), String> {
        let mut client = self.connect_again(role, canary::AT_OWN_RISK);
        self.attempt(&mut client, sql)
    }

    /// Waits while the server recovers.
    pub fn connect_again(&self, role: &str, name: &str) -> Client {
        let server = self.shared();
        let began = std::time::Instant::now();
        loop {
            match server.try_connect(role, name) {
                Ok(client) => return client,
                Err(error) => assert!(
                    began.elapsed() < Duration::from_secs(60),
                    "no server: {error:?}\n{}",
                    self.cluster.log_tail()
                ),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What is owned by whom, and what roles may do: that of everybody but the hostile ones.
    fn present_rights(&self) -> Vec<String> {
        self.connect_again("postgres", "judge")
            .rows(include_str!("rights.sql"))
    }

    fn read_log(&self) -> Vec<String> {
        let mut lines = self.lines.borrow_mut();
        lines.extend(self.log.borrow_mut().new_lines());
        lines.clone()
    }

    pub fn has_sung(&self) -> bool {
        canary::sang(&self.read_log())
    }

    /// Forgets what the log has said until now.
    /// What everybody may is as it should be now.
    pub fn remember_rights(&self) {
        self.rights.replace(self.present_rights());
    }

    pub fn forget_log(&self) {
        self.read_log();
        self.lines.borrow_mut().clear();
    }

    /// Crashes, panics and rights gained so far.
    pub fn troubles(&self) -> Vec<String> {
        let lines = self.read_log();
        let mut troubles: Vec<String> = alarming(&lines)
            .into_iter()
            .map(|line| format!("crash: {line}"))
            .collect();
        troubles.extend(
            canary::strayed(&lines)
                .into_iter()
                .map(|line| format!("right gained: {line}")),
        );
        let now = self.present_rights();
        let rights = self.rights.borrow();
        for right in now.iter().filter(|right| right.contains("role ")) {
            if !rights.contains(right) {
                troubles.push(format!("right gained: {right}"));
            }
        }
        // What is gone was dropped; what is there still has its owner.
        let owned = rights.iter().filter(|right| {
            right.contains("object ")
                && !HOSTILE
                    .iter()
                    .any(|role| right.contains(&format!(" of {role} ")))
        });
        for right in owned {
            let object = right.split(" of ").next().unwrap_or_default();
            let present = now
                .iter()
                .find(|present| present.starts_with(&format!("{object} of ")));
            if let Some(other) = present.filter(|other| *other != right) {
                troubles.push(format!("right gained: {right} is now {other}"));
            }
        }
        troubles
    }

    /// Asks as `role` in a snapshot of its own.
    pub fn verdict(&self, role: &str, ledger: &Ledger) -> Verdict {
        let mut client = self.connect_again(role, canary::AT_OWN_RISK);
        ledger
            .wrong_answers(&mut client)
            .unwrap_or_else(|error| Verdict {
                refusals: vec![error.to_string()],
                is_cut_off: true,
                ..Verdict::default()
            })
    }

    /// All three assertions, and that the victim's ledger still answers every question.
    pub fn judge(&self, what: &str) {
        let mut troubles = Vec::new();
        let den = self.verdict("reader", &Ledger::in_schema("den"));
        troubles.extend(
            den.wrong
                .into_iter()
                .map(|wrong| format!("not exact: {wrong}")),
        );
        troubles.extend(self.victims_troubles());
        troubles.extend(self.troubles());
        assert!(troubles.is_empty(), "{what}:\n{}", shown(&troubles));
    }

    /// Whoever else does what, its writers write, its readers read, and everybody makes tables.
    pub fn victims_troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        for (role, sql) in [
            (
                "writer",
                "INSERT INTO shop.moves VALUES (2, 1, 5, '2024-02-20', ''), (4, 2, 1, '2024-01-02', '')",
            ),
            (
                "writer",
                "UPDATE shop.moves SET quantity = quantity + 1 WHERE product_id = 4",
            ),
            (
                "passer",
                "CREATE TABLE passing.by (id int); ALTER TABLE passing.by ADD note text; DROP TABLE passing.by",
            ),
            (
                "keeper",
                "SELECT * FROM inventory_perf.populate_daily_stock_snapshots('shop.moves')",
            ),
        ] {
            if let Err(refusal) = self.attempt_as(role, sql) {
                troubles.push(format!("the victim is stopped: {sql}: {refusal}"));
            }
        }
        let verdict = self.verdict("reader", &Ledger::in_schema("shop"));
        troubles.extend(
            verdict
                .wrong
                .iter()
                .map(|wrong| format!("not exact: {wrong}")),
        );
        troubles.extend(
            verdict
                .refusals
                .iter()
                .map(|refusal| format!("the victim does not answer: {refusal}")),
        );
        troubles
    }
}

/// The SQL that makes a ledger in a schema, with movements of a quarter.
pub fn ledger(schema: &str) -> String {
    format!(
        "CREATE TABLE {schema}.moves (
             product_id int, location_id int, quantity bigint, moved_at date, note text);
         GRANT SELECT ON {schema}.moves TO reader, stranger;
         GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {schema}.moves TO writer;
         INSERT INTO {schema}.moves
         SELECT number % 5, number % 2, number % 7 - 2, date '2024-01-01' + number % 90, 'note ' || number
         FROM generate_series(1, 60) number;"
    )
}

/// Troubles of which each is told once, the worst first, and not all if they are many.
pub fn shown(troubles: &[String]) -> String {
    let mut different: Vec<&str> = Vec::new();
    for trouble in troubles {
        if !different.contains(&trouble.as_str()) {
            different.push(trouble);
        }
    }
    let mildness = |trouble: &&str| {
        let signs = ["crash: ", "right gained: ", "stopped", "does not answer"];
        signs
            .iter()
            .position(|sign| trouble.contains(sign))
            .unwrap_or(signs.len())
    };
    different.sort_by_key(mildness);
    let more = different.len().saturating_sub(5);
    different.truncate(5);
    let mut text = different.join("\n");
    if more > 0 {
        text += &format!("\n… and {more} more");
    }
    text
}
