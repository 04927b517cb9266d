//! What this controller remembers of each workload: how far its end has come, how often it failed.

use std::collections::HashMap;

use jiff::Timestamp;
use morgana_model::WorkloadName;
use parking_lot::Mutex;

use super::decide::Memory;

/// Kept in memory only: a controller that starts anew asks the workload anew.
#[derive(Debug, Default)]
pub(crate) struct EndingBook(Mutex<HashMap<WorkloadName, Memory>>);

impl EndingBook {
    pub(crate) fn get(&self, name: &WorkloadName) -> Memory {
        self.0.lock().get(name).copied().unwrap_or_default()
    }

    fn note(&self, name: &WorkloadName, change: impl FnOnce(&mut Memory)) {
        change(self.0.lock().entry(name.clone()).or_default());
    }

    /// Notes that the workload was asked to end itself.
    pub(crate) fn asked(&self, name: &WorkloadName, now: Timestamp) {
        self.note(name, |memory| memory.asked_at = memory.asked_at.or(Some(now)));
    }

    /// Notes that nothing needs to be waited for any more.
    pub(crate) fn acknowledge(&self, name: &WorkloadName) {
        self.note(name, |memory| memory.acknowledged = true);
    }

    /// Notes that the workload was found to have failed.
    pub(crate) fn failed(&self, name: &WorkloadName, now: Timestamp) {
        self.note(name, |memory| memory.failed_at = Some(now));
    }

    /// Notes that a workload that failed is tried again.
    pub(crate) fn revived(&self, name: &WorkloadName) {
        self.note(name, |memory| {
            memory.failed_at = None;
            memory.revived = memory.revived.saturating_add(1);
        });
    }

    /// Notes that the workload is well.
    pub(crate) fn well(&self, name: &WorkloadName) {
        self.note(name, |memory| (memory.failed_at, memory.revived) = (None, 0));
    }

    /// Forgets a workload that is gone.
    pub(crate) fn forget(&self, name: &WorkloadName) {
        self.0.lock().remove(name);
    }
}
