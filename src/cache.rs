//! A Redis cache that cannot lie: invalidation by trigger, delivery by a worker, and reads that
//! check what they are given.

#[allow(dead_code)]
pub mod breaker;
pub mod delivery;
#[allow(dead_code)]
pub mod entry;
pub mod events;
mod functions;
mod invalidate;
mod kv;
#[allow(dead_code)]
pub mod matching;
#[allow(dead_code)]
pub mod names;
pub mod outbox;
mod query;
#[allow(dead_code)]
mod random;
mod recent;
#[allow(dead_code)]
pub mod redis;
mod rules;
#[allow(dead_code)]
pub mod stats;
#[allow(dead_code)]
pub mod store;
#[allow(dead_code)]
mod table_store;
mod template;
pub mod text_array;
pub mod tree;
pub mod trigger;
#[allow(dead_code)]
pub mod validity;
