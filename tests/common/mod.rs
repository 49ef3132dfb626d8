//! Throwaway PostgreSQL and Redis servers for the integration tests and the benches.
//!
//! A [`Cluster`] lives in a directory of its own and listens on a Unix socket in that directory and
//! nowhere else. So no TCP port can be taken twice, any number of test programs run side by side,
//! and a PostgreSQL that belongs to the machine is never touched. A [`Redis`] lives alike, on a
//! socket and a free TCP port; a [`Proxy`] before it fails as networks do. Whatever fails while
//! setting up panics with what the program or the server said.

// Every test program compiles this module and uses a part of it.
#![allow(dead_code, unused_imports)]

mod ask;
mod cluster;
mod guardian;
mod program;
mod proxy;
mod redis;

pub use ask::Ask;
pub use cluster::{Cluster, ClusterOptions};
pub use program::{run, server_program};
pub use proxy::{Fate, Message, Proxy};
pub use redis::{Redis, RedisOptions, send};
