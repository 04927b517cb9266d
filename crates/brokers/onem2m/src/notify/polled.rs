//! The queues of polling channels (TS-0001 9.6.21, 10.2.5): what there is for an entity that nobody can reach.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::shelf::{NoRoom, Reason, Shelf, Waiting};

/// All polling channels, by the ID of who polls.
#[derive(Debug)]
pub(crate) struct Polled {
    shelf: Arc<Shelf>,
    most: usize,
    /// Something came, for those who ask.
    came: Mutex<HashMap<Box<str>, Arc<Notify>>>,
}

impl Polled {
    /// Queues on a shelf, each of at most `most` requests.
    pub(crate) fn new(shelf: Arc<Shelf>, most: usize) -> Self {
        Self { shelf, most, came: Mutex::default() }
    }

    /// Adds a notification, which waits until it is asked for, even across a restart.
    pub(super) fn add(&self, owner: &str, primitive: Value) -> Result<(), NoRoom> {
        self.shelf.try_put(Waiting::new(Reason::Poll, owner, primitive), self.most)?;
        self.came(owner).notify_one();
        Ok(())
    }

    /// Adds a request whose answer someone waits for now.
    pub(super) fn add_question(&self, owner: &str, primitive: Value) -> Result<(), String> {
        let added = self.shelf.try_put_for_now(Waiting::new(Reason::Poll, owner, primitive), self.most);
        added.map_err(|NoRoom| "its polling channel is full".to_owned())?;
        self.came(owner).notify_one();
        Ok(())
    }

    /// The next request on a channel, or all that there are when they are to come together. Waits for it; nothing when
    /// the channel is closed meanwhile.
    pub(crate) async fn next(&self, owner: &str, aggregate: bool) -> Option<Value> {
        let came = self.came(owner);
        let first = loop {
            if let Some(first) = self.shelf.take_first(Reason::Poll, owner) {
                break first.content;
            }
            came.notified().await;
            if !self.came.lock().get(owner).is_some_and(|now| Arc::ptr_eq(now, &came)) {
                return None;
            }
        };
        if !aggregate {
            return Some(json!({ "m2m:rqp": first }));
        }
        let rest = self.shelf.take(Reason::Poll, owner).into_iter().map(|waiting| waiting.content);
        Some(json!({ "m2m:agrp": std::iter::once(first).chain(rest).collect::<Value>() }))
    }

    /// Forgets a channel with what is in it.
    pub(crate) fn close(&self, owner: &str) {
        let came = self.came.lock().remove(owner);
        self.shelf.take(Reason::Poll, owner);
        if let Some(came) = came {
            came.notify_waiters();
            // For who has looked and not begun to wait yet.
            came.notify_one();
        }
    }

    fn came(&self, owner: &str) -> Arc<Notify> {
        let mut all = self.came.lock();
        match all.get(owner) {
            Some(came) => Arc::clone(came),
            None => Arc::clone(all.entry(owner.into()).or_default()),
        }
    }
}
