//! What a platform and its workloads said, for a test that failed.

use std::fs;
use std::path::Path;

/// How many lines of each log are worth showing.
const LINES: usize = 30;

/// The last lines of a text.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// The last lines of the log of each workload of a data folder.
pub(crate) fn of_workloads(data: &Path) -> String {
    let mut shown = String::new();
    for kind in ["thingvisor", "vsilo"] {
        for entry in fs::read_dir(data.join("workloads").join(kind)).into_iter().flatten().flatten() {
            let log = fs::read_to_string(entry.path().join("log")).unwrap_or_default();
            shown += &format!("--- {kind}/{}\n{}\n", entry.file_name().display(), tail(&log));
        }
    }
    shown
}
