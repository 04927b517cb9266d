//! How many messages each user has published.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

/// Counters by user. There are as many as the policy lets users in.
#[derive(Debug, Default)]
pub(super) struct Published {
    by_user: RwLock<HashMap<Box<str>, Arc<AtomicU64>>>,
}

impl Published {
    pub(super) fn count(&self, user: &str) {
        if let Some(counter) = self.by_user.read().get(user) {
            counter.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.by_user.write().entry(user.into()).or_default().fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn of(&self, user: &str) -> u64 {
        self.by_user.read().get(user).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    pub(super) fn forget(&self, user: &str) {
        self.by_user.write().remove(user);
    }
}
