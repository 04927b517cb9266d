//! The resources of the control plane, as users see them.
//!
//! Each is an id, a `spec` (the user's word), a `status` (ours) and `metadata`. They are stored
//! and sent in this form; what must stay inside (password hashes) is not in it.

mod connection;
mod flavour;
mod metadata;
mod phase;
mod request;
mod thing_visor;
mod user;
mod vsilo;
mod vthing;
mod workload;

pub use connection::{Connection, ConnectionSpec};
pub use flavour::{Access, Flavour, FlavourPhase, FlavourSpec, FlavourStatus};
pub use metadata::Metadata;
pub use phase::{Endpoints, Phase};
pub use request::{
    AuditEntry, Credentials, Event, FlavourPatch, LogLines, NewConnection, NewFlavour, NewThingVisor,
    NewUser, NewVSilo, Page, Problem, Refresh, Session, Tenant, ThingVisorPatch, UserPatch, VThingPatch,
    WorkloadUsage, Zone,
};
pub use thing_visor::{ThingVisor, ThingVisorSpec, ThingVisorStatus, UpdateInfo};
pub use user::{Role, User, UserSpec, UserStatus};
pub use vsilo::{VSilo, VSiloSpec, VSiloStatus};
pub use vthing::{VThing, VThingSpec};
pub use workload::{WorkloadKind, WorkloadName};
