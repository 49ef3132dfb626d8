//! A throwaway PostgreSQL server, stopped and deleted when dropped.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use postgres::{Client, NoTls};

pub struct Server {
    directory: PathBuf,
    binaries: PathBuf,
    port: u16,
}

impl Server {
    pub fn start(settings: &[(&str, String)]) -> Self {
        let directory =
            std::env::temp_dir().join(format!("inventory_perf_bench_{}", std::process::id()));
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let server = Self {
            directory,
            binaries: binaries(),
            port,
        };
        fs::create_dir(&server.directory).expect("the server's directory");
        if is_root() {
            run(Command::new("chown")
                .arg("postgres:")
                .arg(&server.directory));
        }
        run(server
            .as_server_user("initdb")
            .arg("--pgdata")
            .arg(server.data())
            .args([
                "--username=postgres",
                "--auth=trust",
                "--no-locale",
                "--encoding=UTF8",
            ]));
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(server.data().join("postgresql.conf"))
            .expect("postgresql.conf");
        writeln!(file, "port = {port}\nlisten_addresses = ''").expect("postgresql.conf");
        writeln!(
            file,
            "unix_socket_directories = '{}'",
            server.directory.display()
        )
        .expect("postgresql.conf");
        for (name, value) in settings {
            writeln!(file, "{name} = '{value}'").expect("postgresql.conf");
        }
        run(server
            .as_server_user("pg_ctl")
            .args(["start", "--wait", "--silent", "--pgdata"])
            .arg(server.data())
            .arg("--log")
            .arg(server.log()));
        server
    }

    pub fn connect(&self, database: &str) -> Client {
        let target = format!(
            "host={} port={} user=postgres dbname={database}",
            self.directory.display(),
            self.port
        );
        Client::connect(&target, NoTls).unwrap_or_else(|error| panic!("{database}: {error}"))
    }

    /// A new database with the extension, and a connection to it.
    pub fn create_database(&self, name: &str) -> Client {
        let mut server = self.connect("postgres");
        server
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .expect("a database");
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
        self.connect("postgres")
            .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
            .expect("the database goes");
    }

    /// A client program of this server's version, told how to connect.
    pub fn client_program(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command
            .env("PGHOST", &self.directory)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
            .env("PGDATABASE", database);
        command
    }

    pub fn postmaster(&self) -> u32 {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).expect("postmaster.pid");
        file.lines()
            .next()
            .and_then(|line| line.parse().ok())
            .expect("the postmaster's pid")
    }

    pub fn scratch_file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// No bench makes an error on purpose: one in the log, a deadlock for example, is a failure.
    pub fn assert_no_errors_logged(&self) {
        let log = fs::read_to_string(self.log()).expect("the server's log");
        let errors: Vec<&str> = log
            .lines()
            .filter(|line| {
                ["ERROR: ", "FATAL: ", "PANIC: "]
                    .iter()
                    .any(|s| line.contains(s))
            })
            .collect();
        assert!(
            errors.is_empty(),
            "the server logged errors:\n{}",
            errors.join("\n")
        );
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// The server refuses to run as root, so root starts it as postgres.
    fn as_server_user(&self, program: &str) -> Command {
        let path = self.binaries.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(Path::new("/"));
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = self
            .as_server_user("pg_ctl")
            .args(["stop", "--wait", "--silent", "--mode=immediate", "--pgdata"])
            .arg(self.data())
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("the server in {} did not stop", self.directory.display());
        }
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("{}: {error}", self.directory.display());
        }
    }
}

/// Where the server's programs are: `pg_config` says, the one in `PG_CONFIG` if it is set.
fn binaries() -> PathBuf {
    let program = std::env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".to_string());
    let output = Command::new(program)
        .arg("--bindir")
        .output()
        .expect("pg_config");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id");
    output.stdout.trim_ascii() == b"0"
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
