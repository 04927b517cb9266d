use std::{
    cell::RefCell,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::{Arc, LazyLock},
};

use hashbrown::HashSet;
use parking_lot::RwLock;

/// The expanded name (an IRI) of a type or an attribute. Each distinct name is kept once in the process, so a copy
/// is a pointer and a comparison is one instruction.
#[derive(Clone)]
pub struct Name(Arc<str>);

/// All names in use, and the size at which unused ones are let go.
struct Names {
    set: HashSet<Arc<str>>,
    purge_at: usize,
}

static NAMES: LazyLock<RwLock<Names>> =
    LazyLock::new(|| RwLock::new(Names { set: HashSet::new(), purge_at: 4096 }));

/// How many names a thread has at hand.
const AT_HAND: usize = 64;

thread_local! {
    /// Names that this thread came across last, each in its own place: a state that is read from the disk has the same
    /// few again and again.
    static LAST: RefCell<[Option<Name>; AT_HAND]> = const { RefCell::new([const { None }; AT_HAND]) };
}

/// The place of a name among those at hand. IRIs differ most at their end.
fn place(text: &str) -> usize {
    let end = text.as_bytes().iter().rev().take(4);
    end.fold(text.len(), |place, byte| place.wrapping_mul(31).wrapping_add(usize::from(*byte))) % AT_HAND
}

impl Name {
    /// The name with this text.
    pub fn new(text: &str) -> Self {
        LAST.with_borrow_mut(|last| match &mut last[place(text)] {
            Some(name) if &*name.0 == text => name.clone(),
            other => other.insert(Self::of_all(text)).clone(),
        })
    }

    fn of_all(text: &str) -> Self {
        if let Some(name) = NAMES.read().set.get(text) {
            return Self(Arc::clone(name));
        }
        let mut names = NAMES.write();
        if let Some(name) = names.set.get(text) {
            return Self(Arc::clone(name));
        }
        if names.set.len() >= names.purge_at {
            // Only the set itself holds these; no one can take a new copy while it is locked.
            names.set.retain(|name| Arc::strong_count(name) > 1);
            names.purge_at = (names.set.len() * 2).max(4096);
        }
        let name: Arc<str> = text.into();
        names.set.insert(Arc::clone(&name));
        Self(name)
    }

    /// The IRI.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_ptr().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_one_name_and_unused_ones_are_let_go() {
        let kept = Name::new("https://example.org/kept");
        for number in 0..20_000 {
            let _ = Name::new(&format!("https://example.org/{number}"));
        }
        assert_eq!(Name::new("https://example.org/kept"), kept);
        assert!(NAMES.read().set.len() < 10_000);
    }
}
