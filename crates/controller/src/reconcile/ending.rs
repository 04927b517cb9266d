//! How far the end of each workload has come, as this controller knows.

use std::collections::HashMap;

use jiff::Timestamp;
use morgana_model::WorkloadName;
use parking_lot::Mutex;

use super::decide::Ending;

/// Kept in memory only: a controller that starts anew asks the workload anew.
#[derive(Debug, Default)]
pub(crate) struct EndingBook(Mutex<HashMap<WorkloadName, Ending>>);

impl EndingBook {
    pub(crate) fn get(&self, name: &WorkloadName) -> Ending {
        self.0.lock().get(name).copied().unwrap_or_default()
    }

    /// Notes that the workload was asked to end itself.
    pub(crate) fn asked(&self, name: &WorkloadName, now: Timestamp) {
        self.0.lock().entry(name.clone()).or_default().asked_at.get_or_insert(now);
    }

    /// Notes that nothing needs to be waited for any more.
    pub(crate) fn acknowledge(&self, name: &WorkloadName) {
        self.0.lock().entry(name.clone()).or_default().acknowledged = true;
    }

    /// Forgets a workload that is gone.
    pub(crate) fn forget(&self, name: &WorkloadName) {
        self.0.lock().remove(name);
    }
}
