//! Somebody else's NGSIv2 broker: Orion, or one of ours.

use async_trait::async_trait;
use http::Method;
use morgana_model::{Entity, VThingId};
use morgana_translate::ngsi_v2::{attribute_name, entity_id, pipes as pipe_attributes, to_ngsi_v2};
use serde_json::{Map, Value, json};

use super::ngsi_ld::encoded;
use super::peer::{Answer, Peer, refused};
use super::{Away, Gone, Remote};
use crate::actuation::{Pipes, Written};
use crate::error::RunError;
use crate::flavours::ngsi_v2::feedback;
use crate::metrics;
use crate::notices::Notices;
use crate::settings::Settings;

/// Subscribes without a first notification of what is there: it is no new command.
const QUIET: &str = "?options=skipInitialNotification";

pub(in crate::flavours) struct NgsiV2 {
    peer: Peer,
    silo: String,
    notices: Notices,
}

impl NgsiV2 {
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Away> {
        self.peer.send(method, path, &[], body.map(|body| ("application/json", body))).await
    }

    async fn update(&self, action: &str, entities: &[Map<String, Value>]) -> Result<Answer, Away> {
        let body = json!({ "actionType": action, "entities": entities });
        self.send(Method::POST, "/v2/op/update?options=overrideMetadata", Some(&body)).await
    }

    /// The subscriptions to an entity's pipes that are there: the id of each, and the attribute that it is about.
    async fn subscribed(&self, description: &str) -> Result<Vec<(String, String)>, Away> {
        let answer = self.send(Method::GET, "/v2/subscriptions?limit=1000", None).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let one = |known: &Value| {
            let is_it = known.get("description")?.as_str()? == description;
            let attribute = known.pointer("/subject/condition/attrs/0").and_then(text).unwrap_or_default();
            is_it.then_some((known.get("id").and_then(text)?, attribute))
        };
        Ok(answer.body.as_array().into_iter().flatten().filter_map(one).collect())
    }

    async fn unsubscribe(&self, id: &str) -> Result<(), Away> {
        self.send(Method::DELETE, &format!("/v2/subscriptions/{id}"), None).await.map(drop)
    }
}

/// An entity in NGSIv2, with nothing but its id and type.
fn named(id: &str, kind: &Value) -> Option<Map<String, Value>> {
    let mut members = Map::new();
    members.insert("id".to_owned(), json!(id));
    members.insert("type".to_owned(), kind.clone());
    Some(to_ngsi_v2(&Entity::try_from(members).ok()?).ok()?.entity)
}

#[async_trait]
impl Remote for NgsiV2 {
    const SHARED_NAME: Option<fn(&str) -> String> = Some(entity_id);

    fn new(settings: &Settings) -> Result<Self, RunError> {
        let mut peer = Peer::new(settings)?;
        let service = settings.parameter("service");
        if !service.is_empty() {
            peer.set_header("fiware-service", service);
        }
        Ok(Self { peer, silo: settings.silo.to_string(), notices: Notices::new(settings.silo.clone()) })
    }

    async fn ask(&mut self) -> Result<(), Away> {
        self.send(Method::GET, "/v2/entities?limit=1", None).await.map(drop)
    }

    async fn show(&mut self, entities: &[(&VThingId, &Entity)]) -> Result<(), Away> {
        let (mut translated, mut failed) = (Vec::new(), Vec::new());
        for (v_thing, entity) in entities {
            match to_ngsi_v2(entity) {
                Ok(mut done) => {
                    feedback::simplify(&mut done.entity);
                    translated.push(done.entity);
                }
                Err(error) => {
                    metrics::refused("inexpressible");
                    tracing::warn!(%v_thing, %error, "an entity was left out");
                    failed.push((entity.id().to_owned(), error.to_string()));
                }
            }
        }
        if translated.is_empty() || self.update("append", &translated).await?.status.is_success() {
            return self.tell(failed).await;
        }
        // One by one, so that what is right is there.
        for entity in &translated {
            let answer = self.update("append", std::slice::from_ref(entity)).await?;
            if !answer.status.is_success() {
                let id = entity.get("id").and_then(Value::as_str).unwrap_or_default();
                refused(id, &answer);
                let reason = answer.body.get("description").and_then(Value::as_str);
                failed.push((id.to_owned(), reason.unwrap_or("the broker refused it").to_owned()));
            }
        }
        self.tell(failed).await
    }

    async fn tell(&mut self, failed: Vec<(String, String)>) -> Result<(), Away> {
        let Some(Ok(translated)) = self.notices.add_all(failed).map(|notice| to_ngsi_v2(&notice)) else {
            return Ok(());
        };
        let answer = self.update("append", &[translated.entity]).await?;
        if !answer.status.is_success() {
            refused("a notice for the tenant", &answer);
        }
        Ok(())
    }

    async fn take_away(&mut self, v_thing: &VThingId, gone: &[Gone]) -> Result<(), Away> {
        for Gone { entity, attributes } in gone {
            let Some(mut patch) = named(entity.id(), entity.get("type").unwrap_or(&Value::Null)) else {
                continue;
            };
            if let Some(attributes) = attributes {
                if attributes.is_empty() {
                    continue;
                }
                patch.extend(
                    attributes
                        .iter()
                        .map(|name| (attribute_name(name), json!({ "type": "None", "value": null }))),
                );
            }
            let answer = self.update("delete", &[patch]).await?;
            if !answer.status.is_success() && answer.status.as_u16() != 404 {
                refused(entity.id(), &answer);
            }
            let description = format!("vSilo {}: {v_thing} {}", self.silo, encoded(entity.id()));
            for (id, _) in self.subscribed(&description).await? {
                self.unsubscribe(&id).await?;
            }
        }
        Ok(())
    }

    async fn open_pipes(&mut self, pipes: &Pipes, listener: &str) -> Result<(), Away> {
        let Some(mut patch) = named(&pipes.entity, &pipes.kind) else { return Ok(()) };
        let text = |name: &str| patch.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, kind) = (text("id"), text("type"));
        let path = format!("/v2/entities/{}?type={}", encoded(&id), encoded(&kind));
        let known = self.send(Method::GET, &path, None).await?.body;
        let all = pipes.commands.iter().flat_map(|command| pipe_attributes(command));
        patch.extend(all.filter(|(name, _)| known.get(name).is_none()));
        if patch.len() > 2 {
            let answer = self.update("append", &[patch]).await?;
            if !answer.status.is_success() {
                refused(&pipes.entity, &answer);
            }
        }
        let description = format!("vSilo {}: {} {}", self.silo, pipes.v_thing, encoded(&pipes.entity));
        let mut before = self.subscribed(&description).await?;
        for command in &pipes.commands {
            let name = attribute_name(command);
            let subscription = json!({
                "description": description,
                "subject": { "entities": [{ "id": id, "type": kind }], "condition": { "attrs": [name] } },
                "notification": { "http": { "url": listener }, "attrs": [name] },
            });
            // The listener's address may be another one than in the last run. What was subscribed then is not taken
            // away for that, as what is written meanwhile would be missed.
            if let Some(at) = before.iter().position(|(_, attribute)| *attribute == name) {
                let (known, _) = before.swap_remove(at);
                let path = format!("/v2/subscriptions/{known}{QUIET}");
                if self.send(Method::PATCH, &path, Some(&subscription)).await?.status.is_success() {
                    continue;
                }
                self.unsubscribe(&known).await?;
            }
            let path = format!("/v2/subscriptions{QUIET}");
            let answer = self.send(Method::POST, &path, Some(&subscription)).await?;
            if !answer.status.is_success() {
                refused("a subscription to a pipe", &answer);
            }
        }
        for (id, _) in before {
            self.unsubscribe(&id).await?;
        }
        Ok(())
    }

    fn written(&self, notification: &Value, pipes: &[Pipes]) -> Vec<Written> {
        let mut all = Vec::new();
        for entity in notification.get("data").and_then(Value::as_array).into_iter().flatten() {
            for pipes in pipes {
                let Some(known) = named(&pipes.entity, &pipes.kind) else { continue };
                if known.get("id") != entity.get("id") || known.get("type") != entity.get("type") {
                    continue;
                }
                for command in &pipes.commands {
                    let attribute = entity.get(attribute_name(command));
                    let Some(value) = attribute.and_then(|attribute| attribute.get("value")) else {
                        continue;
                    };
                    let (entity, command, value) = (pipes.entity.clone(), command.clone(), value.clone());
                    all.push(Written { v_thing: pipes.v_thing.clone(), entity, command, value, bare: true });
                }
            }
        }
        all
    }
}
