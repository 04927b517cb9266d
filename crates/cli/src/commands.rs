//! The commands, in one file for each kind of resource.

mod events;
mod flavours;
mod logs;
mod restart;
mod session;
mod status;
mod tenants;
mod thing_visors;
mod top;
mod users;
mod vsilos;
mod vthings;

pub(crate) use events::Events;
pub(crate) use flavours::{AddFlavour, DelFlavour, InspectFlavour, ListFlavours};
pub(crate) use logs::Logs;
pub(crate) use restart::Restart;
pub(crate) use session::{Login, Logout};
pub(crate) use status::Status;
pub(crate) use tenants::InspectTenant;
pub(crate) use thing_visors::{
    AddThingVisor, DelThingVisor, InspectThingVisor, ListThingVisors, UpdateThingVisor,
};
pub(crate) use top::Top;
pub(crate) use users::{ListUsers, Register, Unregister};
pub(crate) use vsilos::{CreateVSilo, DestroyVSilo, InspectVSilo, ListVSilos};
pub(crate) use vthings::{AddVThing, DelVThing, DelVThingEndpoint, ListVThings, SetVThingEndpoint};

use morgana_model::{Endpoints, Secret};

/// Reads a secret from the command line; any text is one.
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// Doors as a table shows them: `1883/tcp:40001`.
fn doors(endpoints: &Endpoints) -> String {
    let doors: Vec<_> = endpoints.iter().map(|(inner, outer)| format!("{inner}:{outer}")).collect();
    doors.join(" ")
}

/// A value as a table shows it when it may be missing.
fn optional(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// Parameters as a table shows them: VirIoT's text as it is, anything else as JSON.
fn parameters(params: &serde_json::Value) -> String {
    match params {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
