//! What goes wrong on the way: pauses where they are most dangerous, and servers that forget.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Error};

use crate::common::{Fate, Message, Proxy, Redis};

/// A pause of up to `longest`, in this share of all cases.
fn perhaps(share: f64, longest: Duration) -> Fate {
    if rand::random_bool(share) {
        Fate::Delay(longest.mul_f64(rand::random()))
    } else {
        Fate::Pass
    }
}

/// For the proxy: holds up now and then what the protocol's correctness hangs on.
pub fn pauses(longest: Duration) -> impl Fn(&Message<'_>) -> Fate + Send + Sync {
    move |message| {
        let share = match message {
            // A fill on its way: between snapshot and entry.
            Message::Request(command) if command.is("SET") => 0.2,
            // The stamps on their way back: between stamps and snapshot. The answer to a delivery:
            // between send and acknowledge.
            Message::Reply(command) if !command.is("MGET") && command.mentions(":stamp:") => 0.1,
            Message::Request(command) if command.is("UNLINK") => 0.1,
            _ => 0.01,
        };
        perhaps(share, longest)
    }
}

/// Something that befalls Redis, the way to it, or the worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Disturbance {
    Flush,
    RestartEmpty,
    /// Redis is killed and comes back with what it had saved some time before.
    RestartWithOldData,
    ResetConnections,
    BlackHole,
    Freeze,
    TerminateWorker,
    ReloadSettings,
    /// cache_flush()
    FlushByCall,
}

impl Disturbance {
    pub const ALL: [Self; 9] = [
        Self::Flush,
        Self::RestartEmpty,
        Self::RestartWithOldData,
        Self::ResetConnections,
        Self::BlackHole,
        Self::Freeze,
        Self::TerminateWorker,
        Self::ReloadSettings,
        Self::FlushByCall,
    ];

    /// Those that need no Redis.
    pub const WITHOUT_REDIS: [Self; 3] = [
        Self::FlushByCall,
        Self::TerminateWorker,
        Self::ReloadSettings,
    ];

    /// Without Redis, what befalls one does nothing.
    pub fn strike(self, redis: Option<(&Redis, &Proxy)>, client: &mut Client) -> Result<(), Error> {
        match (self, redis) {
            (Self::FlushByCall, _) => client.batch_execute("SELECT inventory_perf.cache_flush()"),
            (Self::TerminateWorker, _) => client.batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE backend_type LIKE 'inventory_perf%' AND datname = current_database()",
            ),
            (Self::ReloadSettings, _) => client.batch_execute("SELECT pg_reload_conf()"),
            (_, Some((redis, proxy))) => {
                self.strike_redis(redis, proxy);
                Ok(())
            }
            (_, None) => Ok(()),
        }
    }

    fn strike_redis(self, redis: &Redis, proxy: &Proxy) {
        let while_away = Duration::from_millis(rand::random_range(50..600));
        match self {
            Self::Flush => {
                let flushed = redis::cmd("FLUSHALL").query::<()>(&mut redis.connect());
                flushed.expect("FLUSHALL");
            }
            Self::RestartEmpty => {
                redis.kill();
                redis.forget();
                thread::sleep(while_away / 4);
                redis.start();
            }
            Self::RestartWithOldData => {
                let saved = redis::cmd("SAVE").query::<()>(&mut redis.connect());
                saved.expect("SAVE");
                thread::sleep(while_away);
                redis.kill();
                redis.start();
            }
            Self::ResetConnections => proxy.reset_connections(),
            Self::BlackHole => {
                proxy.black_hole(true);
                thread::sleep(while_away);
                proxy.black_hole(false);
            }
            Self::Freeze => {
                redis.freeze();
                thread::sleep(while_away);
                redis.thaw();
            }
            Self::TerminateWorker | Self::ReloadSettings | Self::FlushByCall => {}
        }
    }

    /// One after the other in random order, about `pause` apart, until told to end.
    pub fn strike_until(
        all: &[Self],
        ended: &AtomicBool,
        pause: Duration,
        struck: &AtomicU64,
        mut strike: impl FnMut(Self),
    ) {
        let mut next = Instant::now() + pause;
        while !ended.load(Ordering::SeqCst) {
            if Instant::now() >= next {
                strike(all[rand::random_range(0..all.len())]);
                struck.fetch_add(1, Ordering::Relaxed);
                next = Instant::now() + pause.mul_f64(0.5 + rand::random::<f64>());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}
