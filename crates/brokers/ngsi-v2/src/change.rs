//! What an update makes of an entity. All of it is pure: an entity and a request in, the new entity and what happened
//! to its attributes out.

mod apply;
mod operators;

pub use apply::UpdateOptions;
pub(crate) use apply::{Applied, Effect, EffectKind, apply, create, set_value};
pub(crate) use operators::is_operation;
