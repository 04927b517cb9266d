//! What a silo does about what happens: which vThings are connected to it, whose context it has to
//! ask for, and which messages it believes. Pure: it knows no socket, no clock and no broker.
//!
//! The messages are those of viriot-wire.md section 3. What the controller of the platform says is
//! the desired state; `setVThings` gives all of it, so whatever was lost before is made good by the
//! next one. A whole context is asked for again and again until it comes, because the ThingVisor
//! may not be up yet; and again after every reconnect, because the fabric keeps nothing for a silo
//! that is away.

mod context;
mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use morgana_model::{ControlMessage, Entity, Topic, VSiloId, VThingId};

pub(crate) use message::Rejection;

use crate::actuation::{Actuation, Key, Pipes, Seen, Written};
use context::Context;

/// How often the whole list of vThings is asked for, once it came.
const LIST_INTERVAL: Duration = Duration::from_secs(30);
/// How long to wait for the list at first; then twice as long, and so on. After an outage of the fabric the platform may
/// be back later than the silo.
const LIST_WAIT: Duration = Duration::from_millis(250);
/// How long to wait with a subscription that was refused. A right may come later than the message
/// that needs it, so it is worth asking again.
const REFUSED_INTERVAL: Duration = Duration::from_secs(5);

/// What happens to a silo.
#[derive(Debug, Clone)]
pub(crate) enum Event<'a> {
    /// The fabric is there, for the first time or again.
    Connected,
    /// The fabric is away.
    Disconnected,
    /// The fabric brought a message.
    Message { topic: &'a str, payload: &'a [u8] },
    /// The fabric refused a subscription.
    Refused(&'a Topic),
    /// The tenant wrote into a pipe of a command.
    Written(Written),
    /// There is room in the broker now for what it had refused of a vThing.
    Wanted(&'a VThingId),
    /// Time passed; see [`Controller::next_due`].
    Tick,
}

/// What a silo does about it, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Receive a topic from now on, through every reconnect.
    Subscribe(Topic),
    /// Receive it no more.
    Unsubscribe(Topic),
    /// Send a control message.
    Publish(Topic, ControlMessage),
    /// Remember that a vThing is connected.
    Connect(VThingId),
    /// Forget a vThing, and erase from the broker what it gave.
    Disconnect(VThingId),
    /// Bring what a vThing gave into the broker.
    Merge(Update),
    /// Show the pipes of an entity's commands, those that are not there yet, and remember them.
    Open(Pipes),
    /// Remember that a command was sent. What follows waits until that survives a kill.
    Remember(Key),
    /// Send a command to a vThing.
    Send(VThingId, Vec<u8>),
    /// Tell that a message was dropped, and why.
    Reject(Rejection),
    /// Put the state away; end after the actions that follow.
    Stop,
}

/// Entities from a vThing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Update {
    pub(crate) v_thing: VThingId,
    /// Each with the attributes that the vThing gave; others of the same entity stay.
    pub(crate) entities: Vec<Entity>,
    pub(crate) extent: Extent,
}

/// How much of a vThing an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What changed just now.
    Changes,
    /// Everything that the vThing knows, changed or not. It is merged too, and takes nothing away:
    /// a ThingVisor that has just started knows little yet, and the silo must not forget the rest.
    Whole,
}

/// The pure core of a silo.
#[derive(Debug)]
pub(crate) struct Controller {
    silo: VSiloId,
    online: bool,
    list_due: Option<Instant>,
    list_wait: Duration,
    v_things: BTreeMap<VThingId, Context>,
    refused: Vec<Topic>,
    refused_due: Option<Instant>,
    actuation: Actuation,
}

/// What a controller knows from its last life.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) v_things: Vec<VThingId>,
    pub(crate) pipes: Vec<Pipes>,
    pub(crate) seen: Seen,
    /// Milliseconds since 1970 now.
    pub(crate) started_ms: u64,
}

impl Controller {
    /// A controller that knows what it knew in its last life. The actions subscribe what it listens to.
    pub(crate) fn start(silo: VSiloId, remembered: Remembered, now: Instant) -> (Self, Vec<Action>) {
        let Remembered { v_things, pipes, seen, started_ms } = remembered;
        let actuation = Actuation::new(silo.clone(), pipes, seen, started_ms);
        let v_things: BTreeMap<_, _> =
            v_things.into_iter().map(|v_thing| (v_thing, Context::wanted(now))).collect();
        let mut actions = vec![
            Action::Subscribe(Topic::VSiloIn(silo.clone())),
            Action::Subscribe(Topic::VSiloDataIn(silo.clone())),
        ];
        for v_thing in v_things.keys() {
            actions.extend(topics_of(v_thing).map(Action::Subscribe));
        }
        let refused = Vec::new();
        let controller = Self {
            silo,
            online: false,
            list_due: None,
            list_wait: LIST_WAIT,
            v_things,
            refused,
            refused_due: None,
            actuation,
        };
        (controller, actions)
    }

    /// The vThings that are connected now.
    pub(crate) fn v_things(&self) -> impl Iterator<Item = &VThingId> {
        self.v_things.keys()
    }

    /// When [`Event::Tick`] has something to do; while the fabric is away that is only what was sent before.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let commands = self.actuation.next_due();
        if !self.online {
            return commands;
        }
        let contexts = self.v_things.values().filter_map(Context::due);
        contexts.chain(self.list_due).chain(self.refused_due).chain(commands).min()
    }

    /// Decides what an event asks for.
    pub(crate) fn apply(&mut self, event: Event<'_>, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Connected => {
                self.online = true;
                (self.list_due, self.list_wait) = (Some(now), LIST_WAIT);
                self.v_things.values_mut().for_each(|context| *context = Context::wanted(now));
            }
            Event::Disconnected => self.online = false,
            Event::Message { topic, payload } => {
                if let Err(rejection) = self.receive(topic, payload, now, &mut actions) {
                    actions.push(Action::Reject(rejection));
                }
            }
            Event::Refused(topic) => {
                self.refused.push(topic.clone());
                self.refused_due.get_or_insert(now + REFUSED_INTERVAL);
            }
            Event::Written(written) => self.actuation.written(written, self.online, now, &mut actions),
            Event::Wanted(v_thing) => {
                if let Some(context) = self.v_things.get_mut(v_thing) {
                    *context = Context::wanted(now);
                }
            }
            Event::Tick => {}
        }
        for v_thing in self.actuation.look(now, &mut actions) {
            actions.push(self.request(&v_thing));
        }
        self.ask(now, &mut actions);
        actions
    }

    /// Sends the requests whose time has come.
    fn ask(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if !self.online {
            return;
        }
        if self.refused_due.take_if(|due| *due <= now).is_some() {
            for topic in std::mem::take(&mut self.refused) {
                // What was said on the topic meanwhile was missed.
                if let Topic::VThingDataOut(v_thing) = &topic
                    && let Some(context) = self.v_things.get_mut(v_thing)
                {
                    *context = Context::wanted(now);
                }
                actions.push(Action::Subscribe(topic));
            }
        }
        if self.list_due.is_some_and(|due| due <= now) {
            self.list_due = Some(now + self.list_wait);
            self.list_wait = (self.list_wait * 2).min(LIST_INTERVAL);
            let message = ControlMessage::GetVThingsRequest { v_silo: self.silo.clone() };
            actions.push(Action::Publish(Topic::VSiloOut(self.silo.clone()), message));
        }
        let mut due = Vec::new();
        for (v_thing, context) in &mut self.v_things {
            if context.ask(now) {
                due.push(v_thing.clone());
            }
        }
        actions.extend(due.iter().map(|v_thing| self.request(v_thing)));
    }

    /// Asks a vThing for its whole context.
    fn request(&self, v_thing: &VThingId) -> Action {
        let message =
            ControlMessage::GetContextRequest { v_silo: self.silo.clone(), v_thing: v_thing.clone() };
        Action::Publish(Topic::VThingIn(v_thing.clone()), message)
    }

    /// The list came: there is time until the next.
    fn list_came(&mut self, now: Instant) {
        (self.list_due, self.list_wait) = (Some(now + LIST_INTERVAL), LIST_INTERVAL);
    }

    fn set(&mut self, desired: &BTreeSet<VThingId>, now: Instant, actions: &mut Vec<Action>) {
        let gone: Vec<_> =
            self.v_things.keys().filter(|v_thing| !desired.contains(*v_thing)).cloned().collect();
        for v_thing in gone {
            self.disconnect(&v_thing, actions);
        }
        for v_thing in desired {
            self.connect(v_thing, now, actions);
        }
    }

    fn connect(&mut self, v_thing: &VThingId, now: Instant, actions: &mut Vec<Action>) {
        if self.v_things.contains_key(v_thing) {
            return;
        }
        self.v_things.insert(v_thing.clone(), Context::wanted(now));
        actions.push(Action::Connect(v_thing.clone()));
        actions.extend(topics_of(v_thing).map(Action::Subscribe));
    }

    fn disconnect(&mut self, v_thing: &VThingId, actions: &mut Vec<Action>) {
        if self.v_things.remove(v_thing).is_some() {
            self.actuation.forget(v_thing);
            self.refused.retain(|topic| !topics_of(v_thing).contains(topic));
            actions.extend(topics_of(v_thing).map(Action::Unsubscribe));
            actions.push(Action::Disconnect(v_thing.clone()));
        }
    }
}

/// What a silo hears of a vThing: its data, and that it is no more.
fn topics_of(v_thing: &VThingId) -> [Topic; 2] {
    [Topic::VThingDataOut(v_thing.clone()), Topic::VThingOut(v_thing.clone())]
}

#[cfg(test)]
mod tests;
