//! A Redis cache that cannot lie: invalidation by trigger, delivery by a worker, and reads that
//! check what they are given.

mod invalidate;
// The parts that use all of these come with the trigger and the delivery.
#[allow(dead_code)]
pub mod matching;
pub mod outbox;
#[allow(dead_code)]
pub mod text_array;
