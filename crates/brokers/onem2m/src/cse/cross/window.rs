//! Time windows: what came in one, and when it ends.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{
    cse::{Cse, Inner},
    time::{duration_millis, millis},
    tree::Resource,
};

/// What came in the windows that are open, by the resourceID of the crossResourceSubscription.
#[derive(Debug, Default)]
pub(crate) struct Windows(Mutex<HashMap<Box<str>, Arc<Window>>>);

#[derive(Debug, Default)]
struct Window {
    /// The subscriptions that notified.
    seen: Mutex<HashSet<String>>,
    came: Notify,
}

impl Windows {
    /// A subscription notified.
    pub(crate) fn came(&self, ri: &str, source: &str) {
        let window = self.0.lock().get(ri).cloned();
        if let Some(window) = window {
            window.seen.lock().insert(source.to_owned());
            window.came.notify_one();
        }
    }

    pub(super) fn forget(&self, ri: &str) {
        self.0.lock().remove(ri);
    }

    fn open(&self, ri: &str) -> Arc<Window> {
        let window = Arc::new(Window::default());
        self.0.lock().insert(ri.into(), Arc::clone(&window));
        window
    }
}

/// How a crossResourceSubscription looks at what came.
#[derive(Debug, Clone, Copy)]
struct Terms {
    sliding: bool,
    size: Duration,
    mode: u64,
    sources: usize,
}

impl Terms {
    /// Whether there is something to say at the end of a window in which `seen` of the sources notified.
    fn are_met(self, seen: usize) -> bool {
        match self.mode {
            2 => seen > 0,
            3 => seen < self.sources,
            4 => seen == 0,
            5 => seen > 0 && seen < self.sources,
            _ => seen == self.sources,
        }
    }
}

impl Inner {
    /// Begins with a new window; what came in the one before is forgotten.
    pub(super) fn open_window(&self, me: &Arc<Self>, cross: &Resource) {
        let attributes = &cross.attributes;
        let size = attributes.text("tws").and_then(duration_millis).unwrap_or_default().max(1);
        let terms = Terms {
            sliding: attributes.number("twt") == Some(super::SLIDING),
            size: millis(size),
            mode: attributes.number("eem").unwrap_or(1),
            sources: attributes.texts("sources").count(),
        };
        let window = self.windows.open(&cross.ri);
        self.timers.start(&cross.ri, run(Arc::downgrade(me), cross.ri.clone(), window, terms));
    }
}

/// One window after the other, until the CSE is gone.
async fn run(cse: Weak<Inner>, ri: Box<str>, window: Arc<Window>, terms: Terms) {
    loop {
        if terms.sliding {
            slide(&window, terms).await;
        } else {
            tokio::time::sleep(terms.size).await;
        }
        let seen = std::mem::take(&mut *window.seen.lock()).len();
        if terms.are_met(seen) {
            let Some(inner) = cse.upgrade() else { return };
            Cse { inner }.notify_of_window(&ri).await;
        } else if cse.strong_count() == 0 {
            return;
        }
    }
}

/// Waits for the first event and for the end of the window that begins with it. When all events are waited for, the last
/// of them ends the window.
async fn slide(window: &Window, terms: Terms) {
    while window.seen.lock().is_empty() {
        window.came.notified().await;
    }
    let end = Instant::now() + terms.size;
    loop {
        if terms.mode == 1 && window.seen.lock().len() >= terms.sources {
            return;
        }
        if tokio::time::timeout_at(end, window.came.notified()).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_says_which_numbers_of_events_are_worth_a_notification() {
        let met = |mode| {
            let terms = Terms { sliding: false, size: Duration::ZERO, mode, sources: 2 };
            [0, 1, 2].map(|seen| terms.are_met(seen))
        };
        assert_eq!(met(1), [false, false, true]);
        assert_eq!(met(2), [false, true, true]);
        assert_eq!(met(3), [true, true, false]);
        assert_eq!(met(4), [true, false, false]);
        assert_eq!(met(5), [false, true, false]);
    }
}
