//! A Redis cache that cannot lie: invalidation by trigger, delivery by a worker, and reads that
//! check what they are given.

pub mod breaker;
pub mod delivery;
pub mod entry;
pub mod events;
mod functions;
mod invalidate;
mod kv;
mod low_stock;
pub mod matching;
pub mod names;
pub mod outbox;
mod query;
mod random;
mod recent;
pub mod redis;
pub mod rules;
pub mod stats;
mod status;
pub mod store;
mod table_store;
mod template;
pub mod text;
pub mod text_array;
pub mod tree;
pub mod trigger;
pub mod validity;
