//! The ThingVisor as a state that turns what happens into what is to be done; no I/O.

mod actuation;
mod recent;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use indexmap::IndexMap;
use morgana_model::{
    ContextMessage, ControlMessage, Entity, Meta, ThingVisorId, Topic, VSiloId, VThingAnnouncement, VThingId,
};
use morgana_workload::Start;
use serde_json::{Map, Value};

use self::recent::Recent;
use crate::actuator::Order;
use crate::context::Context;
use crate::message::{Publication, context_response, data_out};
use crate::{Error, NewVThing, Options};

/// What the fabric and the clock tell.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The connection is up, for the first time or again.
    Connected,
    /// The connection is gone.
    Disconnected,
    /// A message came.
    Message { topic: String, payload: Bytes },
    /// It is time to announce every vThing.
    AnnouncementDue,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Subscribe(Topic),
    Unsubscribe(Topic),
    Publish(Publication),
    /// An actuator is to act, and to answer if somebody wants an answer.
    Act(Box<Order>),
    /// The author is to learn of new parameters.
    Update(Update),
    /// All is said: leave the fabric, forget the context, exit.
    End,
}

/// New words of the administrator (`updateTV`, viriot-wire.md section 3).
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The parameters that hold from now on.
    pub params: Value,
    /// The description.
    pub description: String,
    /// What the administrator wants to tell once, beside the parameters.
    pub info: Value,
}

/// All that a ThingVisor knows.
#[derive(Debug)]
pub(crate) struct State {
    id: ThingVisorId,
    options: Options,
    params: Value,
    /// Which start of it this is; nothing where no node started it.
    start: Option<Start>,
    /// Up to which update it is.
    update: u64,
    v_things: IndexMap<VThingId, VThing>,
    /// Contexts from before a restart, of vThings that are not created again yet.
    remembered: BTreeMap<VThingId, Vec<Entity>>,
    connected: bool,
    /// From when on changes may not have arrived; nothing before the first connection, when no silo
    /// counts on them yet.
    resend_since: Option<Instant>,
    /// For ids of commands that come without: when this process started, and how many there were.
    started_ms: u64,
    commands_without_id: u64,
    recent: Recent,
}

#[derive(Debug)]
struct VThing {
    announcement: VThingAnnouncement,
    commands: Vec<String>,
    context: Context,
}

impl State {
    /// A ThingVisor without vThings. `started_ms` is the time of its start in milliseconds since
    /// 1970; two lives of a ThingVisor differ in it.
    pub(crate) fn new(
        id: ThingVisorId,
        options: Options,
        params: Value,
        remembered: BTreeMap<VThingId, Vec<Entity>>,
        started_ms: u64,
    ) -> Self {
        Self {
            id,
            options,
            params,
            start: None,
            update: 0,
            v_things: IndexMap::new(),
            remembered,
            connected: false,
            resend_since: None,
            started_ms,
            commands_without_id: 0,
            recent: Recent::default(),
        }
    }

    /// The same, of a start that a node told of: the controller learns which updates it has.
    pub(crate) fn started_as(self, start: Option<Start>) -> Self {
        Self { update: start.map_or(0, |start| start.update), start, ..self }
    }

    /// What every ThingVisor listens to, vThings or not.
    pub(crate) fn start(&self) -> Vec<Action> {
        vec![Action::Subscribe(Topic::ThingVisorIn(self.id.clone()))]
    }

    /// Takes in what happened.
    pub(crate) fn apply(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Connected => self.connected(),
            Event::Disconnected => {
                self.connected = false;
                let window = Duration::from_secs(self.options.resend_window_seconds);
                let since = now.checked_sub(window).unwrap_or(now);
                self.resend_since = Some(self.resend_since.map_or(since, |earlier| earlier.min(since)));
                Vec::new()
            }
            Event::AnnouncementDue if self.connected => self.introduce(),
            Event::AnnouncementDue => Vec::new(),
            Event::Message { topic, payload } => self.message(&topic, &payload),
        }
    }

    /// Creates a vThing: listens for its silos, tells the controller, publishes its first entities.
    pub(crate) fn create(
        &mut self,
        mut new: NewVThing,
        now: Instant,
    ) -> Result<(VThingId, Vec<Action>), Error> {
        let id = new.id(&self.id)?;
        if self.v_things.contains_key(&id) {
            return Err(Error::Exists(id));
        }
        within(self.v_things.len() + 1, self.options.max_vthings, "max_vthings", || {
            format!("vThing '{id}'")
        })?;

        let v_thing = VThing {
            announcement: new.announcement(&id),
            commands: new.commands.clone(),
            context: Context::default(),
        };
        let mut actions = vec![Action::Subscribe(Topic::VThingIn(id.clone()))];
        if !v_thing.commands.is_empty() {
            actions.push(Action::Subscribe(Topic::VThingDataIn(id.clone())));
        }
        if self.connected {
            actions.push(self.announce(&v_thing.announcement));
        }
        self.v_things.insert(id.clone(), v_thing);
        let remembered = self.remembered.remove(&id).unwrap_or_default();
        let (remembered, first) = (new.listing_commands(remembered), new.take_entities());
        let first = new.listing_commands(first);
        match self.take_in(&id, remembered, now).and_then(|()| self.publish(&id, first, now)) {
            Ok(published) => actions.extend(published),
            Err(error) => {
                self.v_things.shift_remove(&id);
                return Err(error);
            }
        }
        Ok((id, actions))
    }

    /// Ends a vThing for all its silos.
    pub(crate) fn remove(&mut self, id: &VThingId) -> Result<Vec<Action>, Error> {
        let v_thing = self.v_things.shift_remove(id).ok_or_else(|| Error::NotFound(id.clone()))?;
        let mut actions = vec![deleted(id), Action::Unsubscribe(Topic::VThingIn(id.clone()))];
        if !v_thing.commands.is_empty() {
            actions.push(Action::Unsubscribe(Topic::VThingDataIn(id.clone())));
        }
        Ok(actions)
    }

    /// Publishes changed entities. While there is no connection they are only kept; the newest
    /// state of each is published when there is one again.
    pub(crate) fn publish(
        &mut self,
        id: &VThingId,
        entities: Vec<Entity>,
        now: Instant,
    ) -> Result<Vec<Action>, Error> {
        let publications = match self.connected && !entities.is_empty() {
            true => self.data_out(id, &entities.iter().collect::<Vec<_>>()),
            false => Vec::new(),
        };
        let limit = self.options.max_message_bytes;
        if let Some(longest) = publications.iter().map(|one| one.payload.len()).max() {
            within(longest, limit, "max_message_bytes", || format!("an entity of vThing '{id}'"))?;
        }
        self.take_in(id, entities, now)?;
        Ok(publications.into_iter().map(Action::Publish).collect())
    }

    /// What an entity says that is not known yet: nothing, or a part of it.
    pub(crate) fn changes(&self, id: &VThingId, entity: Entity) -> Vec<Entity> {
        match self.v_things.get(id).and_then(|v_thing| v_thing.context.get(entity.id())) {
            None => vec![entity],
            Some(known) => without_known(entity, known).into_iter().collect(),
        }
    }

    /// The context of a vThing, also of one that is only remembered from before a restart.
    pub(crate) fn context(&self, id: &VThingId) -> Vec<Entity> {
        match self.v_things.get(id) {
            Some(v_thing) => v_thing.context.entities().cloned().collect(),
            None => self.remembered.get(id).cloned().unwrap_or_default(),
        }
    }

    /// Every context, to be remembered: one message a vThing.
    pub(crate) fn contexts(&self) -> Vec<ContextMessage> {
        let living = self
            .v_things
            .iter()
            .map(|(id, v_thing)| (id, v_thing.context.entities().cloned().collect::<Vec<_>>()));
        let waiting = self.remembered.iter().map(|(id, entities)| (id, entities.clone()));
        living.chain(waiting).map(|(id, data)| ContextMessage { data, meta: Meta::of_vthing(id) }).collect()
    }

    fn connected(&mut self) -> Vec<Action> {
        self.connected = true;
        let mut actions = self.introduce();
        // Before the first connection every change is news.
        let since = self.resend_since.take();
        for (id, v_thing) in &self.v_things {
            let changed: Vec<&Entity> = match since {
                Some(since) => v_thing.context.changed_since(since).collect(),
                None => v_thing.context.entities().collect(),
            };
            if !changed.is_empty() {
                actions.extend(self.data_out(id, &changed).into_iter().map(Action::Publish));
            }
        }
        actions
    }

    /// Tells the controller what there is: every vThing, and which updates it has.
    fn introduce(&self) -> Vec<Action> {
        let v_things = self.v_things.values().map(|v_thing| self.announce(&v_thing.announcement));
        v_things.chain(self.acknowledgement()).collect()
    }

    fn acknowledgement(&self) -> Option<Action> {
        let incarnation = self.start?.incarnation;
        let (thing_visor, number) = (self.id.clone(), self.update);
        let message = ControlMessage::UpdateThingVisorAck { thing_visor, number, incarnation };
        Some(Action::Publish(Publication::control(Topic::ThingVisorOut(self.id.clone()), &message)))
    }

    /// New words of the administrator. One that is told again is acknowledged again, and nothing else; one
    /// that was overtaken by a newer one is passed over.
    fn updated(&mut self, update: Update, number: Option<u64>) -> Vec<Action> {
        let mut actions = Vec::new();
        if number.is_none_or(|number| number > self.update) {
            // A controller that counts sends all that holds; VirIoT's nothing where nothing is new.
            if number.is_some() || (update.params != Value::Null && update.params != "") {
                self.params = update.params;
            }
            actions.push(Action::Update(Update { params: self.params.clone(), ..update }));
        }
        if let Some(number) = number {
            self.update = self.update.max(number);
            actions.extend(self.acknowledgement());
        }
        actions
    }

    fn announce(&self, v_thing: &VThingAnnouncement) -> Action {
        let message = ControlMessage::CreateVThing { thing_visor: self.id.clone(), v_thing: v_thing.clone() };
        Action::Publish(Publication::control(Topic::ThingVisorOut(self.id.clone()), &message))
    }

    fn data_out(&self, id: &VThingId, entities: &[&Entity]) -> Vec<Publication> {
        let limit = self.options.max_message_bytes;
        data_out(Topic::VThingDataOut(id.clone()), &Meta::of_vthing(id), entities, limit)
    }

    /// Merges entities into a context, all or none.
    fn take_in(&mut self, id: &VThingId, entities: Vec<Entity>, now: Instant) -> Result<(), Error> {
        let known: usize = self.v_things.values().map(|v_thing| v_thing.context.len()).sum();
        let v_thing = self.v_things.get_mut(id).ok_or_else(|| Error::NotFound(id.clone()))?;
        let new = entities.iter().filter(|entity| v_thing.context.get(entity.id()).is_none()).count();
        within(known + new, self.options.max_entities, "max_entities", || format!("a new entity of '{id}'"))?;
        for entity in &entities {
            let attributes = v_thing.context.attributes_after(entity);
            within(attributes, self.options.max_entity_attributes, "max_entity_attributes", || {
                format!("entity '{}'", entity.id())
            })?;
        }
        for entity in entities {
            v_thing.context.merge(entity, now);
        }
        Ok(())
    }

    fn message(&mut self, topic: &str, payload: &[u8]) -> Vec<Action> {
        match topic.parse() {
            Ok(Topic::ThingVisorIn(id)) if id == self.id => self.controlled(payload),
            Ok(Topic::VThingIn(id)) if self.v_things.contains_key(&id) => self.asked(&id, payload),
            Ok(Topic::VThingDataIn(id)) if self.v_things.contains_key(&id) => self.commanded(&id, payload),
            _ => {
                tracing::debug!(topic, "message for nobody here");
                Vec::new()
            }
        }
    }

    /// The controller speaks.
    fn controlled(&mut self, payload: &[u8]) -> Vec<Action> {
        match serde_json::from_slice(payload) {
            Ok(ControlMessage::UpdateThingVisor {
                thing_visor,
                params,
                description,
                update_info,
                number,
            }) if thing_visor == self.id => {
                self.updated(Update { params, description, info: update_info }, number)
            }
            Ok(ControlMessage::DestroyThingVisor { thing_visor }) if thing_visor == self.id => self.destroy(),
            Ok(_) => {
                tracing::debug!("control message that is not for a ThingVisor");
                Vec::new()
            }
            Err(error) => {
                tracing::warn!(%error, "control message cannot be read");
                Vec::new()
            }
        }
    }

    fn destroy(&mut self) -> Vec<Action> {
        let ended = self.v_things.keys().map(deleted);
        let ack = ControlMessage::DestroyThingVisorAck { thing_visor: self.id.clone() };
        let ack = Action::Publish(Publication::control(Topic::ThingVisorOut(self.id.clone()), &ack));
        let actions = ended.chain([ack, Action::End]).collect();
        self.v_things.clear();
        self.remembered.clear();
        actions
    }

    /// A silo asks a vThing.
    fn asked(&self, id: &VThingId, payload: &[u8]) -> Vec<Action> {
        match serde_json::from_slice(payload) {
            Ok(ControlMessage::GetContextRequest { v_silo, v_thing }) if v_thing == *id => {
                self.answer(id, &v_silo)
            }
            Ok(_) => {
                tracing::debug!(v_thing = %id, "control message that is not for this vThing");
                Vec::new()
            }
            Err(error) => {
                tracing::warn!(v_thing = %id, %error, "control message cannot be read");
                Vec::new()
            }
        }
    }

    fn answer(&self, id: &VThingId, silo: &VSiloId) -> Vec<Action> {
        let Some(v_thing) = self.v_things.get(id) else { return Vec::new() };
        let entities: Vec<&Entity> = v_thing.context.entities().collect();
        let (topic, meta) = (Topic::VSiloIn(silo.clone()), Meta::between(id, silo));
        context_response(topic, &meta, &entities, self.options.max_message_bytes)
            .into_iter()
            .map(Action::Publish)
            .collect()
    }
}

/// Tells all silos that a vThing is no more.
fn deleted(id: &VThingId) -> Action {
    let message = ControlMessage::DeleteVThing { v_silo: "ALL".to_owned(), v_thing: id.clone() };
    Action::Publish(Publication::control(Topic::VThingOut(id.clone()), &message))
}

/// An entity without the attributes that are as known.
fn without_known(entity: Entity, known: &Entity) -> Option<Entity> {
    let same: Vec<String> = entity
        .attributes()
        .filter(|(name, value)| known.get(name) == Some(value))
        .map(|(name, _)| name.to_owned())
        .collect();
    if same.len() == entity.attributes().count() {
        return None;
    }
    let mut members: Map<String, Value> = entity.into();
    members.retain(|name, _| !same.contains(name));
    // Its id and its type are no attributes, so they are still there.
    Entity::try_from(members).ok()
}

fn within(
    count: usize,
    limit: usize,
    option: &'static str,
    what: impl FnOnce() -> String,
) -> Result<(), Error> {
    if count <= limit { Ok(()) } else { Err(Error::Limit { what: what(), limit, option }) }
}
