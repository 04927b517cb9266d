//! The figures of the System DB.

/// Counter: commits that were asked for, by `outcome`: `committed`, `conflict`, `failed`.
pub(crate) const COMMITS_TOTAL: &str = "morgana_store_commits_total";

/// Histogram: how many commits one write to the disk carried.
pub(crate) const COMMITS_PER_WRITE: &str = "morgana_store_commits_per_write";

/// Histogram: seconds that one write took, with its sync to the disk.
pub(crate) const WRITE_SECONDS: &str = "morgana_store_write_seconds";
