use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

use super::guardian::{Guardian, new_directory};
use super::program::{run, server_program};

/// Only names the socket file: the server listens on no TCP port.
const PORT: &str = "5432";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Settings of a test server: no disk flushes, everything else that a test may need switched on.
const TEST_SETTINGS: &[(&str, &str)] = &[
    ("autovacuum_naptime", "5s"),
    ("checkpoint_timeout", "30min"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("jit", "off"),
    ("listen_addresses", "''"),
    ("log_line_prefix", "'%m [%p] %a: '"),
    ("max_connections", "100"),
    ("max_prepared_transactions", "10"),
    ("max_wal_senders", "4"),
    ("max_wal_size", "4GB"),
    ("wal_level", "replica"),
];

pub struct ClusterOptions {
    settings: Vec<(String, String)>,
}

impl ClusterOptions {
    /// Adds a line to `postgresql.conf`; later settings win over earlier ones and over the defaults.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn start(self) -> Cluster {
        let cluster = Cluster::in_new_directory();
        run(server_program("initdb")
            .args([
                "--username",
                "postgres",
                "--auth",
                "trust",
                "--encoding",
                "UTF8",
            ])
            .args(["--no-locale", "--no-sync", "--pgdata"])
            .arg(cluster.data_directory()));
        cluster.append_settings(&self.settings);
        cluster.start();
        cluster
    }
}

/// A running server. Dropping it stops the server and deletes its directory.
pub struct Cluster {
    directory: PathBuf,
    postmaster: Mutex<Option<Child>>,
    guardian: Guardian,
    databases: AtomicU32,
}

impl Cluster {
    pub fn with_test_settings() -> ClusterOptions {
        let settings = TEST_SETTINGS
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ClusterOptions {
            settings: settings.collect(),
        }
    }

    /// Only what a server needs to be unreachable from outside; the rest is PostgreSQL's default.
    pub fn with_default_settings() -> ClusterOptions {
        ClusterOptions {
            settings: Vec::new(),
        }
        .set("listen_addresses", "''")
    }

    fn in_new_directory() -> Self {
        let (directory, guardian) = new_directory();
        Self {
            directory,
            postmaster: Mutex::new(None),
            guardian,
            databases: AtomicU32::new(0),
        }
    }

    /// Where the socket is: the host name that clients use.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn data_directory(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub fn log_file(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    pub fn append_settings(&self, settings: &[(String, String)]) {
        let path = self.data_directory().join("postgresql.conf");
        let mut file = OpenOptions::new()
            .append(true)
            .open(&path)
            .expect("open postgresql.conf");
        for (name, value) in settings {
            writeln!(file, "{name} = {value}").expect("write postgresql.conf");
        }
    }

    /// Starts the server and waits until it answers.
    pub fn start(&self) {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let mut postmaster = self.spawn_postmaster();
            loop {
                if self.config("postgres").connect(NoTls).is_ok() {
                    *self.lock_postmaster() = Some(postmaster);
                    return;
                }
                if postmaster.try_wait().expect("look at the server").is_some() {
                    break;
                }
                if Instant::now() > deadline {
                    postmaster
                        .kill()
                        .expect("kill a server that does not answer");
                    panic!("the server does not answer:\n{}", self.log_tail());
                }
                thread::sleep(Duration::from_millis(20));
            }
            // After a kill the orphaned backends hold the shared memory for a moment.
            let retry = self.log_tail().contains("is still in use");
            assert!(
                retry && Instant::now() < deadline,
                "no server:\n{}",
                self.log_tail()
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn spawn_postmaster(&self) -> Child {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())
            .expect("open the server's log");
        server_program("postgres")
            .arg("-D")
            .arg(self.data_directory())
            .arg("-k")
            .arg(&self.directory)
            .args(["-p", PORT])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("share the server's log"))
            .stderr(log)
            // An interrupt typed at the terminal is for the test program; the guardian follows.
            .process_group(0)
            .spawn()
            .expect("start postgres")
    }

    /// Stops the server in the given mode of `pg_ctl`: smart, fast or immediate.
    pub fn stop(&self, mode: &str) {
        if let Some(mut postmaster) = self.lock_postmaster().take() {
            let mut command = server_program("pg_ctl");
            command.args(["stop", "--silent", "--mode", mode, "--pgdata"]);
            run(command.arg(self.data_directory()));
            postmaster.wait().expect("wait for the server's end");
        }
    }

    pub fn restart(&self) {
        self.stop("fast");
        self.start();
    }

    /// Kills the postmaster as a crash would: with a signal that it cannot catch.
    pub fn kill(&self) {
        if let Some(mut postmaster) = self.lock_postmaster().take() {
            postmaster.kill().expect("kill the postmaster");
            postmaster.wait().expect("wait for the postmaster's end");
        }
    }

    fn lock_postmaster(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        // A panic of another thread does not change which process serves.
        self.postmaster
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host_path(&self.directory)
            .port(PORT.parse().expect("a port number"))
            .user("postgres")
            .dbname(database);
        config
    }

    pub fn connect(&self, database: &str) -> Client {
        self.connect_as("postgres", database)
    }

    pub fn connect_as(&self, role: &str, database: &str) -> Client {
        self.config(database)
            .user(role)
            .connect(NoTls)
            .unwrap_or_else(|error| panic!("cannot connect to {database} as {role}: {error:?}"))
    }

    /// And what the server tells this client, as it is told.
    pub fn connect_hearing(&self, database: &str) -> (Client, Arc<Mutex<Vec<String>>>) {
        let messages = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&messages);
        let client = self
            .config(database)
            .notice_callback(move |notice| {
                let mut messages = heard.lock().expect("the messages");
                messages.push(notice.message().to_owned());
            })
            .connect(NoTls)
            .unwrap_or_else(|error| panic!("cannot connect to {database}: {error:?}"));
        (client, messages)
    }

    /// Creates an empty database and returns its name.
    pub fn empty_database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.connect("postgres")
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .unwrap_or_else(|error| panic!("cannot create {name}: {error:?}"));
        name
    }

    /// Creates a database with the extension in it and returns its name.
    pub fn database(&self) -> String {
        let name = self.empty_database();
        self.connect(&name)
            .batch_execute("CREATE EXTENSION inventory_perf")
            .unwrap_or_else(|error| panic!("cannot create the extension: {error:?}"));
        name
    }

    /// A client program (`psql`, `pg_dump`, `pgbench`, …) that talks to this server.
    pub fn client_program(&self, name: &str) -> Command {
        let mut command = server_program(name);
        command
            .env("PGHOST", &self.directory)
            .env("PGPORT", PORT)
            .env("PGUSER", "postgres");
        command
    }

    /// Restores a dump of one database, as plain text, into another one, which is empty.
    pub fn copy_by_dump(&self, source: &str, target: &str) {
        let file = self.directory.join(format!("{source}.sql"));
        run(self
            .client_program("pg_dump")
            .arg("--file")
            .arg(&file)
            .arg(source));
        run(self
            .client_program("psql")
            .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"])
            .args(["--dbname", target, "--file"])
            .arg(&file));
    }

    /// A hot standby that streams from this server.
    pub fn standby(&self) -> Cluster {
        let standby = Self::in_new_directory();
        run(self
            .client_program("pg_basebackup")
            .args([
                "--checkpoint",
                "fast",
                "--wal-method",
                "stream",
                "--no-sync",
            ])
            .args(["--write-recovery-conf", "--pgdata"])
            .arg(standby.data_directory()));
        standby.start();
        standby
    }

    /// Waits until this standby has replayed everything that `primary` has written so far.
    pub fn wait_for_replay_of(&self, primary: &Cluster) {
        let position: String = primary
            .connect("postgres")
            .query_one("SELECT pg_current_wal_insert_lsn()::text", &[])
            .expect("ask for the primary's position")
            .get(0);
        let mut client = self.connect("postgres");
        let deadline = Instant::now() + START_TIMEOUT;
        let reached = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn");
        while !client
            .query_one(&reached, &[])
            .expect("ask for the replay")
            .get::<_, bool>(0)
        {
            assert!(
                Instant::now() < deadline,
                "the standby never reached {position}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The last lines of the server's log.
    pub fn log_tail(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the end of the server's log:\n{}", self.log_tail());
        }
        // Without the postmaster's end to wait for, the guardian only has to delete.
        if let Some(mut postmaster) = self.lock_postmaster().take() {
            let mut command = server_program("pg_ctl");
            command.args(["stop", "--silent", "--mode", "immediate", "--pgdata"]);
            if command
                .arg(self.data_directory())
                .status()
                .is_ok_and(|status| status.success())
            {
                let _ = postmaster.wait();
            } else {
                let _ = postmaster.kill();
                let _ = postmaster.wait();
            }
        }
        self.guardian.release();
    }
}
