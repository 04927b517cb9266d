//! Who may command an actuator: access-control policies as ready parts (the VirIoT paper, section
//! 3.2.2). The platform only carries the right to act (`cmd-token`) and who asks; what a right is
//! depends on the thing, so the ThingVisor decides.
//!
//! A [`Policy`] is pure: it is told who asks and when, and says what is to happen. [`Guarded`] puts
//! one in front of an [`Actuator`]. Ready ones are [`Group`], [`Priority`] and [`Token`];
//! [`PolicyParams`] lets an administrator choose one in the ThingVisor's parameters.

mod group;
mod guarded;
mod params;
mod priority;
mod token;

use std::time::Instant;

use morgana_model::TenantId;
use serde_json::Value;

pub use group::Group;
pub use guarded::Guarded;
pub use params::PolicyParams;
pub use priority::Priority;
pub use token::Token;

/// A command as a policy sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked<'a> {
    /// The tenant of the silo that asks. A command that does not say where it comes from has none.
    pub tenant: Option<&'a TenantId>,
    /// The name of the command.
    pub command: &'a str,
    /// Its `cmd-value`.
    pub value: &'a Value,
    /// Its `cmd-token`.
    pub token: Option<&'a Value>,
}

/// What a policy decides.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The actuator acts. Who loses control by that is told.
    Act {
        /// The tenant that had control until now.
        overridden: Option<TenantId>,
    },
    /// Nothing happens; why, and what to do, in words for the tenant. They name no other tenant.
    Refuse(String),
    /// The command was the policy's own; this is its result.
    Answer(Value),
}

impl Verdict {
    /// The actuator acts and nobody loses anything.
    pub const ACT: Self = Self::Act { overridden: None };
}

/// Decides who may command an actuator.
pub trait Policy: Send + 'static {
    /// Commands of the policy itself, to be shown beside the actuator's.
    fn commands(&self) -> Vec<String> {
        Vec::new()
    }

    /// Decides. Time is given so that the same questions always have the same answers.
    fn decide(&mut self, asked: &Asked<'_>, now: Instant) -> Verdict;
}

impl Policy for Box<dyn Policy> {
    fn commands(&self) -> Vec<String> {
        (**self).commands()
    }

    fn decide(&mut self, asked: &Asked<'_>, now: Instant) -> Verdict {
        (**self).decide(asked, now)
    }
}

/// The refusal of a command that does not say where it comes from.
fn nobody() -> Verdict {
    Verdict::Refuse("the command does not say which silo asks: send it through your silo".to_owned())
}
