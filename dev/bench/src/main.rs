//! The load generator and the evaluation.

fn main() {}
