//! Index advice from the real workload, costed by the planner.
