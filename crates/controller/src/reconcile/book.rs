//! What this controller remembers of each workload: how far its end has come, how often it failed, what it
//! was told.

use std::collections::HashMap;

use jiff::Timestamp;
use morgana_model::WorkloadName;
use parking_lot::Mutex;

use super::decide::{Knows, Memory, Told};

/// Kept in memory only: a controller that starts anew asks the workload anew.
#[derive(Debug, Default)]
pub(crate) struct WorkloadBook {
    memories: Mutex<HashMap<WorkloadName, Memory>>,
}

impl WorkloadBook {
    pub(crate) fn get(&self, name: &WorkloadName) -> Memory {
        self.memories.lock().get(name).copied().unwrap_or_default()
    }

    fn note(&self, name: &WorkloadName, change: impl FnOnce(&mut Memory)) {
        change(self.memories.lock().entry(name.clone()).or_default());
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

    /// Notes that the workload was told of an update.
    pub(crate) fn told(&self, name: &WorkloadName, (incarnation, update): (u64, u64), at: Timestamp) {
        self.note(name, |memory| {
            let same = |told: &Told| (told.incarnation, told.update) == (incarnation, update);
            let times = memory.told.filter(same).map_or(0, |told| told.times).saturating_add(1);
            memory.told = Some(Told { incarnation, update, times, at });
        });
    }

    /// Notes which updates the workload says it has; what an earlier start of it said comes too late.
    /// Tells whether that is news.
    pub(crate) fn knows(&self, name: &WorkloadName, said: Knows) -> bool {
        let mut is_news = false;
        self.note(name, |memory| {
            let all = memory.knows.into_iter().chain([said]);
            let newest = all.max_by_key(|knows| (knows.incarnation, knows.update));
            is_news = newest != memory.knows;
            memory.knows = newest;
        });
        is_news
    }

    /// Forgets a workload that is gone.
    pub(crate) fn forget(&self, name: &WorkloadName) {
        self.memories.lock().remove(name);
    }
}
