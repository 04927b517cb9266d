//! All copies of subscriptions in memory, and when each is to be looked at again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::record::{Copy, Made};
use crate::{broker::notes::Notes, model::NoteKind, registrations::Registration};

/// How long a source that failed is left alone at first, and at most.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(300);

/// The subscription and the registration of a copy.
pub(super) type Key = (Box<str>, Box<str>);

#[derive(Debug)]
struct Entry {
    copy: Copy,
    /// When it is to be looked at; `None` when all is as it should be.
    due: Option<Instant>,
    /// When the source is asked whether it still has it.
    check: Option<Instant>,
    /// Someone is at it.
    is_busy: bool,
    /// How often the source failed since something last changed.
    failures: u32,
}

/// Why a copy is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// What it is to be may have changed.
    Change,
    /// The source may have lost it.
    Check,
}

/// The copies there are.
#[derive(Debug, Default)]
pub(in crate::broker) struct Copies {
    /// How long after a source was last heard to have a copy it is asked whether it still has; zero is never.
    every: Duration,
    all: Mutex<BTreeMap<Key, Entry>>,
    ids: Mutex<HashMap<Box<str>, Key>>,
    pub(super) woken: Notify,
}

impl Copies {
    /// Those that the journal brought back. Each is looked at, as what it is to be may have changed.
    pub(in crate::broker) fn restored(notes: &Notes, every: Duration) -> Self {
        let copies = Self { every, ..Self::default() };
        for (id, note) in notes.of(NoteKind::Copies) {
            match Copy::revived(id, note) {
                Some(copy) => copies.insert(copy),
                None => tracing::error!(copy = %id, "cannot revive the copy of a subscription"),
            }
        }
        copies
    }

    pub(super) fn insert(&self, copy: Copy) {
        let key = (copy.subscription.clone(), copy.registration.clone());
        self.ids.lock().insert(copy.id.clone(), key.clone());
        let entry = Entry { copy, due: Some(Instant::now()), check: None, is_busy: false, failures: 0 };
        self.all.lock().insert(key, entry);
        self.woken.notify_one();
    }

    pub(super) fn has(&self, subscription: &str, registration: &str) -> bool {
        self.all.lock().contains_key(&(subscription.into(), registration.into()))
    }

    /// The copy with this id.
    pub(super) fn get(&self, id: &str) -> Option<Copy> {
        let key = self.ids.lock().get(id).cloned()?;
        self.all.lock().get(&key).map(|entry| entry.copy.clone())
    }

    /// The subscriptions that have copies, each once.
    pub(super) fn subscriptions(&self) -> Vec<Box<str>> {
        let all = self.all.lock();
        let living = all.values().filter(|entry| entry.copy.orphan.is_none());
        let mut ids: Vec<Box<str>> = living.map(|entry| entry.copy.subscription.clone()).collect();
        ids.dedup();
        ids
    }

    /// Has the copies of a subscription looked at.
    pub(in crate::broker) fn touch(&self, subscription: &str) {
        let mut all = self.all.lock();
        let from: Key = (subscription.into(), "".into());
        for (_, entry) in all.range_mut(from..).take_while(|((id, _), _)| **id == *subscription) {
            entry.touch();
        }
        self.woken.notify_one();
    }

    /// Has the copies at a source looked at; those at one that is registered no more are gone soon. Gives these.
    pub(super) fn touch_at(&self, registration: &str, orphan: Option<&Arc<Registration>>) -> Vec<Copy> {
        let mut touched = Vec::new();
        for entry in self.all.lock().values_mut().filter(|one| *one.copy.registration == *registration) {
            entry.copy.orphan = orphan.cloned();
            entry.touch();
            touched.extend(orphan.map(|_| entry.copy.clone()));
        }
        self.woken.notify_one();
        touched
    }

    /// At most `max` of those that are to be looked at now, and how long it is until the next one. Who gets one has to
    /// give it back, by [`Self::done`], [`Self::failed`] or [`Self::remove`].
    pub(super) fn take_due(&self, max: usize) -> (Vec<(Copy, Why)>, Option<Duration>) {
        let mut all = self.all.lock();
        let now = Instant::now();
        let busy = all.values().filter(|entry| entry.is_busy).count();
        let mut taken = Vec::new();
        for entry in all.values_mut() {
            if taken.len() + busy >= max {
                break;
            }
            let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            let why = if is_past(entry.due) { Why::Change } else { Why::Check };
            if !entry.is_busy && (is_past(entry.due) || is_past(entry.check)) {
                (entry.is_busy, entry.check) = (true, None);
                if why == Why::Change {
                    entry.due = None;
                }
                taken.push((entry.copy.clone(), why));
            }
        }
        let waiting = all.values().filter(|entry| !entry.is_busy);
        let waiting = waiting.flat_map(|entry| [entry.due, entry.check]).flatten();
        (taken, waiting.min().map(|due| due.saturating_duration_since(now)))
    }

    /// The copy is now this.
    pub(super) fn done(&self, copy: &Copy) {
        self.back(copy, |entry| {
            entry.copy.made = copy.made;
            entry.failures = 0;
            let is_there = matches!(copy.made, Made::Yes(_)) && !self.every.is_zero();
            entry.check = is_there.then(|| Instant::now() + self.every);
        });
    }

    /// The source failed; it is asked again later, about the same.
    pub(super) fn failed(&self, copy: &Copy, why: Why) {
        self.back(copy, |entry| {
            let wait = RETRY_FIRST * 2u32.saturating_pow(entry.failures.min(16));
            entry.failures += 1;
            let due = Instant::now() + wait.min(RETRY_LAST);
            let at = if why == Why::Change { &mut entry.due } else { &mut entry.check };
            *at = Some(at.map_or(due, |sooner| sooner.min(due)));
        });
    }

    /// How often the source failed since something last changed.
    pub(super) fn failures(&self, copy: &Copy) -> u32 {
        let key = (copy.subscription.clone(), copy.registration.clone());
        self.all.lock().get(&key).map_or(0, |entry| entry.failures)
    }

    /// There is no copy any more.
    pub(super) fn remove(&self, copy: &Copy) {
        self.ids.lock().remove(&copy.id);
        let key = (copy.subscription.clone(), copy.registration.clone());
        let mut all = self.all.lock();
        if all.get(&key).is_some_and(|entry| entry.copy.id == copy.id) {
            all.remove(&key);
        }
        self.woken.notify_one();
    }

    fn back(&self, copy: &Copy, change: impl FnOnce(&mut Entry)) {
        let key = (copy.subscription.clone(), copy.registration.clone());
        if let Some(entry) = self.all.lock().get_mut(&key).filter(|entry| entry.copy.id == copy.id) {
            entry.is_busy = false;
            change(entry);
        }
        self.woken.notify_one();
    }
}

impl Entry {
    fn touch(&mut self) {
        self.due = Some(Instant::now());
        self.failures = 0;
    }
}
