//! The queue between what wakes a reconciler and the reconciler itself.

use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Keys that wait to be reconciled. A key waits at most once however often it was woken, and is
/// worked on by one at a time; woken while it is worked on, it waits again. So the queue is never
/// longer than there are keys.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    state: Mutex<State<K>>,
    woken: Notify,
}

#[derive(Debug)]
struct State<K> {
    waiting: BTreeSet<K>,
    taken: HashSet<K>,
}

impl<K: Ord + Hash + Clone> Queue<K> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State { waiting: BTreeSet::new(), taken: HashSet::new() }),
            woken: Notify::new(),
        }
    }

    /// Asks for a key to be reconciled.
    pub(crate) fn wake(&self, key: K) {
        self.state.lock().waiting.insert(key);
        self.woken.notify_one();
    }

    /// Waits for a key that nobody works on, and takes it.
    pub(crate) async fn take(&self) -> K {
        loop {
            if let Some(key) = self.try_take() {
                return key;
            }
            self.woken.notified().await;
        }
    }

    fn try_take(&self) -> Option<K> {
        let mut state = self.state.lock();
        let key = state.waiting.iter().find(|key| !state.taken.contains(*key))?.clone();
        state.waiting.remove(&key);
        state.taken.insert(key.clone());
        Some(key)
    }

    /// Puts a taken key down again.
    pub(crate) fn done(&self, key: &K) {
        self.state.lock().taken.remove(key);
        self.woken.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_woken_twice_is_taken_once() {
        let queue = Queue::new();
        queue.wake("a");
        queue.wake("a");
        assert_eq!(queue.take().await, "a");
        assert_eq!(queue.try_take(), None);
    }

    #[tokio::test]
    async fn a_key_woken_while_it_is_worked_on_comes_again_afterwards() {
        let queue = Queue::new();
        queue.wake("a");
        let key = queue.take().await;
        queue.wake("a");
        assert_eq!(queue.try_take(), None, "nobody else works on it meanwhile");
        queue.done(&key);
        assert_eq!(queue.take().await, "a");
    }
}
