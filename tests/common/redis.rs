//! Throwaway Redis servers.
//!
//! One listens on a free TCP port of 127.0.0.1 and on a Unix socket in a directory of its own, and
//! keeps both across restarts. It saves nothing unless the test asks for it.

use std::fs::OpenOptions;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::guardian::{Guardian, new_directory};
use super::program::{run, server_identity};

const START_TIMEOUT: Duration = Duration::from_secs(20);

pub struct RedisOptions {
    settings: Vec<(String, String)>,
}

impl RedisOptions {
    /// A line of `redis.conf`.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes everything to disk, so that a restart brings the data back.
    pub fn persistent(self) -> Self {
        self.set("appendonly", "yes").set("appendfsync", "always")
    }

    pub fn start(self) -> Redis {
        let (directory, guardian) = new_directory();
        let redis = Redis {
            directory,
            port: free_port(),
            settings: self.settings,
            process: Mutex::new(None),
            guardian,
        };
        redis.start();
        redis
    }
}

/// A running Redis. Dropping it kills the server and deletes its directory.
pub struct Redis {
    directory: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
    process: Mutex<Option<Child>>,
    guardian: Guardian,
}

impl Redis {
    pub fn options() -> RedisOptions {
        RedisOptions {
            settings: Vec::new(),
        }
    }

    /// One without persistence, password or TLS.
    pub fn new() -> Self {
        Self::options().start()
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("redis.sock")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// For `inventory_perf.redis_url`, over TCP.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// For `inventory_perf.redis_url`, over the Unix socket.
    pub fn socket_url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn password(&self) -> Option<&str> {
        let mut settings = self.settings.iter().rev();
        let (_, password) = settings.find(|(name, _)| name == "requirepass")?;
        Some(password)
    }

    pub fn try_connect(&self) -> redis::RedisResult<redis::Connection> {
        let url = match self.password() {
            Some(password) => format!("{}?pass={password}", self.socket_url()),
            None => self.socket_url(),
        };
        let connection =
            redis::Client::open(url)?.get_connection_with_timeout(Duration::from_secs(2))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        connection.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(connection)
    }

    pub fn connect(&self) -> redis::Connection {
        self.try_connect()
            .unwrap_or_else(|error| panic!("cannot connect to Redis: {error}"))
    }

    /// Starts the server and waits until it answers.
    pub fn start(&self) {
        let deadline = Instant::now() + START_TIMEOUT;
        let mut process = self.spawn();
        loop {
            let answer = self
                .try_connect()
                .and_then(|mut connection| redis::cmd("PING").query::<String>(&mut connection));
            if answer.is_ok() {
                *self.lock_process() = Some(process);
                return;
            }
            // The port may still belong to connections of the server before.
            if process.try_wait().expect("look at Redis").is_some() {
                assert!(Instant::now() < deadline, "no Redis:\n{}", self.log());
                thread::sleep(Duration::from_millis(50));
                process = self.spawn();
            }
            assert!(
                Instant::now() < deadline,
                "Redis does not answer:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn spawn(&self) -> Child {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join("server.log"))
            .expect("open the log of Redis");
        let mut command = redis_program();
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .arg("--unixsocket")
            .arg(self.socket())
            .args(["--unixsocketperm", "700", "--save", "", "--dir"])
            .arg(&self.directory)
            .arg("--pidfile")
            .arg(self.pid_file());
        for (name, value) in &self.settings {
            command.args([&format!("--{name}"), value]);
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("share the log of Redis"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("start Redis")
    }

    fn pid_file(&self) -> PathBuf {
        self.directory.join("redis.pid")
    }

    /// Ends it in order; without persistence the data is gone.
    pub fn stop(&self) {
        self.end("TERM");
    }

    /// Ends it as a crash would.
    pub fn kill(&self) {
        self.end("KILL");
    }

    fn end(&self, signal: &str) {
        if let Some(mut process) = self.lock_process().take() {
            send(signal, process.id());
            process.wait().expect("wait for the end of Redis");
            let _ = std::fs::remove_file(self.pid_file());
        }
    }

    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Deletes what a stopped Redis has saved.
    pub fn forget(&self) {
        let _ = std::fs::remove_file(self.directory.join("dump.rdb"));
        let _ = std::fs::remove_dir_all(self.directory.join("appendonlydir"));
    }

    /// Stops it without closing a connection: what it is sent vanishes until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        if let Some(process) = self.lock_process().as_ref() {
            send(signal, process.id());
        }
    }

    fn lock_process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("server.log")).unwrap_or_default()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
        self.guardian.release();
    }
}

/// `redis-server`, or the program of Debian's package `redis-tools` that is the same one: it acts
/// on the name it is started with.
fn redis_program() -> Command {
    let on_path = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|directory| directory.join("redis-server").exists())
    });
    let mut command = if on_path {
        Command::new("redis-server")
    } else {
        let mut command = Command::new("redis-check-rdb");
        command.arg0("redis-server");
        command
    };
    if let Some(identity) = server_identity() {
        command.uid(identity.uid).gid(identity.gid);
    }
    command.current_dir("/");
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Sends a signal by name to a process.
pub fn send(signal: &str, process: u32) {
    run(Command::new("kill").args([&format!("-{signal}"), &process.to_string()]));
}
