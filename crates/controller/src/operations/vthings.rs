//! vThings, which ThingVisors announce and users look at.

use morgana_access::{Action, Caller};
use morgana_model::{ControlMessage, Failure, Page, VThing, VThingId};
use morgana_store::Versioned;

use super::{ListOptions, existing, page};
use crate::{Controller, Precondition};

impl Controller {
    /// Part of the list of vThings.
    ///
    /// # Errors
    /// When the limit is out of bounds.
    pub async fn list_v_things(
        &self,
        caller: &Caller,
        options: &ListOptions,
    ) -> Result<Page<VThing>, Failure> {
        self.operation("listVThings", async {
            self.authorize(caller, Action::ListVThings, None)?;
            let field = |v_thing: &VThing, name: &str| match name {
                "thingVisor" => Some(v_thing.id.thing_visor().to_string()),
                "type" => Some(v_thing.spec.kind.clone().unwrap_or_else(|| "sensor".to_owned())),
                _ => None,
            };
            page(self.v_things(), "", options, field).await
        })
        .await
    }

    /// One vThing.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn inspect_v_thing(&self, caller: &Caller, id: &VThingId) -> Result<VThing, Failure> {
        Ok(self.find_v_thing(caller, id).await?.value)
    }

    /// [`Controller::inspect_v_thing`] with its revision.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn find_v_thing(&self, caller: &Caller, id: &VThingId) -> Result<Versioned<VThing>, Failure> {
        self.operation("inspectVThing", async {
            self.authorize(caller, Action::ListVThings, None)?;
            existing(self.v_things(), "vThing", id.as_str()).await
        })
        .await
    }

    /// Sets where the generic content of a vThing is, or takes it away, and tells its ThingVisor.
    ///
    /// # Errors
    /// When the caller is no administrator, it does not exist, was changed since, or the endpoint is no
    /// URL.
    pub async fn set_v_thing_endpoint(
        &self,
        caller: &Caller,
        id: &VThingId,
        endpoint: Option<String>,
        precondition: &Precondition,
    ) -> Result<Versioned<VThing>, Failure> {
        let (name, action) = match &endpoint {
            Some(_) => ("setVThingEndpoint", Action::SetVThingEndpoint),
            None => ("delVThingEndpoint", Action::DeleteVThingEndpoint),
        };
        self.operation(name, async {
            self.authorize(caller, action, None)?;
            check_endpoint(endpoint.as_deref())?;
            let change = |v_thing: &mut VThing| {
                v_thing.endpoint.clone_from(&endpoint);
                Ok(())
            };
            let place = (self.v_things(), "vThing", id.as_str());
            let changed = self.change(caller, name, place, precondition, change).await?;
            self.tell_thing_visor(&id.thing_visor(), &endpoint_message(id, endpoint)).await;
            Ok(changed)
        })
        .await
    }

    /// The vThings of a ThingVisor.
    ///
    /// # Errors
    /// When the caller may not see them.
    pub async fn v_things_of(
        &self,
        caller: &Caller,
        visor: &morgana_model::ThingVisorId,
    ) -> Result<Vec<VThing>, Failure> {
        self.operation("listVThings", async {
            self.authorize(caller, Action::ListVThings, None)?;
            let found = self.v_things().all(&format!("{visor}/")).await?;
            Ok(found.into_iter().map(|found| found.value).collect())
        })
        .await
    }
}

/// The longest endpoint, in bytes.
const MAX_ENDPOINT: usize = 2048;
/// What VirIoT's ThingVisors serve a picture of their own for (viriot-wire.md section 7).
const DUMMY: &str = "dummy";

fn check_endpoint(endpoint: Option<&str>) -> Result<(), Failure> {
    let Some(endpoint) = endpoint else { return Ok(()) };
    let is_url = ["http://", "https://"].iter().any(|scheme| {
        endpoint.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    });
    let is_plain = endpoint.len() <= MAX_ENDPOINT && !endpoint.contains(|c: char| c.is_control() || c == ' ');
    if (is_url || endpoint == DUMMY) && is_plain {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "the endpoint is not one: give an http or https URL of at most {MAX_ENDPOINT} bytes, or '{DUMMY}'"
    )))
}

/// What a ThingVisor is told of an endpoint.
pub(crate) fn endpoint_message(id: &VThingId, endpoint: Option<String>) -> ControlMessage {
    match endpoint {
        Some(endpoint) => ControlMessage::SetVThingEndpoint { v_thing: id.clone(), endpoint },
        None => ControlMessage::DelVThingEndpoint { v_thing: id.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_or_viriots_dummy() {
        for good in
            [None, Some("http://127.0.0.1:9"), Some("https://camera.example/stream?x=1"), Some("dummy")]
        {
            assert!(check_endpoint(good).is_ok(), "{good:?}");
        }
        let long = format!("http://{}", "x".repeat(5000));
        for wrong in
            ["", "http://", "http:///x", "ftp://host", "127.0.0.1:9", "http://a b", "http://a\n", &long]
        {
            assert!(check_endpoint(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
