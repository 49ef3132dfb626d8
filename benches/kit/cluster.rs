//! The throwaway server of the tests, with what the benches ask of it.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use postgres::Client;

use crate::common::Cluster;

pub struct Server {
    cluster: Cluster,
}

impl Server {
    pub fn start(settings: &[(&str, String)]) -> Self {
        let options = Cluster::with_default_settings();
        let options = settings.iter().fold(options, |options, (name, value)| {
            options.set(name, &format!("'{value}'"))
        });
        Self {
            cluster: options.start(),
        }
    }

    pub fn connect(&self, database: &str) -> Client {
        self.cluster.connect(database)
    }

    /// And what the server tells this client, as it is told.
    pub fn connect_hearing(&self, database: &str) -> (Client, Arc<Mutex<Vec<String>>>) {
        self.cluster.connect_hearing(database)
    }

    /// A new database with the extension, and a connection to it.
    pub fn create_database(&self, name: &str) -> Client {
        self.administrate(&format!("CREATE DATABASE {name}"));
        let mut client = self.connect(name);
        client
            .batch_execute("CREATE EXTENSION inventory_perf")
            .expect("the extension installed");
        client
    }

    pub fn has_database(&self, name: &str) -> bool {
        self.connect("postgres")
            .query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name])
            .expect("pg_database")
            .is_some()
    }

    pub fn drop_database(&self, name: &str) {
        self.administrate(&format!("DROP DATABASE {name} WITH (FORCE)"));
    }

    fn administrate(&self, statement: &str) {
        self.connect("postgres")
            .batch_execute(statement)
            .unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }

    /// A pgbench that talks to a database of this server.
    pub fn pgbench(&self, database: &str) -> Command {
        let mut command = self.cluster.client_program("pgbench");
        command.env("PGDATABASE", database);
        command
    }

    pub fn postmaster(&self) -> u32 {
        let path = self.cluster.data_directory().join("postmaster.pid");
        let file = fs::read_to_string(path).expect("postmaster.pid");
        file.lines()
            .next()
            .and_then(|line| line.parse().ok())
            .expect("the postmaster's pid")
    }

    /// No bench makes an error on purpose: one in the log, a deadlock for example, is a failure.
    pub fn assert_no_errors_logged(&self) {
        let log = fs::read_to_string(self.cluster.log_file()).expect("the server's log");
        let errors: Vec<&str> = log
            .lines()
            .filter(|line| {
                ["ERROR: ", "FATAL: ", "PANIC: "]
                    .iter()
                    .any(|s| line.contains(s))
            })
            .filter(|line| !line.contains("the database system is starting up"))
            .collect();
        assert!(
            errors.is_empty(),
            "the server logged errors:\n{}",
            errors.join("\n")
        );
    }
}
