//! A Redis cache that cannot lie: invalidation by trigger, delivery by a worker, and reads that
//! check what they are given.
