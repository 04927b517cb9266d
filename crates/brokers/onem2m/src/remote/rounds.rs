use std::collections::HashMap;

use parking_lot::Mutex;

/// How often the same request may be on its way through this CSE at once. Some clients give all their requests one
/// identifier, so more than one is no proof of a loop.
const MOST: usize = 16;

/// Requests that are on their way through this CSE. One that goes round in circles comes back while it is.
#[derive(Debug, Default)]
pub(crate) struct Rounds(Mutex<HashMap<String, usize>>);

/// A request under way; dropping it says that it came back.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    rounds: &'a Rounds,
    key: String,
}

impl Rounds {
    /// Lets a request through; nothing when it has gone round too often.
    pub(crate) fn enter(&self, key: String) -> Option<Round<'_>> {
        let mut under_way = self.0.lock();
        let count = under_way.entry(key.clone()).or_default();
        if *count >= MOST {
            return None;
        }
        *count += 1;
        Some(Round { rounds: self, key })
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let mut under_way = self.rounds.0.lock();
        if let Some(count) = under_way.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_goes_round_is_stopped_and_one_that_came_back_is_forgotten() {
        let rounds = Rounds::default();
        let mut under_way: Vec<_> = (0..MOST).map(|_| rounds.enter("r".to_owned()).unwrap()).collect();
        assert!(rounds.enter("r".to_owned()).is_none());
        assert!(rounds.enter("other".to_owned()).is_some());
        under_way.pop();
        assert!(rounds.enter("r".to_owned()).is_some());
        under_way.clear();
        assert!(rounds.0.lock().is_empty());
    }
}
