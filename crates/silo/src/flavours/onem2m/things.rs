//! vThings in a CSE: an AE each, with containers for entities, attributes and pipes.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use morgana_model::{Entity, VSiloId, VThingId};
use morgana_onem2m::Status;
use morgana_translate::commands::{result_pipe, status_pipe};
use morgana_translate::onem2m::{ae_name, attribute_name, entity_name, to_onem2m};
use serde_json::Value;

use super::resources::{COMMAND_SUBSCRIPTION, Carrier, PIPE_INSTANCES, Resources};
use crate::actuation::{Pipes, Written};
use crate::metrics;
use crate::notices::Notices;

/// The AE below which the tenant is told of refusals; those of vThings have a colon in their names.
const NOTICES: &str = "vSilo";

/// The member in which a listener says on the URL of which pipe a notification came.
pub(in crate::flavours) const PIPE: &str = "pipe";

/// The CSE cannot be reached: nothing of an update, or a part of it, was written.
#[derive(Debug)]
pub(in crate::flavours) struct Unreachable;

/// What the silo shows in a CSE.
#[derive(Debug)]
pub(in crate::flavours) struct Things {
    resources: Resources,
    /// Of each subscription on a pipe, whose it is and what command.
    pipes: HashMap<String, (VThingId, String, String)>,
    /// The addresses of the containers of pipes.
    pipe_containers: HashSet<String>,
    /// How many contents a container of an attribute keeps.
    instances: usize,
    /// Whether names have no colon, as RFC 3986 has it for what oneM2M calls unreserved.
    strict: bool,
    notices: Notices,
    /// Whether each pipe is notified to a URL of its own: CSEs name subscriptions in ways of their own.
    url_a_pipe: bool,
}

impl Things {
    pub(in crate::flavours) fn new(resources: Resources, instances: usize, silo: VSiloId) -> Self {
        let (pipes, pipe_containers) = (HashMap::new(), HashSet::new());
        let instances = instances.max(1);
        let notices = Notices::new(silo);
        Self { resources, pipes, pipe_containers, instances, notices, strict: false, url_a_pipe: false }
    }

    /// As [`Self::new`], for a CSE over HTTP; `strict` leaves no colon in names.
    pub(in crate::flavours) fn over_http(
        resources: Resources,
        instances: usize,
        silo: VSiloId,
        strict: bool,
    ) -> Self {
        Self { strict, url_a_pipe: true, ..Self::new(resources.name_policies(), instances, silo) }
    }

    pub(in crate::flavours) async fn make_policy(&self, cse: &dyn Carrier, tenant: &str) {
        self.resources.make_policy(cse, tenant).await;
    }

    fn name(&self, name: String) -> String {
        if self.strict { name.replace(':', "~3A") } else { name }
    }

    /// Makes the AE of a vThing.
    pub(in crate::flavours) async fn connect(&mut self, cse: &dyn Carrier, v_thing: &VThingId) {
        let name = self.name(ae_name(v_thing));
        self.resources.ae(cse, &name).await;
    }

    /// Deletes the AE of a vThing with all that is below it.
    pub(in crate::flavours) async fn disconnect(&mut self, cse: &dyn Carrier, v_thing: &VThingId) {
        let name = self.name(ae_name(v_thing));
        let ae = self.resources.delete_ae(cse, &name).await;
        self.pipes.retain(|_, (of, _, _)| of != v_thing);
        self.pipe_containers.retain(|address| !address.starts_with(&format!("{ae}/")));
    }

    /// Shows entities, or parts of them.
    ///
    /// # Errors
    /// When the CSE cannot be reached.
    pub(in crate::flavours) async fn show(
        &mut self,
        cse: &dyn Carrier,
        entities: &[(&VThingId, &Entity)],
    ) -> Result<(), Unreachable> {
        let mut contents = Vec::new();
        for (v_thing, entity) in entities {
            contents.extend(self.prepare(cse, v_thing, entity).await);
        }
        let failed = self.write(cse, &contents).await?;
        if !failed.iter().any(|(_, status)| *status == Status::NotFound) {
            failed.iter().for_each(refused);
            return Ok(());
        }
        // The tenant deleted containers. They are made anew, and what was to go into them is written once more.
        self.resources.forget();
        let mut again = Vec::new();
        for (v_thing, entity) in entities {
            again.extend(self.prepare(cse, v_thing, entity).await);
        }
        again.retain(|(address, _)| failed.iter().any(|(known, _)| known == address));
        self.write(cse, &again).await?.iter().for_each(refused);
        Ok(())
    }

    /// Makes the containers of an entity that are not there, and gives what is to be written into them.
    async fn prepare(
        &mut self,
        cse: &dyn Carrier,
        v_thing: &VThingId,
        entity: &Entity,
    ) -> Vec<(String, String)> {
        let translated = match to_onem2m(entity) {
            Ok(translated) => translated,
            Err(error) => {
                metrics::refused("inexpressible");
                tracing::warn!(%v_thing, %error, "an entity was left out");
                return self.notice(cse, entity.id(), &error.to_string()).await;
            }
        };
        let ae = self.name(ae_name(v_thing));
        let ae = self.resources.ae(cse, &ae).await;
        let name = self.name(translated.name);
        let container = self.resources.container(cse, &ae, &name, &translated.labels, 1).await;
        let mut contents = Vec::with_capacity(translated.containers.len());
        for attribute in translated.containers {
            let name = self.name(attribute.name);
            let address = format!("{container}/{name}");
            if !self.pipe_containers.contains(&address) {
                let instances = self.instances;
                self.resources.container(cse, &container, &name, &attribute.labels, instances).await;
            }
            contents.push((address, attribute.content));
        }
        contents
    }

    /// Makes the container that tells the tenant of a refusal, and gives what is to be written into it.
    async fn notice(&mut self, cse: &dyn Carrier, entity: &str, reason: &str) -> Vec<(String, String)> {
        let Some(Ok(notice)) = self.notices.add(entity, reason).map(|notice| to_onem2m(&notice)) else {
            return Vec::new();
        };
        let ae = self.resources.ae(cse, NOTICES).await;
        let name = self.name(notice.name);
        let container = self.resources.container(cse, &ae, &name, &notice.labels, 1).await;
        let mut contents = Vec::new();
        for attribute in notice.containers {
            let address =
                self.resources.container(cse, &container, &attribute.name, &attribute.labels, 1).await;
            contents.push((address, attribute.content));
        }
        contents
    }

    /// Writes contents, in their order; gives those that the CSE refused.
    async fn write(
        &self,
        cse: &dyn Carrier,
        contents: &[(String, String)],
    ) -> Result<Vec<(String, Status)>, Unreachable> {
        let all = contents.iter().map(|(address, content)| self.resources.instance(cse, address, content));
        let mut failed = Vec::new();
        for (status, (address, _)) in join_all(all).await.into_iter().zip(contents) {
            let status = status.ok_or(Unreachable)?;
            if !status.is_success() {
                failed.push((address.clone(), status));
            }
        }
        Ok(failed)
    }

    /// What a notification of a pipe says.
    pub(in crate::flavours) fn written(&self, notification: &Value) -> Option<Written> {
        let pipe = notification.get(PIPE);
        let notification = notification.get("pc").unwrap_or(notification).get("m2m:sgn")?;
        let (v_thing, entity, command) =
            self.pipes.get(pipe.or_else(|| notification.get("sur"))?.as_str()?)?;
        let content = notification.get("nev")?.get("rep")?.get("m2m:cin")?.get("con")?;
        // Mobius' applications write an object; others its text.
        let value = match content {
            Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| content.clone()),
            other => other.clone(),
        };
        let (v_thing, entity, command) = (v_thing.clone(), entity.clone(), command.clone());
        (!Written::is_nothing(&value)).then_some(Written { v_thing, entity, command, value, bare: false })
    }

    /// Makes the pipes of an entity; their notifications go to `target`.
    pub(in crate::flavours) async fn open_pipe(&mut self, cse: &dyn Carrier, pipes: &Pipes, target: &str) {
        let ae = self.name(ae_name(&pipes.v_thing));
        let ae = self.resources.ae(cse, &ae).await;
        let labels: Vec<String> = match &pipes.kind {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            kind => kind.as_str().map(str::to_owned).into_iter().collect(),
        };
        let name = self.name(entity_name(&pipes.entity));
        let entity = self.resources.container(cse, &ae, &name, &labels, 1).await;
        for command in &pipes.commands {
            for pipe in [command.clone(), status_pipe(command), result_pipe(command)] {
                let name = self.name(attribute_name(&pipe));
                let address = self.resources.container(cse, &entity, &name, &[], PIPE_INSTANCES).await;
                self.pipe_containers.insert(address);
            }
            let pipe = format!("{entity}/{}", self.name(attribute_name(command)));
            let of = (pipes.v_thing.clone(), pipes.entity.clone(), command.clone());
            let subscription = format!("{pipe}/{COMMAND_SUBSCRIPTION}");
            // First this, then the subscription: its first notification may come at once.
            if self.url_a_pipe {
                let name = crate::actuation::fingerprint(&[&subscription]);
                let url = format!("{target}/{name}");
                self.pipes.insert(name, of);
                // The listener's address may be another one than in the last run.
                self.resources.resubscribe(cse, &pipe, &url).await;
                continue;
            }
            self.pipes.insert(subscription, of);
            self.resources.subscribe(cse, &pipe, target).await;
        }
    }
}

fn refused((address, status): &(String, Status)) {
    metrics::refused("broker_refused");
    tracing::warn!(address, code = status.code(), "the CSE did not take an attribute");
}
