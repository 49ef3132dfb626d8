//! Bytes to and from a Redis server, never later than a deadline and never more than expected.

use redis::{ConnectionLike, Parser, RedisError, RedisResult, Value};
use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, SockAddr, Type};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a transfer may take beside the time-out: 10 MB/s is slow for a cache.
const NANOSECONDS_PER_BYTE: u64 = 100;

/// A stream whose reads and writes together end by a deadline.
pub struct Socket {
    stream: socket2::Socket,
    deadline: Instant,
    /// Bytes that may still arrive.
    allowance: usize,
}

impl Socket {
    pub fn connect_tcp(address: SocketAddr, deadline: Instant) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
        stream.set_nodelay(true)?;
        Ok(Self::new(stream.into(), deadline))
    }

    /// Unlike the standard library's, this does not wait for ever for a server that accepts
    /// nothing: a connection that cannot be made at once fails.
    pub fn connect_unix(path: &Path, deadline: Instant) -> io::Result<Self> {
        let stream = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
        stream.connect_timeout(&SockAddr::unix(path)?, left(deadline)?)?;
        Ok(Self::new(stream, deadline))
    }

    fn new(stream: socket2::Socket, deadline: Instant) -> Self {
        Self {
            stream,
            deadline,
            allowance: 0,
        }
    }

    fn begin(&mut self, timeout: Duration, allowance: usize) {
        self.deadline = Instant::now() + timeout;
        self.allowance = allowance;
    }

    fn moved(&mut self, bytes: usize) {
        self.deadline += Duration::from_nanos(bytes as u64 * NANOSECONDS_PER_BYTE);
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    // zero would mean to wait for ever once the kernel has rounded it
    Ok(left.max(Duration::from_millis(1)))
}

/// A signal restarts the wait with the time that is left.
fn until_done(mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            other => return other,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let deadline = self.deadline;
        let mut stream = &self.stream;
        let count = until_done(|| {
            stream.set_read_timeout(Some(left(deadline)?))?;
            stream.read(buffer)
        })?;
        self.allowance = self.allowance.checked_sub(count).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "reply larger than expected")
        })?;
        self.moved(count);
        Ok(count)
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let deadline = self.deadline;
        let mut stream = &self.stream;
        let count = until_done(|| {
            stream.set_write_timeout(Some(left(deadline)?))?;
            stream.write(buffer)
        })?;
        self.moved(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Channel {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Channel {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        }
    }
}

/// Sends commands and reads exactly their replies. After any error of the connection itself it is
/// no use any more: a late reply must not answer the next command.
pub struct Transport {
    channel: Channel,
    parser: Parser,
    timeout: Duration,
    reply_limit: usize,
    database: i64,
    is_open: bool,
}

impl Transport {
    pub fn plain(socket: Socket) -> Self {
        Self::new(Channel::Plain(socket))
    }

    pub fn tls(session: ClientConnection, socket: Socket) -> Self {
        Self::new(Channel::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    fn new(channel: Channel) -> Self {
        Self {
            channel,
            parser: Parser::new(),
            timeout: Duration::ZERO,
            reply_limit: 0,
            database: 0,
            is_open: true,
        }
    }

    /// For the calls that follow: how long each may wait, and how many bytes its reply may have.
    pub fn bound(&mut self, timeout: Duration, reply_limit: usize) {
        self.timeout = timeout;
        self.reply_limit = reply_limit;
    }

    pub fn set_database(&mut self, database: i64) {
        self.database = database;
    }

    fn exchange(&mut self, request: &[u8], replies: usize) -> RedisResult<Vec<Value>> {
        let (timeout, limit) = (self.timeout, self.reply_limit);
        self.channel.socket().begin(timeout, limit);
        match &mut self.channel {
            Channel::Plain(socket) => socket.write_all(request)?,
            Channel::Tls(stream) => {
                stream.write_all(request)?;
                stream.flush()?;
            }
        }
        (0..replies)
            .map(|_| match &mut self.channel {
                Channel::Plain(socket) => self.parser.parse_value(socket),
                Channel::Tls(stream) => self.parser.parse_value(stream),
            })
            .collect()
    }
}

impl ConnectionLike for Transport {
    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.req_packed_commands(command, 0, 1)?
            .pop()
            .ok_or_else(|| RedisError::from(io::Error::from(io::ErrorKind::UnexpectedEof)))
    }

    /// Errors of single commands are values in the result.
    fn req_packed_commands(
        &mut self,
        commands: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let replies = self.exchange(commands, offset + count);
        self.is_open = replies.is_ok();
        replies.map(|mut replies| replies.split_off(offset))
    }

    fn get_db(&self) -> i64 {
        self.database
    }

    fn check_connection(&mut self) -> bool {
        self.is_open
    }

    fn is_open(&self) -> bool {
        self.is_open
    }
}
