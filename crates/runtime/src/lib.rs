//! Runs a workload: one trait; the process runtime behind it.
