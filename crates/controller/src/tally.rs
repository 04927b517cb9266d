//! How many of something each has at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts what each key has at once. A key that has nothing any more is forgotten. Cheap to clone.
#[derive(Debug)]
pub struct Tally<K>(Arc<Mutex<HashMap<K, usize>>>);

/// One that is counted, until it is dropped.
#[derive(Debug)]
pub struct Counted<K: Eq + Hash> {
    tally: Tally<K>,
    key: K,
}

impl<K: Eq + Hash + Clone> Tally<K> {
    /// Counts one more; nothing where the key has `most` already.
    pub fn count_up_to(&self, key: K, most: usize) -> Option<Counted<K>> {
        let mut counts = self.0.lock();
        let count = counts.get(&key).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        counts.insert(key.clone(), count + 1);
        Some(Counted { tally: self.clone(), key })
    }

    /// Counts one more; how many the key has with it.
    pub fn count(&self, key: K) -> (Counted<K>, usize) {
        let mut counts = self.0.lock();
        let count = counts.entry(key.clone()).or_default();
        *count += 1;
        let count = *count;
        (Counted { tally: self.clone(), key }, count)
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut counts = self.tally.0.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> Clone for Tally<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_share_and_gets_another_when_one_is_done() {
        let tally = Tally::default();
        let (first, second) = (tally.count_up_to("one", 2), tally.count_up_to("one", 2));
        assert!(first.is_some() && second.is_some() && tally.count_up_to("one", 2).is_none());
        let other = tally.count_up_to("two", 2);
        assert!(other.is_some());
        drop(first);
        assert!(tally.count_up_to("one", 2).is_some());
        drop((second, other));
        assert!(tally.0.lock().is_empty(), "who has none is forgotten");
    }

    #[test]
    fn a_count_says_how_many_there_are_with_it() {
        let tally = Tally::default();
        let (first, one) = tally.count("one");
        let (_second, two) = tally.count("one");
        let (_other, of_two) = tally.count("two");
        assert_eq!((one, two, of_two), (1, 2, 1));
        drop(first);
        assert_eq!(tally.count("one").1, 2);
    }

    #[test]
    fn of_many_at_once_no_more_are_let_in_than_there_may_be() {
        let tally = Tally::default();
        let held: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| tally.count_up_to((), 5))).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(held.len(), 5);
    }
}
