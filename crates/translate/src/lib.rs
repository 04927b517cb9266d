//! Pure converters between the neutral format of the platform, NGSI-LD entities, and what the
//! brokers of silos speak; no I/O.
//!
//! * [`raw`]: an entity as an MQTT message, for silos of the `mqtt` flavour.
//! * [`ngsi_ld`]: an entity on its way into an NGSI-LD broker.
//! * [`ngsi_v2`]: an entity in NGSIv2, and back.
//! * [`onem2m`]: an entity as oneM2M resources, and back.
//! * [`commands`]: the pipes of an actuator's commands.
//!
//! What goes out and comes back is the same entity, or a [`Loss`] says what is not; an entity that a model has no
//! room for is [`Inexpressible`].

pub mod commands;
mod escape;
mod kinds;
mod loss;
pub mod ngsi_ld;
pub mod ngsi_v2;
pub mod onem2m;
pub mod raw;

pub use loss::{Inexpressible, Loss, LossKind};
