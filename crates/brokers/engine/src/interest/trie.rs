use std::{collections::HashSet, hash::Hash};

use hashbrown::HashMap;

/// Keys by the bytes that a text starts with. Looking one up takes as many steps as bytes agree.
#[derive(Debug)]
pub(super) struct Trie<K> {
    /// The first one is the root.
    nodes: Vec<Node<K>>,
    /// The node that a byte leads to.
    edges: HashMap<(u32, u8), u32>,
    /// Nodes that no text leads to any more.
    free: Vec<u32>,
}

#[derive(Debug)]
struct Node<K> {
    keys: HashSet<K>,
    /// Pairs of bytes and key whose way goes through here.
    passing: u32,
}

impl<K> Default for Node<K> {
    fn default() -> Self {
        Self { keys: HashSet::new(), passing: 0 }
    }
}

impl<K> Default for Trie<K> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], edges: HashMap::new(), free: Vec::new() }
    }
}

impl<K: Hash + Eq> Trie<K> {
    /// The nodes that these bytes lead through, without the root, or `None` when they lead nowhere.
    fn way(&self, bytes: &[u8]) -> Option<Vec<u32>> {
        let mut at = 0;
        let step = |byte: &u8| {
            at = *self.edges.get(&(at, *byte))?;
            Some(at)
        };
        bytes.iter().map(step).collect()
    }

    fn node(&self, bytes: &[u8]) -> Option<&Node<K>> {
        self.nodes.get(*self.way(bytes)?.last().unwrap_or(&0) as usize)
    }

    /// How many keys are at exactly these bytes.
    pub(super) fn count(&self, bytes: &[u8]) -> usize {
        self.node(bytes).map_or(0, |node| node.keys.len())
    }

    pub(super) fn insert(&mut self, bytes: &[u8], key: K) {
        if self.node(bytes).is_some_and(|node| node.keys.contains(&key)) {
            return;
        }
        let mut at = 0;
        for byte in bytes {
            at = match self.edges.get(&(at, *byte)) {
                Some(next) => *next,
                None => {
                    let next = self.free.pop().unwrap_or_else(|| {
                        self.nodes.push(Node::default());
                        // A node takes more than a byte of memory, so they cannot be more than this can count.
                        (self.nodes.len() - 1) as u32
                    });
                    self.edges.insert((at, *byte), next);
                    next
                }
            };
            self.nodes[at as usize].passing += 1;
        }
        self.nodes[at as usize].keys.insert(key);
    }

    pub(super) fn remove(&mut self, bytes: &[u8], key: &K) {
        let Some(way) = self.way(bytes) else { return };
        let last = *way.last().unwrap_or(&0);
        if !self.nodes[last as usize].keys.remove(key) {
            return;
        }
        let mut before = 0;
        for (node, byte) in way.into_iter().zip(bytes) {
            self.nodes[node as usize].passing -= 1;
            if self.nodes[node as usize].passing == 0 {
                self.edges.remove(&(before, *byte));
                self.free.push(node);
            }
            before = node;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.edges.is_empty() && self.nodes[0].keys.is_empty()
    }

    /// Adds the keys whose bytes `text` starts with.
    pub(super) fn at_start<'a>(&'a self, text: &[u8], found: &mut Vec<&'a K>) {
        let mut at = 0;
        found.extend(&self.nodes[0].keys);
        for byte in text {
            match self.edges.get(&(at, *byte)) {
                Some(next) => at = *next,
                None => return,
            }
            found.extend(&self.nodes[at as usize].keys);
        }
    }

    /// Adds the keys whose bytes are anywhere in `text`; some more than once.
    pub(super) fn anywhere<'a>(&'a self, text: &[u8], found: &mut Vec<&'a K>) {
        for start in 0..text.len() {
            self.at_start(&text[start..], found);
        }
    }
}
