//! The operations of the REST v1 API, one method each.

use morgana_model::{
    AuditEntry, Connection, Credentials, Flavour, FlavourId, NewConnection, NewFlavour, NewThingVisor,
    NewUser, NewVSilo, Page, Refresh, Secret, Session, Tenant, TenantId, ThingVisor, ThingVisorId,
    ThingVisorPatch, User, UserPatch, VSilo, VSiloId, VThing, VThingId, VThingPatch, WorkloadUsage, Zone,
};
use reqwest::Method;
use serde_json::Value;

use crate::{Client, Error, Pages};

/// Who is asking.
///
/// # Errors
/// Each of these methods fails when the controller refuses or cannot be reached.
impl Client {
    /// `POST /v1/login`: a session for the user; make the next client with its token.
    pub async fn login(&self, credentials: &Credentials) -> Result<Session, Error> {
        self.fetch(self.post(["v1", "login"]).json(credentials)).await
    }

    /// `POST /v1/refresh`: goes on with a session. The refresh token is used up by it.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<Session, Error> {
        let refresh = Refresh { refresh_token: refresh_token.clone() };
        self.fetch(self.post(["v1", "refresh"]).json(&refresh)).await
    }

    /// `POST /v1/logout`: ends the session of this client's token.
    pub async fn logout(&self) -> Result<(), Error> {
        self.perform(self.post(["v1", "logout"])).await
    }

    /// `GET /readyz`: succeeds when all parts of the platform answer.
    pub async fn ready(&self) -> Result<(), Error> {
        self.perform(self.get(["readyz"])).await
    }

    /// `GET /v1/users`; administrators only.
    pub fn users(&self) -> Pages<'_, User> {
        Pages::new(self, ["v1", "users"])
    }

    /// `POST /v1/users`; administrators only.
    pub async fn create_user(&self, user: &NewUser) -> Result<User, Error> {
        self.fetch(self.post(["v1", "users"]).json(user)).await
    }

    /// `GET /v1/users/{id}`.
    pub async fn user(&self, id: &TenantId) -> Result<User, Error> {
        self.fetch(self.get(["v1", "users", id.as_str()])).await
    }

    /// `PATCH /v1/users/{id}`: a new password or role.
    pub async fn update_user(&self, id: &TenantId, patch: &UserPatch) -> Result<User, Error> {
        self.fetch(self.request(Method::PATCH, ["v1", "users", id.as_str()]).json(patch)).await
    }

    /// `GET /v1/tenants/{id}`: all that a tenant has.
    pub async fn tenant(&self, id: &TenantId) -> Result<Tenant, Error> {
        self.fetch(self.get(["v1", "tenants", id.as_str()])).await
    }

    /// `GET /v1/audit`: who changed or tried what, oldest first; administrators only.
    pub fn audit(&self) -> Pages<'_, AuditEntry> {
        Pages::new(self, ["v1", "audit"])
    }

    /// `DELETE /v1/users/{id}`; administrators only.
    pub async fn delete_user(&self, id: &TenantId) -> Result<(), Error> {
        self.perform(self.delete(["v1", "users", id.as_str()])).await
    }
}

/// Flavours.
///
/// # Errors
/// Each of these methods fails when the controller refuses or cannot be reached.
impl Client {
    /// `GET /v1/flavours`.
    pub fn flavours(&self) -> Pages<'_, Flavour> {
        Pages::new(self, ["v1", "flavours"])
    }

    /// `POST /v1/flavours`; administrators only.
    pub async fn create_flavour(&self, flavour: &NewFlavour) -> Result<Flavour, Error> {
        self.fetch(self.post(["v1", "flavours"]).json(flavour)).await
    }

    /// `GET /v1/flavours/{id}`.
    pub async fn flavour(&self, id: &FlavourId) -> Result<Flavour, Error> {
        self.fetch(self.get(["v1", "flavours", id.as_str()])).await
    }

    /// `DELETE /v1/flavours/{id}`; administrators only.
    pub async fn delete_flavour(&self, id: &FlavourId) -> Result<(), Error> {
        self.perform(self.delete(["v1", "flavours", id.as_str()])).await
    }
}

/// ThingVisors and their vThings.
///
/// # Errors
/// Each of these methods fails when the controller refuses or cannot be reached.
impl Client {
    /// `GET /v1/thingvisors`; administrators only.
    pub fn thing_visors(&self) -> Pages<'_, ThingVisor> {
        Pages::new(self, ["v1", "thingvisors"])
    }

    /// `POST /v1/thingvisors`: the ThingVisor as it was accepted, in phase `pending`;
    /// administrators only.
    pub async fn create_thing_visor(&self, visor: &NewThingVisor) -> Result<ThingVisor, Error> {
        self.fetch(self.post(["v1", "thingvisors"]).json(visor)).await
    }

    /// `GET /v1/thingvisors/{id}`; administrators only.
    pub async fn thing_visor(&self, id: &ThingVisorId) -> Result<ThingVisor, Error> {
        self.fetch(self.get(["v1", "thingvisors", id.as_str()])).await
    }

    /// `PATCH /v1/thingvisors/{id}`: new parameters or another description; administrators only.
    pub async fn update_thing_visor(
        &self,
        id: &ThingVisorId,
        patch: &ThingVisorPatch,
    ) -> Result<ThingVisor, Error> {
        self.fetch(self.request(Method::PATCH, ["v1", "thingvisors", id.as_str()]).json(patch)).await
    }

    /// `DELETE /v1/thingvisors/{id}`: the ThingVisor in phase `stopping`. With `force` its workload
    /// is not given time to put its state away. Administrators only.
    pub async fn delete_thing_visor(&self, id: &ThingVisorId, force: bool) -> Result<ThingVisor, Error> {
        let request = self.delete(["v1", "thingvisors", id.as_str()]);
        self.fetch(request.query(&[("force", force)])).await
    }

    /// `POST /v1/thingvisors/{id}/restart`: the ThingVisor in phase `pending`; administrators only.
    pub async fn restart_thing_visor(&self, id: &ThingVisorId) -> Result<ThingVisor, Error> {
        self.fetch(self.post(["v1", "thingvisors", id.as_str(), "restart"])).await
    }

    /// `GET /v1/vthings`.
    pub fn vthings(&self) -> Pages<'_, VThing> {
        Pages::new(self, ["v1", "vthings"])
    }

    /// `GET /v1/vthings/{thingVisorID}/{localName}`.
    pub async fn vthing(&self, id: &VThingId) -> Result<VThing, Error> {
        self.fetch(self.get(["v1", "vthings"].into_iter().chain(id.as_str().split('/')))).await
    }

    /// `PATCH /v1/vthings/{thingVisorID}/{localName}`: where its generic content is, or that it is nowhere;
    /// administrators only.
    pub async fn set_vthing_endpoint(&self, id: &VThingId, endpoint: Option<&str>) -> Result<VThing, Error> {
        let patch = VThingPatch { endpoint: endpoint.map(str::to_owned) };
        let segments = ["v1", "vthings"].into_iter().chain(id.as_str().split('/'));
        self.fetch(self.request(Method::PATCH, segments).json(&patch)).await
    }
}

/// vSilos and what is plugged into them.
///
/// # Errors
/// Each of these methods fails when the controller refuses or cannot be reached.
impl Client {
    /// `GET /v1/vsilos`: an administrator sees all, a tenant its own.
    pub fn vsilos(&self) -> Pages<'_, VSilo> {
        Pages::new(self, ["v1", "vsilos"])
    }

    /// `POST /v1/vsilos`: the silo as it was accepted, in phase `pending`.
    pub async fn create_vsilo(&self, vsilo: &NewVSilo) -> Result<VSilo, Error> {
        self.fetch(self.post(["v1", "vsilos"]).json(vsilo)).await
    }

    /// `GET /v1/vsilos/{id}`: to the silo's owner with the silo's token.
    pub async fn vsilo(&self, id: &VSiloId) -> Result<VSilo, Error> {
        self.fetch(self.get(["v1", "vsilos", id.as_str()])).await
    }

    /// `DELETE /v1/vsilos/{id}`: the silo in phase `stopping`. With `force` its workload is not
    /// given time to put its state away.
    pub async fn delete_vsilo(&self, id: &VSiloId, force: bool) -> Result<VSilo, Error> {
        let request = self.delete(["v1", "vsilos", id.as_str()]);
        self.fetch(request.query(&[("force", force)])).await
    }

    /// `POST /v1/vsilos/{id}/restart`: the silo in phase `pending`; it keeps all it holds.
    pub async fn restart_vsilo(&self, id: &VSiloId) -> Result<VSilo, Error> {
        self.fetch(self.post(["v1", "vsilos", id.as_str(), "restart"])).await
    }

    /// `GET /v1/vsilos/{id}/connections`: which vThings are plugged into the silo.
    pub fn connections(&self, vsilo: &VSiloId) -> Pages<'_, Connection> {
        Pages::new(self, ["v1", "vsilos", vsilo.as_str(), "connections"])
    }

    /// `POST /v1/vsilos/{id}/connections`: plugs a vThing into the silo.
    pub async fn connect(&self, vsilo: &VSiloId, vthing: &VThingId) -> Result<Connection, Error> {
        let body = NewConnection { v_thing: vthing.clone() };
        self.fetch(self.post(["v1", "vsilos", vsilo.as_str(), "connections"]).json(&body)).await
    }

    /// `DELETE /v1/vsilos/{id}/connections/{thingVisorID}/{localName}`: unplugs a vThing.
    pub async fn disconnect(&self, vsilo: &VSiloId, vthing: &VThingId) -> Result<(), Error> {
        let silo = ["v1", "vsilos", vsilo.as_str(), "connections"];
        self.perform(self.delete(silo.into_iter().chain(vthing.as_str().split('/')))).await
    }
}

/// The platform itself.
///
/// # Errors
/// Each of these methods fails when the controller refuses or cannot be reached.
impl Client {
    /// `GET /v1/workloads`: what the caller's workloads use now.
    pub async fn workloads(&self) -> Result<Vec<WorkloadUsage>, Error> {
        let page: Page<WorkloadUsage> = self.fetch(self.get(["v1", "workloads"])).await?;
        Ok(page.items)
    }

    /// `GET /v1/zones`.
    pub async fn zones(&self) -> Result<Vec<Zone>, Error> {
        let page: Page<Zone> = self.fetch(self.get(["v1", "zones"])).await?;
        Ok(page.items)
    }

    /// `GET /v1/nodes`, as the controller says it; administrators only.
    pub async fn nodes(&self) -> Result<Vec<Value>, Error> {
        let page: Page<Value> = self.fetch(self.get(["v1", "nodes"])).await?;
        Ok(page.items)
    }

    /// `GET /v1/reconcilers`, as the controller says it; administrators only.
    pub async fn reconcilers(&self) -> Result<Vec<Value>, Error> {
        let page: Page<Value> = self.fetch(self.get(["v1", "reconcilers"])).await?;
        Ok(page.items)
    }
}
