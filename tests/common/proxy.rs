//! A proxy in the test process, between PostgreSQL and Redis, that misbehaves on demand.
//!
//! It reads the commands and the replies that pass and asks a rule what to do with each:
//!
//! ```ignore
//! let proxy = Proxy::to(&redis);
//! proxy.rule(|message| match message {
//!     Message::Reply(command) if command.is("MGET") => Fate::Delay(Duration::from_millis(20)),
//!     _ => Fate::Pass,
//! });
//! proxy.black_hole(true);
//! ```

mod protocol;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock};
use std::thread;
use std::time::Duration;

pub use protocol::Command;

use super::redis::Redis;

/// What passes; a reply comes with the command that it answers.
pub enum Message<'a> {
    Request(&'a Command),
    Reply(&'a Command),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Fate {
    Pass,
    Delay(Duration),
    /// It never arrives; the connection stays open.
    Vanish,
    /// It never arrives, and the connection ends.
    Reset,
}

type Rule = dyn Fn(&Message<'_>) -> Fate + Send + Sync;

/// Dropping it ends every connection through it.
pub struct Proxy {
    shared: Arc<Shared>,
}

struct Shared {
    address: SocketAddr,
    redis_port: AtomicU16,
    rule: RwLock<Option<Arc<Rule>>>,
    connections: Mutex<Vec<(TcpStream, TcpStream)>>,
    black_hole: Mutex<bool>,
    black_hole_ended: Condvar,
    accepting: AtomicBool,
    listening: AtomicBool,
    ended: AtomicBool,
    accepted: AtomicU64,
}

impl Proxy {
    pub fn to(redis: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let shared = Arc::new(Shared {
            address: listener.local_addr().expect("its address"),
            redis_port: AtomicU16::new(redis.port()),
            rule: RwLock::new(None),
            connections: Mutex::new(Vec::new()),
            black_hole: Mutex::new(false),
            black_hole_ended: Condvar::new(),
            accepting: AtomicBool::new(true),
            listening: AtomicBool::new(true),
            ended: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
        });
        let acceptor = Arc::clone(&shared);
        thread::spawn(move || acceptor.accept(listener));
        Self { shared }
    }

    /// For `inventory_perf.redis_url`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.shared.address)
    }

    pub fn port(&self) -> u16 {
        self.shared.address.port()
    }

    /// Asked for every message from now on. It may block: only its connection waits.
    pub fn rule(&self, rule: impl Fn(&Message<'_>) -> Fate + Send + Sync + 'static) {
        *self.shared.rule.write().expect("the rule") = Some(Arc::new(rule));
    }

    pub fn no_rule(&self) {
        *self.shared.rule.write().expect("the rule") = None;
    }

    /// While on, connections are accepted and stay open, and nothing comes through.
    pub fn black_hole(&self, on: bool) {
        *lock(&self.shared.black_hole) = on;
        self.shared.black_hole_ended.notify_all();
    }

    /// While on, every connection is refused; those that exist end.
    pub fn refuse(&self, on: bool) {
        self.shared.accepting.store(!on, Ordering::SeqCst);
        while self.shared.listening.load(Ordering::SeqCst) == on {
            thread::sleep(Duration::from_millis(1));
        }
        if on {
            self.reset_connections();
        }
    }

    /// New connections go there from now on; those that exist stay where they are.
    pub fn lead_to(&self, redis: &Redis) {
        self.shared.redis_port.store(redis.port(), Ordering::SeqCst);
    }

    /// Ends every connection that is open now.
    pub fn reset_connections(&self) {
        for (client, server) in lock(&self.shared.connections).drain(..) {
            end(&client, &server);
        }
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.black_hole(false);
        self.reset_connections();
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut listener = Some(listener);
        while !self.ended.load(Ordering::SeqCst) {
            if !self.accepting.load(Ordering::SeqCst) {
                listener = None;
            } else if listener.is_none() {
                listener = TcpListener::bind(self.address).ok();
            }
            self.listening.store(listener.is_some(), Ordering::SeqCst);
            let accepted = listener.as_ref().and_then(|listener| {
                listener
                    .set_nonblocking(true)
                    .expect("a listener that does not block");
                listener.accept().ok()
            });
            match accepted {
                Some((client, _)) => {
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    client.set_nonblocking(false).expect("a socket that blocks");
                    Arc::clone(&self).connect(client);
                }
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn connect(self: Arc<Self>, client: TcpStream) {
        // Redis that is down looks to the client like a connection that ends at once.
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.redis_port.load(Ordering::SeqCst)))
        else {
            return;
        };
        for socket in [&client, &server] {
            socket.set_nodelay(true).expect("set TCP_NODELAY");
        }
        let copy = |socket: &TcpStream| socket.try_clone().expect("a second handle of a socket");
        lock(&self.connections).push((copy(&client), copy(&server)));
        let unanswered = Arc::new(Mutex::new(VecDeque::new()));
        let requests = Pump {
            shared: Arc::clone(&self),
            from: copy(&client),
            to: copy(&server),
            unanswered: Arc::clone(&unanswered),
        };
        let replies = Pump {
            shared: self,
            from: server,
            to: client,
            unanswered,
        };
        thread::spawn(move || requests.run(Pump::pass_requests));
        thread::spawn(move || replies.run(Pump::pass_replies));
    }

    fn fate(&self, message: &Message<'_>) -> Fate {
        let rule = self.rule.read().expect("the rule").clone();
        rule.map_or(Fate::Pass, |rule| rule(message))
    }

    fn wait_for_the_end_of_the_black_hole(&self) {
        let mut black_hole = lock(&self.black_hole);
        while *black_hole {
            black_hole = self
                .black_hole_ended
                .wait(black_hole)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

/// One direction of a connection.
struct Pump {
    shared: Arc<Shared>,
    from: TcpStream,
    to: TcpStream,
    unanswered: Arc<Mutex<VecDeque<Command>>>,
}

/// The connection is over.
struct Over;

impl Pump {
    fn run(mut self, pass: fn(&mut Self, &mut Vec<u8>) -> Result<(), Over>) {
        let mut pending = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = self.from.read(&mut buffer) {
            self.shared.wait_for_the_end_of_the_black_hole();
            pending.extend_from_slice(&buffer[..length]);
            if pass(&mut self, &mut pending).is_err() {
                break;
            }
        }
        end(&self.from, &self.to);
    }

    /// Passes on every complete command of `pending`.
    fn pass_requests(&mut self, pending: &mut Vec<u8>) -> Result<(), Over> {
        let mut passed = 0;
        let mut batch = Vec::new();
        while let Some((command, length)) = Command::parse(&pending[passed..]) {
            let bytes = &pending[passed..passed + length];
            passed += length;
            let fate = self.shared.fate(&Message::Request(&command));
            if matches!(fate, Fate::Pass | Fate::Delay(_)) {
                lock(&self.unanswered).push_back(command);
            }
            self.pass(fate, bytes, &mut batch)?;
        }
        self.send(&mut batch)?;
        pending.drain(..passed);
        Ok(())
    }

    fn pass_replies(&mut self, pending: &mut Vec<u8>) -> Result<(), Over> {
        let mut passed = 0;
        let mut batch = Vec::new();
        while let Some(length) = protocol::reply_length(&pending[passed..]) {
            let bytes = &pending[passed..passed + length];
            passed += length;
            let command = if protocol::is_push(bytes) {
                None
            } else {
                lock(&self.unanswered).pop_front()
            };
            let fate = command.map_or(Fate::Pass, |command| {
                self.shared.fate(&Message::Reply(&command))
            });
            self.pass(fate, bytes, &mut batch)?;
        }
        self.send(&mut batch)?;
        pending.drain(..passed);
        Ok(())
    }

    fn pass(&mut self, fate: Fate, bytes: &[u8], batch: &mut Vec<u8>) -> Result<(), Over> {
        match fate {
            Fate::Pass => {}
            Fate::Delay(duration) => {
                self.send(batch)?;
                thread::sleep(duration);
                self.shared.wait_for_the_end_of_the_black_hole();
            }
            Fate::Vanish => return Ok(()),
            Fate::Reset => {
                let _ = self.send(batch);
                return Err(Over);
            }
        }
        batch.extend_from_slice(bytes);
        Ok(())
    }

    fn send(&mut self, batch: &mut Vec<u8>) -> Result<(), Over> {
        if !batch.is_empty() {
            self.to.write_all(batch).map_err(|_| Over)?;
            batch.clear();
        }
        Ok(())
    }
}

fn end(one: &TcpStream, other: &TcpStream) {
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
