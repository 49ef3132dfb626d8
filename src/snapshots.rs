//! Daily stock snapshots: filling, folding, reading and auditing them.

pub mod audit;
pub mod backfill;
pub mod fold;
pub mod guard;
pub mod months;
pub mod planning;
pub mod populate;
pub mod schedule;
pub mod status;
pub mod storage;
pub mod untyped;
