//! Which commands were sent already.

use std::collections::{HashSet, VecDeque};

/// How many are remembered; the oldest go first. At 1,000 commands a second with ids of the tenant's own it is more
/// than a minute, and commands that repeat come within seconds.
const CAPACITY: usize = 100_000;

/// A command, by vThing, entity, name and `cmd-id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(pub(crate) u128);

impl Key {
    /// The FNV-1a hash of the parts: the same in every run and every release. A tenant who looks for two commands
    /// with one key refuses the second to itself.
    pub(super) fn of(parts: &[&str]) -> Self {
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        for part in parts {
            // A byte that is in no UTF-8 text keeps the parts apart.
            for byte in part.bytes().chain([0xff]) {
                hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
            }
        }
        Self(hash)
    }
}

/// The last commands.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    order: VecDeque<Key>,
    keys: HashSet<Key>,
}

impl Seen {
    /// Adds a command; says whether it is new.
    pub(crate) fn insert(&mut self, key: Key) -> bool {
        if !self.keys.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        true
    }

    /// All of them, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Key> {
        self.order.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_new_once_and_the_memory_is_bounded() {
        let mut seen = Seen::default();
        let key = |number: u32| Key::of(&["tv/a", "urn:e", "set-on", &number.to_string()]);
        assert!(seen.insert(key(0)) && !seen.insert(key(0)));
        (1..=CAPACITY as u32).for_each(|number| assert!(seen.insert(key(number))));
        assert_eq!(seen.iter().count(), CAPACITY);
        assert!(seen.insert(key(0)), "the oldest was forgotten");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Key::of(&["a", "bc"]), Key::of(&["ab", "c"]));
    }
}
