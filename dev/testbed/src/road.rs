//! The steps of the road that most scenarios begin with, in the words of the REST API.

use morgana_client::{Client, Goal};
use morgana_model::{
    FlavourId, NewThingVisor, NewUser, NewVSilo, Role, Secret, ThingVisor, ThingVisorId, ThingVisorSpec,
    VSilo, VSiloSpec, VThingId, WorkloadName,
};
use serde_json::Value;

use crate::{PATIENCE, Platform, User, eventually};

/// Steps of the road.
///
/// # Panics
/// Each of them does when the platform refuses, or does not get there within [`PATIENCE`].
impl Platform {
    /// Registers a tenant and logs it in.
    pub async fn tenant(&self, admin: &User, id: &str) -> User {
        let password = Secret::new(format!("the password of {id}"));
        let id = id.parse().expect("the test names a valid tenant");
        let new = NewUser { id, password: password.clone(), role: Role::Tenant };
        let user = self.client(admin).create_user(&new).await;
        let user = user.unwrap_or_else(|error| panic!("{} cannot be registered: {error}", new.id));
        self.log_in(user.id.as_str(), &password).await
    }

    /// Adds a ThingVisor and waits until it runs.
    pub async fn thing_visor(&self, admin: &User, id: &str, image: &str, params: Value) -> ThingVisor {
        let client = self.client(admin);
        let visor = add_thing_visor(&client, id, image, params).await;
        let visor = visor.unwrap_or_else(|error| panic!("ThingVisor {id} cannot be added: {error}"));
        wait_until_running(&client, &WorkloadName::ThingVisor(visor.id.clone())).await;
        client.thing_visor(&visor.id).await.expect("a ThingVisor that runs can be inspected")
    }

    /// Adds a `relay` with one vThing, `<id>/<name>`, and waits until the vThing is there.
    pub async fn relay(&self, admin: &User, id: &str, name: &str, type_name: &str) -> ThingVisor {
        let params = serde_json::json!({ "vThingName": name, "vThingType": type_name });
        let visor = self.thing_visor(admin, id, "builtin:relay", params).await;
        self.v_thing(admin, &format!("{id}/{name}")).await;
        visor
    }

    /// Waits until a vThing is there.
    pub async fn v_thing(&self, user: &User, id: &str) -> VThingId {
        let client = self.client(user);
        let id: VThingId = id.parse().expect("the test names a valid vThing");
        eventually(&format!("vThing {id} is announced"), async || client.vthing(&id).await).await;
        id
    }

    /// Creates a silo of a tenant's own and waits until it runs.
    pub async fn silo(&self, tenant: &User, name: &str, flavour: &str) -> VSilo {
        let client = self.client(tenant);
        let silo = add_silo(&client, tenant, name, flavour).await;
        let silo = silo.unwrap_or_else(|error| panic!("silo {name} cannot be created: {error}"));
        self.running_silo(tenant, &silo).await
    }

    /// A silo as its owner sees it, once it runs.
    pub async fn running_silo(&self, owner: &User, silo: &VSilo) -> VSilo {
        let client = self.client(owner);
        wait_until_running(&client, &WorkloadName::VSilo(silo.id.clone())).await;
        client.vsilo(&silo.id).await.expect("a silo that runs can be inspected")
    }

    /// Plugs a vThing into a silo.
    pub async fn plug(&self, owner: &User, silo: &VSilo, v_thing: &str) {
        let v_thing = v_thing.parse().expect("the test names a valid vThing");
        let plugged = self.client(owner).connect(&silo.id, &v_thing).await;
        plugged.unwrap_or_else(|error| panic!("{v_thing} cannot be plugged into {}: {error}", silo.id));
    }

    /// Takes a vThing out of a silo.
    pub async fn unplug(&self, owner: &User, silo: &VSilo, v_thing: &str) {
        let v_thing = v_thing.parse().expect("the test names a valid vThing");
        let unplugged = self.client(owner).disconnect(&silo.id, &v_thing).await;
        unplugged.unwrap_or_else(|error| panic!("{v_thing} cannot be taken out of {}: {error}", silo.id));
    }
}

/// Asks for a ThingVisor.
///
/// # Errors
/// When the platform refuses.
pub async fn add_thing_visor(
    client: &Client,
    id: &str,
    image: &str,
    params: Value,
) -> Result<ThingVisor, morgana_client::Error> {
    let id: ThingVisorId = id.parse().expect("the test names a valid ThingVisor");
    let image_name = image.parse().expect("the test names a valid image");
    let spec = ThingVisorSpec {
        image_name,
        params,
        description: String::new(),
        zone: None,
        debug_mode: false,
        yaml_files: None,
    };
    client.create_thing_visor(&NewThingVisor { id, spec }).await
}

/// Asks for a silo of a tenant.
///
/// # Errors
/// When the platform refuses.
pub async fn add_silo(
    client: &Client,
    tenant: &User,
    name: &str,
    flavour: &str,
) -> Result<VSilo, morgana_client::Error> {
    let name = name.parse().expect("the test names a valid silo");
    let flavour: FlavourId = flavour.parse().expect("the test names a valid flavour");
    let spec = VSiloSpec { tenant: tenant.id.clone(), name, flavour, zone: None, debug_mode: false };
    client.create_vsilo(&NewVSilo { spec }).await
}

async fn wait_until_running(client: &Client, workload: &WorkloadName) {
    let waited = client.wait_until(workload, Goal::Running, PATIENCE, |_| ()).await;
    waited.unwrap_or_else(|error| panic!("{error}"));
}
