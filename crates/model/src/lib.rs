//! The words of Morgana: ids, NGSI-LD entities, resources, topics and messages; no I/O.
//!
//! Every other crate speaks in these types. Ids are parsed once, at the border, and are valid
//! from there on; a *spec* is what a user asked for, a *status* is what the platform found.

mod command;
mod entity;
mod failure;
mod id;
mod image;
mod message;
#[cfg(feature = "openapi")]
mod openapi;
mod resource;
mod secret;
mod topic;

pub use command::{Command, FeedbackAddress, FeedbackAddressError};
pub use entity::{CORE_CONTEXT, Entity, EntityBuilder, EntityError};
pub use failure::{ErrorCode, Failure};
pub use id::{FlavourId, InvalidId, NodeId, TenantId, ThingVisorId, VSiloId, VSiloName, VThingId, ZoneId};
pub use image::{ImageName, ImageNameError};
pub use message::{ContextMessage, ControlMessage, Meta, VThingAnnouncement, VThingReference};
pub use resource::{
    Access, AuditEntry, Connection, ConnectionSpec, Credentials, Endpoints, Event, Flavour, FlavourPatch,
    FlavourPhase, FlavourSpec, FlavourStatus, LogLines, Metadata, NewConnection, NewFlavour, NewThingVisor,
    NewUser, NewVSilo, Page, Phase, Problem, Refresh, Role, Session, Tenant, ThingVisor, ThingVisorPatch,
    ThingVisorSpec, ThingVisorStatus, UpdateInfo, User, UserPatch, UserSpec, UserStatus, VSilo, VSiloSpec,
    VSiloStatus, VThing, VThingPatch, VThingSpec, WorkloadKind, WorkloadName, WorkloadUsage, Zone,
};
pub use secret::Secret;
pub use topic::{Topic, TopicError};
