//! Which messages a silo believes. A topic says who speaks, because the fabric lets each publish
//! only its own; what a message says of itself must agree with it.

use std::time::Instant;

use morgana_model::{ContextMessage, ControlMessage, Topic, VThingId};

use super::{Action, Context, Controller, Extent, Update};

/// Why a message was dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    /// Not JSON, not a message, or an entity in it is none.
    #[error("not a message of the fabric: {0}")]
    Malformed(String),
    /// A vThing that is not connected to this silo.
    #[error("from vThing '{0}', which is not connected to this silo")]
    NotConnected(VThingId),
    /// The message says another vThing or silo than its topic, or none where it has to.
    #[error("its meta or ids do not belong to the topic it came on")]
    Contradictory,
    /// A message that has no meaning on its topic.
    #[error("no message for a silo")]
    Unexpected,
}

impl Rejection {
    /// The reason as a label of a counter.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::NotConnected(_) => "not_connected",
            Self::Contradictory => "contradictory",
            Self::Unexpected => "unexpected",
        }
    }
}

impl Controller {
    pub(super) fn receive(
        &mut self,
        topic: &str,
        payload: &[u8],
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        match topic.parse().map_err(|_| Rejection::Unexpected)? {
            Topic::VThingDataOut(v_thing) => {
                // Before the message is read: what was already on its way may be large.
                self.check_connected(&v_thing)?;
                let message: ContextMessage = parse(payload)?;
                let update = self.update(Some(v_thing), message, Extent::Changes)?;
                self.show(update, actions);
            }
            // Status and result of commands, for this silo alone.
            Topic::VSiloDataIn(silo) if silo == self.silo => {
                let message: ContextMessage = parse(payload)?;
                let update = self.update(None, message, Extent::Changes)?;
                self.actuation.feedback(&update);
                self.show(update, actions);
            }
            Topic::VSiloIn(silo) if silo == self.silo => self.control(parse(payload)?, now, actions)?,
            Topic::VThingOut(from) => match parse(payload)? {
                ControlMessage::DeleteVThing { v_silo, v_thing } => {
                    self.check_silo(&v_silo)?;
                    if v_thing != from {
                        return Err(Rejection::Contradictory);
                    }
                    self.disconnect(&v_thing, actions);
                }
                _ => return Err(Rejection::Unexpected),
            },
            _ => return Err(Rejection::Unexpected),
        }
        Ok(())
    }

    fn control(
        &mut self,
        message: ControlMessage,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        match message {
            ControlMessage::SetVThings { v_silo, v_things } => {
                self.check_silo(v_silo.as_str())?;
                self.list_came(now);
                let desired = v_things.into_iter().map(|reference| reference.id).collect();
                self.set(&desired, now, actions);
            }
            ControlMessage::AddVThing { v_silo, v_thing, .. } => {
                self.check_silo(v_silo.as_str())?;
                self.connect(&v_thing, now, actions);
            }
            ControlMessage::DeleteVThing { v_silo, v_thing } => {
                self.check_silo(&v_silo)?;
                self.disconnect(&v_thing, actions);
            }
            ControlMessage::GetContextResponse { data, meta } => {
                let update = self.update(None, ContextMessage { data, meta }, Extent::Whole)?;
                self.v_things.insert(update.v_thing.clone(), Context::Known);
                self.actuation.alive(&update.v_thing);
                self.show(update, actions);
            }
            ControlMessage::DestroyVSilo { v_silo } => {
                self.check_silo(v_silo.as_str())?;
                actions.push(Action::Stop);
                let ack = ControlMessage::DestroyVSiloAck { v_silo };
                actions.push(Action::Publish(Topic::VSiloOut(self.silo.clone()), ack));
            }
            _ => return Err(Rejection::Unexpected),
        }
        Ok(())
    }

    /// Brings an update into the broker, and opens the pipes of the commands that it lists.
    fn show(&mut self, update: Update, actions: &mut Vec<Action>) {
        let mut pipes = Vec::new();
        self.actuation.learn(&update, &mut pipes);
        actions.push(Action::Merge(update));
        actions.append(&mut pipes);
    }

    /// The update that a message with entities means. `from` is the vThing of the topic; without
    /// one, the message itself has to say whose entities it carries.
    fn update(
        &self,
        from: Option<VThingId>,
        message: ContextMessage,
        extent: Extent,
    ) -> Result<Update, Rejection> {
        let ContextMessage { data: entities, meta } = message;
        if let Some(silo) = &meta.v_silo {
            self.check_silo(silo.as_str())?;
        }
        let v_thing = match (from, meta.v_thing) {
            (Some(topic), Some(said)) if topic != said => return Err(Rejection::Contradictory),
            (from, said) => from.or(said).ok_or(Rejection::Contradictory)?,
        };
        self.check_connected(&v_thing)?;
        Ok(Update { v_thing, entities, extent })
    }

    fn check_connected(&self, v_thing: &VThingId) -> Result<(), Rejection> {
        let connected = self.v_things.contains_key(v_thing);
        if connected { Ok(()) } else { Err(Rejection::NotConnected(v_thing.clone())) }
    }

    /// `ALL` is how a vThing's end is told to every silo at once.
    fn check_silo(&self, silo: &str) -> Result<(), Rejection> {
        if silo == self.silo.as_str() || silo == "ALL" { Ok(()) } else { Err(Rejection::Contradictory) }
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Rejection> {
    serde_json::from_slice(payload).map_err(|error| Rejection::Malformed(error.to_string()))
}
