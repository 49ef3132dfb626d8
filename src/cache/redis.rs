//! The store in a Redis or Valkey server.

pub mod connection;
mod scripts;
mod transport;

use redis::{Cmd, ConnectionLike, Pipeline, ScriptInvocation, Value};
use std::time::{Duration, Instant};

use self::connection::{SMALL_REPLY, Server, Target};
use self::scripts::Scripts;
use self::transport::Transport;
use super::matching;
use super::names::{EntryName, Names, PatternKind, RESERVED, StampName};
use super::random;
use super::store::{
    Delivered, Delivery, Identity, Reading, Result, ScanPosition, ScanStep, ServerStatus, Store,
    StoreError, StoredEntry, StoredReading, Trouble,
};

/// Names in one UNLINK.
const UNLINK_NAMES: usize = 1_000;
/// What one step of a SCAN looks at.
const SCAN_COUNT: usize = 1_000;
/// Bytes that are read of a stamp, an epoch or a number. Ours are shorter, so what is cut is none.
const TEXT_BYTES: usize = 200;

pub struct RedisStore {
    target: Target,
    names: Names,
    transport: Transport,
    server: Server,
    scripts: Scripts,
    largest_entry: usize,
    /// Says who fills.
    holder: String,
    opened: Instant,
}

impl RedisStore {
    pub fn open(target: &Target) -> Result<Self> {
        let (transport, server) = connection::open(target)?;
        Ok(Self {
            target: target.clone(),
            names: Names::new("", ""),
            transport,
            server,
            scripts: Scripts::new(),
            largest_entry: 0,
            holder: random::hex(),
            opened: Instant::now(),
        })
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    pub fn is_open(&self) -> bool {
        self.transport.is_open()
    }

    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// For the calls that follow.
    pub fn prepare(&mut self, names: Names, largest_entry: usize) {
        self.names = names;
        self.largest_entry = largest_entry;
    }

    fn run_id(&self) -> String {
        self.server.run_id.clone()
    }

    fn expect(&mut self, reply_limit: usize) {
        self.transport.bound(self.target.timeout, reply_limit);
    }

    /// The replies of a pipeline, errors of single commands among them.
    fn replies(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>> {
        self.transport
            .req_packed_commands(&pipeline.get_packed_pipeline(), 0, pipeline.len())
            .map_err(connection::from_redis)
    }

    fn invoke<T: redis::FromRedisValue>(&mut self, script: &ScriptInvocation) -> Result<T> {
        script
            .invoke(&mut self.transport as &mut dyn ConnectionLike)
            .map_err(connection::from_redis)
    }
}

fn convert<T: redis::FromRedisValue>(value: Value) -> Result<T> {
    let value = value.extract_error().map_err(connection::from_redis)?;
    redis::from_redis_value(value)
        .map_err(|_| StoreError::new(Trouble::Protocol, "unexpected type of a reply"))
}

fn next(replies: &mut impl Iterator<Item = Value>) -> Result<Value> {
    replies
        .next()
        .ok_or_else(|| StoreError::new(Trouble::Protocol, "a reply is missing"))
}

fn next_as<T: redis::FromRedisValue>(replies: &mut impl Iterator<Item = Value>) -> Result<T> {
    convert(next(replies)?)
}

/// Reads a text that is ours and short, whatever is under its name.
fn short(name: &str) -> Cmd {
    let mut command = redis::cmd("GETRANGE");
    command.arg(name).arg(0).arg(TEXT_BYTES);
    command
}

/// What a GETRANGE found. A key of another type is as good as none.
fn bytes(value: Value) -> Result<Option<Vec<u8>>> {
    match value {
        Value::ServerError(error) if error.code() == "WRONGTYPE" => Ok(None),
        other => Ok(convert::<Option<Vec<u8>>>(other)?.filter(|bytes| !bytes.is_empty())),
    }
}

/// What is no text is none of ours, and as good as not there.
fn text(value: Option<Vec<u8>>) -> Option<String> {
    value.and_then(|bytes| String::from_utf8(bytes).ok())
}

fn next_text(replies: &mut impl Iterator<Item = Value>) -> Result<Option<String>> {
    bytes(next(replies)?).map(text)
}

fn next_number(replies: &mut impl Iterator<Item = Value>) -> Result<Option<u64>> {
    Ok(next_text(replies)?.and_then(|text| text.parse().ok()))
}

fn add_events(pipeline: &mut Pipeline, events: &[(String, String)]) {
    for (channel, payload) in events {
        pipeline.cmd("PUBLISH").arg(channel).arg(payload);
    }
}

/// Redis takes no time below a millisecond.
fn milliseconds(duration: Duration) -> u64 {
    (duration.as_millis() as u64).max(1)
}

impl Store for RedisStore {
    fn read(&mut self, entry: &EntryName, stamps: &[StampName]) -> Result<Reading> {
        self.expect(self.largest_entry + SMALL_REPLY);
        let mut pipeline = redis::pipe();
        // No more than one byte too many: a larger entry is none of ours.
        pipeline
            .cmd("GETRANGE")
            .arg(self.names.entry(entry))
            .arg(0)
            .arg(self.largest_entry);
        for name in stamps {
            pipeline.add_command(short(&self.names.stamp(name)));
        }
        pipeline.add_command(short(&self.names.epoch()));
        // Last: data that a server went back to before is noticed by it.
        pipeline.add_command(short(&self.names.batches()));
        let mut replies = self.replies(&pipeline)?.into_iter();
        Ok(Reading {
            is_expired: false,
            entry: bytes(next(&mut replies)?)?,
            stamps: stamps
                .iter()
                .map(|_| next_text(&mut replies))
                .collect::<Result<_>>()?,
            epoch: next_text(&mut replies)?,
            run_id: self.run_id(),
            batches: next_number(&mut replies)?,
        })
    }

    fn read_stored(&mut self, entries: &[EntryName], headers_only: bool) -> Result<StoredReading> {
        self.expect(entries.len() * self.largest_entry + SMALL_REPLY);
        let script = self.scripts.read_stored.clone();
        let mut call = script.key(self.names.epoch());
        call.key(self.names.batches());
        for entry in entries {
            call.key(self.names.entry(entry));
        }
        call.arg(self.names.stamps())
            .arg(self.largest_entry)
            .arg(u8::from(headers_only));
        let mut replies = self.invoke::<Vec<Value>>(&call)?.into_iter();
        let epoch = next_text(&mut replies)?;
        let batches = next_number(&mut replies)?;
        let entries = entries
            .iter()
            .map(|_| {
                let entry = next_as(&mut replies)?;
                let stamps: Vec<Option<Vec<u8>>> = next_as(&mut replies)?;
                Ok(StoredEntry {
                    is_expired: false,
                    entry,
                    stamps: stamps.into_iter().map(text).collect(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(StoredReading {
            entries,
            epoch,
            run_id: self.run_id(),
            batches,
        })
    }

    fn create_stamps(&mut self, names: &[StampName], ttl: Duration) -> Result<Option<Vec<String>>> {
        self.expect(SMALL_REPLY);
        let script = self.scripts.create_stamps.clone();
        let mut call = script.key(self.names.delivered());
        call.arg(milliseconds(ttl));
        for name in names {
            call.key(self.names.stamp(name)).arg(random::hex());
        }
        let stamps: Vec<String> = self.invoke(&call)?;
        if stamps.len() != names.len() {
            return Err(StoreError::new(
                Trouble::Protocol,
                "stamps are missing in a reply",
            ));
        }
        Ok(Some(stamps))
    }

    fn write(&mut self, entries: &[(EntryName, Vec<u8>)], ttl: Duration) -> Result<()> {
        self.expect(SMALL_REPLY);
        let mut pipeline = redis::pipe();
        for (name, bytes) in entries {
            pipeline
                .cmd("SET")
                .arg(self.names.entry(name))
                .arg(bytes)
                .arg("PX")
                .arg(milliseconds(ttl));
        }
        for reply in self.replies(&pipeline)? {
            convert::<()>(reply)?;
        }
        Ok(())
    }

    fn begin_fill(&mut self, digest: &str, ttl: Duration) -> Result<bool> {
        self.expect(SMALL_REPLY);
        let name = self.names.fill(digest);
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("SET")
            .arg(&name)
            .arg(&self.holder)
            .arg("NX")
            .arg("PX")
            .arg(milliseconds(ttl));
        pipeline.cmd("PTTL").arg(&name);
        let mut replies = self.replies(&pipeline)?.into_iter();
        let set: Option<String> = next_as(&mut replies)?;
        let has_no_end = next_as::<i64>(&mut replies)? == -1;
        if has_no_end {
            // none of ours, which end by themselves
            let mut command = redis::cmd("UNLINK");
            connection::query::<i64>(&mut self.transport, command.arg(&name))?;
        }
        Ok(set.is_some() || has_no_end)
    }

    fn end_fill(&mut self, digest: &str) -> Result<()> {
        self.expect(SMALL_REPLY);
        let script = self.scripts.end_fill.clone();
        let mut call = script.key(self.names.fill(digest));
        call.arg(&self.holder);
        self.invoke::<i64>(&call).map(|_| ())
    }

    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered> {
        self.expect(SMALL_REPLY);
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("EVAL")
            .arg(scripts::ADVANCE_DELIVERED)
            .arg(2)
            .arg(self.names.epoch())
            .arg(self.names.delivered())
            .arg(delivery.epoch)
            .arg(delivery.completed);
        let mut name = Vec::new();
        for (before, names) in [
            (
                self.names.before_stamps(PatternKind::Key).as_bytes(),
                delivery.keys,
            ),
            (
                self.names.before_stamps(PatternKind::Tag).as_bytes(),
                delivery.tags,
            ),
            (self.names.before_keys().as_bytes(), delivery.entries),
        ] {
            for names in names.chunks(UNLINK_NAMES) {
                pipeline.cmd("UNLINK");
                for after in names {
                    name.clear();
                    name.extend_from_slice(before);
                    name.extend_from_slice(after);
                    pipeline.arg(name.as_slice());
                }
            }
        }
        let unlinks = pipeline.len() - 1;
        // After what it counts: a copy that has the number has the rest.
        pipeline
            .cmd("EVAL")
            .arg(scripts::COUNT_BATCH)
            .arg(1)
            .arg(self.names.batches())
            .arg(delivery.batches);
        add_events(&mut pipeline, delivery.events);
        let mut replies = self.replies(&pipeline)?.into_iter();
        let epoch = next_text(&mut replies)?;
        for reply in replies.by_ref().take(unlinks) {
            convert::<i64>(reply)?;
        }
        let batches = next_number(&mut replies)?;
        for reply in replies {
            convert::<i64>(reply)?;
        }
        Ok(Delivered {
            epoch,
            run_id: self.run_id(),
            batches,
        })
    }

    fn publish(&mut self, events: &[(String, String)]) -> Result<()> {
        self.expect(SMALL_REPLY);
        let mut pipeline = redis::pipe();
        add_events(&mut pipeline, events);
        for reply in self.replies(&pipeline)? {
            convert::<i64>(reply)?;
        }
        Ok(())
    }

    fn set_epoch(&mut self, epoch: &str, completed: u64, batches: u64) -> Result<()> {
        self.expect(SMALL_REPLY);
        let mut command = redis::cmd("MSET");
        command
            .arg(self.names.epoch())
            .arg(epoch)
            .arg(self.names.delivered())
            .arg(format!("{completed}:{epoch}"))
            .arg(self.names.batches())
            .arg(batches);
        connection::query(&mut self.transport, &command)
    }

    fn identity(&mut self) -> Result<Identity> {
        self.expect(SMALL_REPLY);
        let mut pipeline = redis::pipe();
        // First: what the server has comes after who it is.
        pipeline.cmd("INFO").arg("server");
        pipeline.cmd("INFO").arg("replication");
        pipeline.add_command(short(&self.names.epoch()));
        pipeline.add_command(short(&self.names.delivered()));
        pipeline.add_command(short(&self.names.batches()));
        let mut replies = self.replies(&pipeline)?.into_iter();
        // A proxy may have changed it behind the connection.
        self.server = Server::parse(&next_as::<String>(&mut replies)?)?;
        let replication_id = connection::replication_id(&next_as::<String>(&mut replies)?)?;
        let epoch = next_text(&mut replies)?;
        let delivered = next_text(&mut replies)?;
        let completed = delivered
            .as_deref()
            .and_then(|delivered| delivered.split_once(':'))
            .filter(|(_, since)| Some(*since) == epoch.as_deref())
            .and_then(|(number, _)| number.parse().ok());
        Ok(Identity {
            run_id: self.run_id(),
            replication_id,
            epoch,
            completed,
            batches: next_number(&mut replies)?,
        })
    }

    fn renew_lease(&mut self, epoch: &str, batches: u64, ttl: Duration) -> Result<bool> {
        self.expect(SMALL_REPLY);
        let script = self.scripts.renew_lease.clone();
        let mut call = script.key(self.names.epoch());
        call.key(self.names.lease())
            .key(self.names.batches())
            .arg(epoch)
            .arg(batches)
            .arg(milliseconds(ttl));
        Ok(self.invoke::<i64>(&call)? == 1)
    }

    fn remove_matching(
        &mut self,
        kind: PatternKind,
        pattern: &str,
        from: ScanPosition,
    ) -> Result<ScanStep> {
        let spaces = self.names.matching(kind, pattern);
        let Some((redis_pattern, before)) = spaces.get(from.space) else {
            return Ok(ScanStep {
                removed: 0,
                next: None,
            });
        };
        // names have no bound of their own
        self.expect(64 * SMALL_REPLY);
        let mut scan = redis::cmd("SCAN");
        scan.arg(from.cursor)
            .arg("MATCH")
            .arg(redis_pattern)
            .arg("COUNT")
            .arg(SCAN_COUNT);
        let (cursor, found): (u64, Vec<Vec<u8>>) = connection::query(&mut self.transport, &scan)?;
        // what Redis found may be more, and other names may belong to an application
        let is_entry = kind == PatternKind::Key && from.space == 1;
        let found: Vec<&str> = found
            .iter()
            .filter_map(|name| std::str::from_utf8(name).ok())
            .filter(|name| {
                name.strip_prefix(before.as_str()).is_some_and(|name| {
                    !(is_entry && name.starts_with(RESERVED)) && matching::matches(pattern, name)
                })
            })
            .collect();
        let mut removed = 0;
        if !found.is_empty() {
            let mut unlink = redis::cmd("UNLINK");
            for name in found {
                unlink.arg(name);
            }
            removed = connection::query(&mut self.transport, &unlink)?;
        }
        let next = if cursor != 0 {
            Some(ScanPosition {
                space: from.space,
                cursor,
            })
        } else {
            Some(ScanPosition {
                space: from.space + 1,
                cursor: 0,
            })
            .filter(|next| next.space < spaces.len())
        };
        Ok(ScanStep { removed, next })
    }

    fn status(&mut self) -> Result<ServerStatus> {
        self.expect(SMALL_REPLY);
        let mut pipeline = redis::pipe();
        pipeline.add_command(short(&self.names.epoch()));
        pipeline.add_command(short(&self.names.batches()));
        pipeline.cmd("PTTL").arg(self.names.lease());
        let started = Instant::now();
        let mut replies = self.replies(&pipeline)?.into_iter();
        let latency = started.elapsed();
        let epoch = next_text(&mut replies)?;
        let batches = next_number(&mut replies)?;
        let lease: i64 = next_as(&mut replies)?;
        Ok(ServerStatus {
            version: Some(self.server.version.clone()),
            run_id: self.run_id(),
            epoch,
            batches,
            lease_left: u64::try_from(lease).ok().map(Duration::from_millis),
            latency,
        })
    }
}
