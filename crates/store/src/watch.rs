use parking_lot::RwLock;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{Committed, Revision};

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A commit happened.
    Committed(Committed),
    /// Some commits were missed, because the watcher was slow or the line to the database was cut:
    /// read everything again.
    Missed,
}

/// A stream of the commits of a store, by whoever made them, in the order of their revisions.
///
/// It is a wake-up hint, not a log: whoever acts on it reads what is there now, and looks again by a
/// timer. Start to watch first and read second, so that nothing falls between.
#[derive(Debug)]
pub struct Watch {
    notices: broadcast::Receiver<Notice>,
    after: Revision,
}

impl Watch {
    /// The next notice; `None` once the store is closed. Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<Notice> {
        loop {
            return match self.notices.recv().await {
                Ok(Notice::Committed(committed)) if committed.revision <= self.after => continue,
                Ok(notice) => Some(notice),
                Err(RecvError::Lagged(_)) => Some(Notice::Missed),
                Err(RecvError::Closed) => None,
            };
        }
    }
}

/// The sending end of all watches of a store, for an implementation of [`Store`](crate::Store).
///
/// The watches end when the feed is closed or dropped.
#[derive(Debug)]
pub struct Feed(RwLock<Option<broadcast::Sender<Notice>>>);

impl Feed {
    /// A feed whose watchers may each be `notices` behind before they miss some.
    pub fn new(notices: usize) -> Self {
        Self(RwLock::new(Some(broadcast::Sender::new(notices.max(1)))))
    }

    /// A watcher of what is sent from now on; of nothing, when the feed is closed.
    pub fn watch(&self) -> Watch {
        self.watch_after(0)
    }

    /// The same without the commits up to `revision`, of which the feed may be told late.
    pub fn watch_after(&self, revision: Revision) -> Watch {
        let open = self.0.read().as_ref().map(broadcast::Sender::subscribe);
        Watch { notices: open.unwrap_or_else(|| broadcast::channel(1).1), after: revision }
    }

    /// Tells every watcher. Never waits: a slow watcher misses notices instead, and is told so.
    pub fn send(&self, notice: Notice) {
        if let Some(sender) = self.0.read().as_ref() {
            // An error only says that nobody watches.
            let _ = sender.send(notice);
        }
    }

    /// Ends all watches, once they have read what was sent before.
    pub fn close(&self) {
        self.0.write().take();
    }
}
