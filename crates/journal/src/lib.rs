//! Durable memory-first state for brokers: append, group commit, snapshot, recover.
