use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use super::trie::Trie;
use crate::Clue;

/// Keys by what texts must have that concern them.
#[derive(Debug)]
pub(super) struct Texts<K> {
    whole: HashMap<Box<str>, HashSet<K>>,
    starts: Trie<K>,
    parts: Trie<K>,
}

impl<K> Default for Texts<K>
where
    K: Hash + Eq,
{
    fn default() -> Self {
        Self { whole: HashMap::new(), starts: Trie::default(), parts: Trie::default() }
    }
}

impl<K: Hash + Eq + Clone> Texts<K> {
    /// How many keys share what this clue says, at most: so many may be found in vain.
    pub(super) fn shared(&self, clue: &Clue) -> usize {
        let most = |counts: &mut dyn Iterator<Item = usize>| counts.max().unwrap_or(0);
        match clue {
            Clue::Is(texts) => {
                most(&mut texts.iter().map(|text| self.whole.get(text).map_or(0, HashSet::len)))
            }
            Clue::StartsWith(starts) => most(&mut starts.iter().map(|start| self.starts.count(start))),
            Clue::Contains(parts) => most(&mut parts.iter().map(|part| self.parts.count(part))),
        }
    }

    pub(super) fn insert(&mut self, clue: &Clue, key: &K) {
        match clue {
            Clue::Is(texts) => {
                for text in texts {
                    self.whole.entry(text.clone()).or_default().insert(key.clone());
                }
            }
            Clue::StartsWith(starts) => starts.iter().for_each(|one| self.starts.insert(one, key.clone())),
            Clue::Contains(parts) => parts.iter().for_each(|one| self.parts.insert(one, key.clone())),
        }
    }

    pub(super) fn remove(&mut self, clue: &Clue, key: &K) {
        match clue {
            Clue::Is(texts) => {
                for text in texts {
                    let Some(keys) = self.whole.get_mut(text) else { continue };
                    keys.remove(key);
                    if keys.is_empty() {
                        self.whole.remove(text);
                    }
                }
            }
            Clue::StartsWith(starts) => starts.iter().for_each(|one| self.starts.remove(one, key)),
            Clue::Contains(parts) => parts.iter().for_each(|one| self.parts.remove(one, key)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.starts.is_empty() && self.parts.is_empty()
    }

    /// Adds the keys that `text` may concern; some more than once.
    pub(super) fn find<'a>(&'a self, text: &str, found: &mut Vec<&'a K>) {
        found.extend(self.whole.get(text).into_iter().flatten());
        self.starts.at_start(text.as_bytes(), found);
        self.parts.anywhere(text.as_bytes(), found);
    }
}
