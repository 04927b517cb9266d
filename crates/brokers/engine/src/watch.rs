use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use morgana_journal::Ticket;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::mpsc;

/// The watch fell behind: this many changes were not kept for it. Read the state again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a watch of the broker fell behind by {0} changes")]
pub struct Lagged(pub u64);

/// Changes as they happen, inside the broker's process. Each is seen once what was written of it is durable. Dropping it
/// ends it.
#[derive(Debug)]
pub struct Watch<F, T> {
    changes: mpsc::Receiver<Told<T>>,
    /// The next change, while it is waited for that it is durable.
    next: Option<Told<T>>,
    shared: Arc<Shared<F>>,
}

/// A change, and the write to wait for.
type Told<T> = (T, Option<Ticket>);

#[derive(Debug)]
struct Shared<F> {
    filter: Mutex<F>,
    missed: AtomicU64,
}

impl<F, T> Watch<F, T> {
    /// The next change, in order; `None` when the broker is gone.
    ///
    /// # Errors
    /// [`Lagged`] when changes were missed; the ones after them follow.
    pub async fn next(&mut self) -> Option<Result<T, Lagged>> {
        loop {
            if self.next.is_none() {
                match self.shared.missed.swap(0, Ordering::AcqRel) {
                    0 => self.next = Some(self.changes.recv().await?),
                    missed => return Some(Err(Lagged(missed))),
                }
            }
            // It stays in its place meanwhile, as the caller may not wait for the end of this.
            let write = self.next.as_ref().and_then(|(_, write)| write.clone());
            let is_kept = match write {
                Some(write) => write.durable().await.is_ok(),
                None => true,
            };
            // One that was not kept did not happen.
            if let Some((change, _)) = self.next.take().filter(|_| is_kept) {
                return Some(Ok(change));
            }
        }
    }

    /// The next change, if one waits and is durable.
    pub fn try_next(&mut self) -> Option<T> {
        if self.next.is_none() {
            self.next = self.changes.try_recv().ok();
        }
        let (_, write) = self.next.as_ref()?;
        let is_kept = write.as_ref().is_none_or(Ticket::is_durable);
        self.next.take_if(|_| is_kept).map(|(change, _)| change)
    }

    /// Sees what this filter wants from now on. What waits already stays.
    pub fn set_filter(&self, filter: F) {
        *self.shared.filter.lock() = filter;
    }
}

#[derive(Debug)]
struct Watcher<F, T> {
    changes: mpsc::Sender<Told<T>>,
    shared: Arc<Shared<F>>,
}

/// All watches of a broker; `F` says what a watch wants, `T` is what it gets.
#[derive(Debug)]
pub struct Watchers<F, T>(Mutex<Vec<Watcher<F, T>>>);

impl<F, T> Default for Watchers<F, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<F, T> Watchers<F, T> {
    /// Watches from now on. At most `capacity` changes wait to be read.
    pub fn watch(&self, filter: F, capacity: usize) -> Watch<F, T> {
        let (sender, changes) = mpsc::channel(capacity.max(1));
        let shared = Arc::new(Shared { filter: Mutex::new(filter), missed: AtomicU64::new(0) });
        self.0.lock().push(Watcher { changes: sender, shared: Arc::clone(&shared) });
        Watch { changes, next: None, shared }
    }

    /// Whether nobody watches.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Tells every watch for whose filter there is something to tell, once what was `written` of it is durable. It never
    /// waits: a watch whose queue is full is told that it lags.
    pub fn tell(&self, written: Option<&Ticket>, mut change: impl FnMut(&F) -> Option<T>) {
        self.0.lock().retain(|watcher| {
            let wanted = change(&watcher.shared.filter.lock());
            let Some(wanted) = wanted else { return !watcher.changes.is_closed() };
            match watcher.changes.try_send((wanted, written.cloned())) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    watcher.shared.missed.fetch_add(1, Ordering::AcqRel);
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watch_sees_what_its_filter_wants_in_order_and_is_told_when_it_lags() {
        let watchers = Watchers::<u32, u32>::default();
        let mut watch = watchers.watch(10, 2);
        let tell = |number| watchers.tell(None, |least| (number >= *least).then_some(number));
        for number in [9, 10, 11, 12] {
            tell(number);
        }
        assert_eq!(watch.next().await, Some(Err(Lagged(1))));
        assert_eq!((watch.next().await, watch.next().await), (Some(Ok(10)), Some(Ok(11))));
        watch.set_filter(0);
        tell(1);
        assert_eq!(watch.try_next(), Some(1));
        drop(watch);
        tell(1);
        assert!(watchers.is_empty());
    }
}
