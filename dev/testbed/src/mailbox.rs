//! What has arrived, kept for whoever waits for it.

use std::fmt::Debug;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::PATIENCE;

/// How many of what came instead are worth showing.
const LAST: usize = 3;

/// Everything that arrived, in order. Clones share it.
#[derive(Clone, Debug)]
pub struct Mailbox<T> {
    arrived: watch::Sender<Vec<T>>,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self { arrived: watch::Sender::new(Vec::new()) }
    }
}

impl<T: Clone + Debug> Mailbox<T> {
    /// Adds one to what has arrived.
    pub fn put(&self, item: T) {
        self.arrived.send_modify(|arrived| arrived.push(item));
    }

    /// What has arrived so far.
    pub fn all(&self) -> Vec<T> {
        self.arrived.borrow().clone()
    }

    /// Forgets what has arrived so far.
    pub fn clear(&self) {
        self.arrived.send_modify(Vec::clear);
    }

    /// The first that is wanted: one that is there already, or the next.
    ///
    /// # Panics
    /// When none came within [`PATIENCE`], with `what` and the last that did come.
    pub async fn wait_for(&self, what: &str, wanted: impl Fn(&T) -> bool) -> T {
        self.wait_within(PATIENCE, what, wanted).await
    }

    async fn wait_within(&self, patience: Duration, what: &str, wanted: impl Fn(&T) -> bool) -> T {
        let mut arrived = self.arrived.subscribe();
        let find = |arrived: &Vec<T>| arrived.iter().find(|item| wanted(item)).cloned();
        let found = timeout(patience, arrived.wait_for(|arrived| find(arrived).is_some())).await;
        // The sender is ours, so waiting only ends with what is wanted or with the time.
        let found = found.ok().and_then(|arrived| find(&*arrived.ok()?));
        found.unwrap_or_else(|| {
            let arrived = self.all();
            let last = &arrived[arrived.len().saturating_sub(LAST)..];
            panic!("{what}: not within {patience:?}; {} others came, the last: {last:#?}", arrived.len())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_came_before_and_what_comes_later_are_both_found() {
        let mailbox = Mailbox::default();
        mailbox.put(1);
        assert_eq!(mailbox.wait_for("one", |item| *item == 1).await, 1);
        let later = mailbox.clone();
        let waiting = mailbox.wait_for("two", |item| *item == 2);
        assert_eq!(tokio::join!(waiting, async move { later.put(2) }).0, 2);
    }

    #[tokio::test]
    #[should_panic(expected = "seven: not within 1ms; 1 others came")]
    async fn it_says_what_came_instead() {
        let mailbox = Mailbox::default();
        mailbox.put(1);
        mailbox.wait_within(Duration::from_millis(1), "seven", |item| *item == 7).await;
    }
}
