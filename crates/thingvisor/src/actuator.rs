//! The door for commands: what an author implements, and what goes back to the silo that asked.

use std::future::Future;

use morgana_model::{Command, VSiloId, VThingId};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::service::Request;
use crate::{Error, VThing};

/// Something that acts on commands. The commands of one vThing come one after the other, in their
/// order; one that takes long can keep its [`Feedback`] in a task of its own and let the next one in.
pub trait Actuator: Send + 'static {
    /// The names of the commands it takes, which its entities show to applications. At least one.
    fn commands(&self) -> Vec<String>;

    /// Acts. A changed property is published through `v_thing`, for all; `feedback` goes to the
    /// asking silo alone.
    fn act(
        &mut self,
        v_thing: &VThing,
        command: ReceivedCommand,
        feedback: Feedback,
    ) -> impl Future<Output = ()> + Send;
}

/// A command of a silo. Its name is one of the actuator's and its entity exists.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedCommand {
    /// The vThing.
    pub v_thing: VThingId,
    /// The id of the entity that is to act.
    pub entity: String,
    /// The name of the command.
    pub name: String,
    /// What to do, and the right to do it: `cmd_value`, `cmd_token`. It always has a `cmd_id`.
    pub command: Command,
    /// The silo that asks, where it said so.
    pub silo: Option<VSiloId>,
}

/// The way back to the silo that asked (viriot-wire.md section 3, "Actuation"). It sends what the
/// silo wants: with `cmd-qos` 0 nothing, with 1 the result, with 2 also every status; the status
/// `PENDING` has been sent when the actuator gets the command. Dropped without a result, it
/// sends the result `FAIL`: who asked for an answer always gets one.
#[derive(Debug)]
pub struct Feedback {
    answer: Option<Answer>,
    requests: mpsc::Sender<Request>,
}

impl Feedback {
    pub(crate) fn new(answer: Option<Answer>, requests: mpsc::Sender<Request>) -> Self {
        Self { answer, requests }
    }

    /// Whether the silo wants statuses; making one may be work to spare.
    pub fn wants_status(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.wants_status)
    }

    /// A way to tell the silo something about this command after its result; nothing where the silo
    /// wants no answer.
    pub fn follow_up(&self) -> Option<FollowUp> {
        let answer = self.answer.clone()?;
        Some(FollowUp { answer, requests: self.requests.clone() })
    }

    /// Sends a status on the way to the result: a word or any JSON.
    ///
    /// # Errors
    /// [`Error::Stopping`].
    pub async fn status(&self, status: impl Into<Value>) -> Result<(), Error> {
        match self.answer.as_ref().filter(|answer| answer.wants_status) {
            Some(answer) => self.send(answer.status(status.into())).await,
            None => Ok(()),
        }
    }

    /// Sends the result `OK`.
    ///
    /// # Errors
    /// [`Error::Stopping`].
    pub async fn ok(self) -> Result<(), Error> {
        self.result("OK").await
    }

    /// Sends the result: `OK` or any JSON.
    ///
    /// # Errors
    /// [`Error::Stopping`].
    pub async fn result(mut self, result: impl Into<Value>) -> Result<(), Error> {
        match self.answer.take() {
            Some(answer) => self.send(answer.result(result.into())).await,
            None => Ok(()),
        }
    }

    /// Sends the result `FAIL` with a reason for people.
    ///
    /// # Errors
    /// [`Error::Stopping`].
    pub async fn fail(mut self, reason: &str) -> Result<(), Error> {
        match self.answer.take() {
            Some(answer) => self.send(answer.failure(reason)).await,
            None => Ok(()),
        }
    }

    async fn send(&self, feedback: crate::message::Publication) -> Result<(), Error> {
        self.requests.send(Request::Feedback(feedback)).await.map_err(|_| Error::Stopping)
    }
}

/// A way back to the silo of a command that has its result already, for what happens later to what it
/// did: somebody took control over, the door it opened was shut.
#[derive(Debug)]
pub struct FollowUp {
    answer: Answer,
    requests: mpsc::Sender<Request>,
}

impl FollowUp {
    /// Sends a status of the command: a word or any JSON.
    ///
    /// # Errors
    /// [`Error::Stopping`].
    pub async fn status(&self, status: impl Into<Value>) -> Result<(), Error> {
        let status = Request::Feedback(self.answer.status(status.into()));
        self.requests.send(status).await.map_err(|_| Error::Stopping)
    }
}

impl Drop for Feedback {
    fn drop(&mut self) {
        let Some(answer) = self.answer.take() else { return };
        let requests = self.requests.clone();
        // Outside a runtime the ThingVisor is gone, and nobody could send.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let failure = answer.failure("the actuator gave no result");
                let _ = requests.send(Request::Feedback(failure)).await;
            });
        }
    }
}

/// A command on its way to an actuator, and the answer it is owed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) command: ReceivedCommand,
    pub(crate) answer: Option<Answer>,
}

/// An answer that is due: to whom, and what it repeats of the command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) v_thing: VThingId,
    pub(crate) silo: VSiloId,
    pub(crate) entity: String,
    pub(crate) entity_type: Value,
    pub(crate) name: String,
    pub(crate) command: Map<String, Value>,
    pub(crate) wants_status: bool,
}
