//! The stream of changes.

use std::collections::VecDeque;
use std::pin::Pin;

use futures_util::{Stream, stream};
use morgana_access::{Action, Caller};
use morgana_model::{
    Connection, Event, Failure, Flavour, Role, TenantId, ThingVisor, VSilo, VSiloId, VThing,
};
use morgana_store::{Document, Kind, Notice, Table, Touched, Watch};
use serde::Serialize;

use super::flavours::flavour_shown_to;
use super::sessions::Lease;
use super::vsilos::silo_shown_to;
use crate::records::UserRecord;
use crate::streams::OpenStream;
use crate::{Controller, Error};

/// Changes as they come; ends when the controller stops, or when the reader fell so far behind
/// that changes were missed: it reconnects and asks for a snapshot.
pub type EventStream = Pin<Box<dyn Stream<Item = Event> + Send>>;

/// What of the past a reader wants before the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// Nothing: only what changes from now on.
    FromNow,
    /// Every resource as it is now, first.
    WithSnapshot,
}

struct Reader {
    controller: Controller,
    lease: Lease,
    watch: Watch,
    ready: VecDeque<Event>,
    touched: VecDeque<(u64, Touched)>,
    _open: OpenStream,
}

impl Controller {
    /// Streams the changes of what the caller may see, for as long as it may.
    ///
    /// # Errors
    /// When the caller may not, or the System DB cannot be read.
    pub async fn events(&self, lease: Lease, from: Events) -> Result<EventStream, Failure> {
        self.operation("events", async {
            self.authorize(lease.caller(), Action::WatchEvents, None)?;
            let open = lease.open_stream()?;
            // The watch begins before the snapshot is read, so that nothing falls between them.
            let watch = self.store().watch();
            let mut ready = VecDeque::new();
            if from == Events::WithSnapshot {
                self.snapshot(lease.caller(), &mut ready).await?;
            }
            let reader = Reader {
                controller: self.clone(),
                lease,
                watch,
                ready,
                touched: VecDeque::new(),
                _open: open,
            };
            let events: EventStream =
                Box::pin(stream::unfold(reader, |mut reader| async { Some((reader.next().await?, reader)) }));
            Ok(events)
        })
        .await
    }

    async fn snapshot(&self, caller: &Caller, into: &mut VecDeque<Event>) -> Result<(), Error> {
        let revision = self.store().revision().await?;
        let mut put = |event: Option<Event>| into.extend(event);
        for found in self.flavours().all("").await? {
            put(event(revision, "flavour", &flavour_shown_to(caller, found.value)));
        }
        if caller.role == Role::Administrator {
            for found in self.users().all("").await? {
                put(event_of(revision, "user", found.value.key(), &found.value.user));
            }
            for found in self.thing_visors().all("").await? {
                put(event(revision, "thingvisor", &found.value));
            }
        }
        for found in self.v_things().all("").await? {
            put(event(revision, "vthing", &found.value));
        }
        let prefix = match caller.role {
            Role::Administrator => String::new(),
            Role::Tenant => format!("{}_", caller.user),
        };
        for found in self.v_silos().all(&prefix).await? {
            put(event(revision, "vsilo", &silo_shown_to(caller, found.value)));
        }
        for found in self.connections().all(&prefix).await? {
            put(event(revision, "connection", &found.value));
        }
        Ok(())
    }
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return self.lease.holds().await.then_some(event);
            }
            if let Some((revision, touched)) = self.touched.pop_front() {
                let found = self.look_up(revision, touched).await;
                self.ready.extend(found);
                continue;
            }
            match self.watch.next().await? {
                Notice::Committed(commit) => {
                    self.touched
                        .extend(commit.touched.iter().map(|touched| (commit.revision, touched.clone())));
                }
                Notice::Missed => return None,
            }
        }
    }

    async fn look_up(&self, revision: u64, touched: Touched) -> Option<Event> {
        let caller = self.lease.caller();
        let administrator = caller.role == Role::Administrator;
        let Touched { kind, key, deleted } = touched;
        let visible = match kind {
            Kind::Flavour | Kind::VThing => true,
            Kind::User | Kind::ThingVisor => administrator,
            Kind::VSilo | Kind::Connection => administrator || tenant_of(&key).as_ref() == Some(&caller.user),
            _ => false,
        };
        if !visible {
            return None;
        }
        let c = &self.controller;
        match kind {
            Kind::Flavour => {
                let shown = |flavour: Flavour| flavour_shown_to(caller, flavour);
                changed_as(c.flavours(), revision, "flavour", key, deleted, shown).await
            }
            Kind::VThing => changed::<VThing>(c.v_things(), revision, "vthing", key, deleted).await,
            Kind::ThingVisor => {
                changed::<ThingVisor>(c.thing_visors(), revision, "thingvisor", key, deleted).await
            }
            Kind::Connection => {
                changed::<Connection>(c.connections(), revision, "connection", key, deleted).await
            }
            Kind::VSilo => {
                let shown = |silo: VSilo| silo_shown_to(caller, silo);
                changed_as(c.v_silos(), revision, "vsilo", key, deleted, shown).await
            }
            Kind::User => {
                let shown = |record: UserRecord| record.user;
                changed_as(c.users(), revision, "user", key, deleted, shown).await
            }
            _ => None,
        }
    }
}

/// The tenant that a silo or a connection belongs to, from its key.
fn tenant_of(key: &str) -> Option<TenantId> {
    let silo = key.split_once(' ').map_or(key, |(silo, _)| silo);
    silo.parse::<VSiloId>().ok().map(|silo| silo.tenant())
}

async fn changed<T: Document>(
    table: &Table<T>,
    revision: u64,
    kind: &str,
    key: String,
    deleted: bool,
) -> Option<Event> {
    changed_as(table, revision, kind, key, deleted, |value| value).await
}

/// A resource that was deleted between the commit and this look gives no event: its deletion does.
async fn changed_as<T: Document, S: Serialize>(
    table: &Table<T>,
    revision: u64,
    kind: &str,
    key: String,
    deleted: bool,
    shown: impl Fn(T) -> S,
) -> Option<Event> {
    if deleted {
        return Some(Event { revision, kind: kind.to_owned(), id: key, resource: None });
    }
    match table.get(&key).await {
        Ok(found) => event_of(revision, kind, key, &shown(found?.value)),
        Err(error) => {
            tracing::warn!(%error, kind, key, "a changed resource could not be read for the event stream");
            None
        }
    }
}

fn event<T: Document>(revision: u64, kind: &str, value: &T) -> Option<Event> {
    event_of(revision, kind, value.key(), value)
}

fn event_of(revision: u64, kind: &str, id: String, value: &impl Serialize) -> Option<Event> {
    let resource = serde_json::to_value(value).ok();
    resource.is_some().then(|| Event { revision, kind: kind.to_owned(), id, resource })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_is_the_owner_of_the_silo_and_not_a_prefix_of_it() {
        assert_eq!(tenant_of("t1_s").unwrap().as_str(), "t1");
        assert_eq!(tenant_of("t1_s tv/a").unwrap().as_str(), "t1");
        assert_eq!(tenant_of("nonsense"), None);
    }
}
