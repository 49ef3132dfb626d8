//! Throwaway PostgreSQL servers for the integration tests and the benches.
//!
//! A [`Cluster`] lives in a directory of its own and listens on a Unix socket in that directory and
//! nowhere else. So no TCP port can be taken twice, any number of test programs run side by side,
//! and a PostgreSQL that belongs to the machine is never touched. Whatever fails while setting up
//! panics with what the program or the server said.

// Every test program compiles this module and uses a part of it.
#![allow(dead_code, unused_imports)]

mod ask;
mod cluster;
mod program;

pub use ask::Ask;
pub use cluster::{Cluster, ClusterOptions};
pub use program::{run, server_program};
