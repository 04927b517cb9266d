//! The temporal evolution of entities (NGSI-LD 4.5.6, 5.6.11 to 5.6.16): every instance that an attribute had. An
//! entity's past is an entity whose attributes have many instances, each with an id of its own, in the order of time;
//! so queries of the present also read the past. Kept in a journal of its own, beside that of the present.

mod aggregate;
mod building;
mod change;
mod codec;
mod ending;
mod file;
mod find;
mod open;
mod part;
mod recent;
mod run;
mod scopes;
mod show;
mod window;

use std::{path::PathBuf, sync::Arc, time::Duration};

use morgana_journal::{Journal, Ticket};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

pub(crate) use aggregate::{Aggregation, duration};
pub(crate) use change::{end_of, missing_of, past_of};
pub(crate) use codec::Past;
pub(crate) use ending::is_end;
pub(crate) use find::{Found, Scanned};
pub(crate) use part::Part;
pub(crate) use scopes::{Timeline, is_scope, scope_instance, when};
pub(crate) use show::{Evolution, Style};
pub(crate) use window::{Span, TimeProperty, Window};

use self::{
    building::Building,
    codec::encode,
    recent::{Recent, earlier},
    run::Run,
};
use crate::{
    Error, ErrorKind,
    model::{Attribute, Entity, Timestamp},
};

/// Changes go from memory to a file when the journal is larger than this, in bytes.
const RECENT_BYTES: u64 = 16 * 1024 * 1024;

/// While so many times more than that waits to go to a file, writes wait.
const RECENT_TIMES_MAX: usize = 4;

/// How many reads of the past run at once.
const READS_MAX: usize = 4;

/// What is kept of the past.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// How many instances of an attribute.
    pub(crate) max: usize,
    /// For how long after it was written; zero for ever.
    pub(crate) max_age: Duration,
}

impl Rules {
    /// What was written before this is too old at `now`.
    pub(crate) fn floor(self, now: Timestamp) -> Option<Timestamp> {
        if self.max_age.is_zero() {
            return None;
        }
        let age = i64::try_from(self.max_age.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(now.as_micros().saturating_sub(age))
    }
}

/// The past of all entities. The journal has the changes that are in memory only; the others are in files, of which
/// memory has the first id of each 32 KiB.
#[derive(Debug)]
pub(crate) struct History {
    journal: Journal,
    dir: PathBuf,
    rules: Rules,
    /// The bytes of recent changes from which on writes wait.
    recent_max: usize,
    state: RwLock<State>,
    /// Held while recent changes are written to a file.
    filing: Mutex<()>,
    /// Held while files are merged.
    merging: Mutex<()>,
    /// Turns of reads.
    reads: Semaphore,
    signals: Signals,
}

/// Wakes the tasks that keep the past small, and those that wait for room.
#[derive(Debug, Default)]
struct Signals {
    file: Notify,
    merge: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    recent: Recent,
    /// Changes that are being written to a file.
    filing: Option<Arc<Recent>>,
    /// Oldest first.
    runs: Vec<Arc<Run>>,
    /// The number of the next run.
    next_run: u64,
    /// What was written before this is gone.
    floor: Option<Timestamp>,
    /// When the last change was written.
    last: Option<Timestamp>,
    /// The number of the last change since the past was opened.
    changes: u64,
    /// Why recent changes could not be written to a file the last time.
    trouble: Option<String>,
    /// Whether all files are to be merged, as too much of what they have is too old.
    merge_all: bool,
}

impl State {
    /// Takes a change that the journal has.
    fn take(&mut self, past: &Past, record: &[u8]) {
        match past {
            Past::Before(floor) => self.floor = self.floor.max(Some(*floor)),
            Past::Filed(filed) => {
                self.next_run = filed.runs;
                self.floor = self.floor.max(filed.floor);
                self.last = self.last.max(filed.last);
            }
            _ => {
                self.last = self.last.max(past.at());
                self.changes += 1;
                if let Some(id) = past.id() {
                    self.recent.push(id, record, past.oldest(), self.changes);
                }
            }
        }
    }

    fn recent_bytes(&self) -> usize {
        self.recent.bytes() + self.filing.as_ref().map_or(0, |filing| filing.bytes())
    }

    /// When the oldest that there may be was written.
    fn oldest(&self) -> Option<Timestamp> {
        let recent = earlier(self.recent.oldest(), self.filing.as_ref().and_then(|one| one.oldest()));
        self.runs.iter().fold(recent, |oldest, run| earlier(oldest, run.note.oldest))
    }
}

impl History {
    /// Waits until the journal has room, and memory.
    pub(crate) async fn room(&self) -> Result<(), Error> {
        self.journal.room().await?;
        loop {
            let room = self.signals.room.notified();
            {
                let state = self.state.read();
                if state.recent_bytes() <= self.recent_max {
                    return Ok(());
                }
                if let Some(trouble) = &state.trouble {
                    let detail =
                        format!("the past takes nothing more, as its files cannot be written: {trouble}");
                    self.signals.file.notify_one();
                    return Err(Error::new(ErrorKind::Unavailable, detail));
                }
            }
            room.await;
        }
    }

    /// When the last change was written that the past has.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.state.read().last
    }

    /// Whether there may be something that was written before `time`.
    pub(crate) fn has_before(&self, time: Timestamp) -> bool {
        self.state.read().oldest().is_some_and(|oldest| oldest < time)
    }

    /// Writes a change to the journal and makes it true.
    pub(crate) fn write(&self, past: &Past) -> Result<Ticket, Error> {
        let record = encode(past);
        let mut state = self.state.write();
        let ticket = self.journal.append(&record)?;
        state.take(past, &record);
        Ok(ticket)
    }
}

/// Gives instances an id each, and the time they were written.
pub(crate) fn stamp(attributes: &mut [Attribute], now: Timestamp) {
    for attribute in attributes {
        attribute.created_at = now;
        attribute.modified_at = now;
        attribute.details_mut().instance_id = Some(format!("urn:ngsi-ld:Instance:{}", Uuid::new_v4()).into());
    }
}

/// One past of what this broker and others have of an entity, in the order of time; the same instance is there once.
pub(crate) fn together(local: Option<Entity>, remote: &[&Entity]) -> Option<Entity> {
    let mut rest = remote.iter();
    let mut whole = local.or_else(|| rest.next().map(|first| Entity::clone(first)))?;
    let mut others: Vec<&Attribute> = Vec::new();
    for other in rest {
        for name in &other.types {
            if !whole.types.contains(name) {
                whole.types.push(name.clone());
            }
        }
        if whole.scopes.is_empty() {
            whole.scopes.clone_from(&other.scopes);
        }
        whole.created_at = whole.created_at.min(other.created_at);
        whole.modified_at = whole.modified_at.max(other.modified_at);
        others.extend(&other.attributes);
    }
    if others.is_empty() {
        return Some(whole);
    }
    let mut building = Building::of(whole);
    for attribute in others {
        building.add(attribute.clone(), usize::MAX);
    }
    building.finish(usize::MAX, None)
}

fn time(attribute: &Attribute) -> Timestamp {
    attribute.observed_at.unwrap_or(attribute.created_at)
}

#[cfg(test)]
mod tests;
