//! The `morgana` binary.

fn main() {}
