//! The queue between what wakes a reconciler and the reconciler itself.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

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
    /// In the order in which they were woken: one that is woken again and again waits its turn, too.
    waiting: VecDeque<K>,
    /// What is in that line.
    in_line: HashSet<K>,
    /// Keys that wake by themselves. One that is taken before has no such time any more.
    later: HashMap<K, Instant>,
    taken: HashSet<K>,
}

impl<K: Hash + Eq + Clone> Queue<K> {
    pub(crate) fn new() -> Self {
        let state = State {
            waiting: VecDeque::new(),
            in_line: HashSet::new(),
            later: HashMap::new(),
            taken: HashSet::new(),
        };
        Self { state: Mutex::new(state), woken: Notify::new() }
    }

    /// Asks for a key to be reconciled.
    pub(crate) fn wake(&self, key: K) {
        self.state.lock().line_up(key);
        self.woken.notify_one();
    }

    /// Asks for a key to be reconciled at a time, or earlier where it was asked for earlier.
    pub(crate) fn wake_at(&self, key: K, at: Instant) {
        let mut state = self.state.lock();
        let asked = state.later.entry(key).or_insert(at);
        *asked = (*asked).min(at);
        drop(state);
        self.woken.notify_one();
    }

    /// Waits for a key that nobody works on, and takes it.
    pub(crate) async fn take(&self) -> K {
        loop {
            let next = {
                let mut state = self.state.lock();
                if let Some(key) = state.take(Instant::now()) {
                    return key;
                }
                state.later.values().min().copied()
            };
            let next_due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.woken.notified() => {}
                () = next_due => {}
            }
        }
    }

    /// Puts a taken key down again.
    pub(crate) fn done(&self, key: &K) {
        self.state.lock().taken.remove(key);
        self.woken.notify_one();
    }
}

impl<K: Hash + Eq + Clone> State<K> {
    fn line_up(&mut self, key: K) {
        if self.in_line.insert(key.clone()) {
            self.waiting.push_back(key);
        }
    }

    fn take(&mut self, now: Instant) -> Option<K> {
        let due: Vec<K> =
            self.later.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.later.remove(&key);
            self.line_up(key);
        }
        let place = self.waiting.iter().position(|key| !self.taken.contains(key))?;
        let key = self.waiting.remove(place)?;
        self.in_line.remove(&key);
        self.later.remove(&key);
        self.taken.insert(key.clone());
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn try_take(queue: &Queue<&'static str>) -> Option<&'static str> {
        queue.state.lock().take(Instant::now())
    }

    #[tokio::test]
    async fn a_key_woken_twice_is_taken_once() {
        let queue = Queue::new();
        queue.wake("a");
        queue.wake("a");
        assert_eq!(queue.take().await, "a");
        assert_eq!(try_take(&queue), None);
    }

    #[tokio::test]
    async fn a_key_that_is_woken_all_the_time_keeps_no_other_from_its_turn() {
        let queue = Queue::new();
        for key in ["z", "a", "b"] {
            queue.wake(key);
        }
        let mut order = Vec::new();
        for _ in 0..5 {
            let key = queue.take().await;
            order.push(key);
            queue.wake("a");
            queue.done(&key);
        }
        assert_eq!(order, ["z", "a", "b", "a", "a"]);
    }

    #[tokio::test]
    async fn a_key_woken_while_it_is_worked_on_comes_again_afterwards() {
        let queue = Queue::new();
        queue.wake("a");
        let key = queue.take().await;
        queue.wake("a");
        assert_eq!(try_take(&queue), None, "nobody else works on it meanwhile");
        queue.done(&key);
        assert_eq!(queue.take().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_wakes_later_comes_once_and_at_its_earliest_time() {
        let queue = Queue::new();
        let start = Instant::now();
        for seconds in [3, 1, 2] {
            queue.wake_at("a", start + Duration::from_secs(seconds));
        }
        assert_eq!(queue.take().await, "a");
        assert_eq!(start.elapsed().as_secs(), 1);
        queue.done(&"a");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(try_take(&queue), None);
    }

    #[tokio::test]
    async fn a_key_taken_earlier_has_no_later_any_more() {
        let queue = Queue::new();
        queue.wake_at("a", Instant::now());
        queue.wake("a");
        let key = queue.take().await;
        queue.done(&key);
        assert_eq!(try_take(&queue), None);
    }
}
