//! Somebody else's NGSI-LD broker: Orion-LD, Scorpio, Stellio, or one of ours.

use async_trait::async_trait;
use http::Method;
use morgana_model::{Entity, VThingId};
use morgana_translate::ngsi_ld::for_broker;
use serde_json::{Map, Value, json};

use super::peer::{Answer, Peer, refused};
use super::{Away, Gone, Remote};
use crate::actuation::{Pipes, Written};
use crate::error::RunError;
use crate::notices::Notices;
use crate::settings::Settings;

const LD: &str = "application/ld+json";
const API: &str = "/ngsi-ld/v1";

pub(in crate::flavours) struct NgsiLd {
    peer: Peer,
    silo: String,
    notices: Notices,
}

impl NgsiLd {
    /// Writes entities, no two of the same id. Gives those that the broker refused, each with the reason.
    async fn upsert(&self, batch: Vec<(&str, Value)>) -> Result<Vec<(String, String)>, Away> {
        const PATH: &str = "/entityOperations/upsert?options=update";
        let documents = Value::Array(batch.iter().map(|(_, document)| document.clone()).collect());
        let answer = self.send(Method::POST, PATH, Some(&documents)).await?;
        match (answer.status.as_u16(), &batch[..]) {
            (200 | 201 | 204, _) => Ok(Vec::new()),
            // A BatchOperationResult (ETSI GS CIM 009 clause 5.2.16).
            (207, _) => {
                refused("entities of an update", &answer);
                let failures = answer.body.get("errors").and_then(Value::as_array);
                Ok(failures.into_iter().flatten().map(failure).collect())
            }
            (_, [(id, _)]) => {
                refused(id, &answer);
                Ok(vec![((*id).to_owned(), reason(&answer.body, answer.status.as_u16()))])
            }
            // One by one, so that what is right is there.
            _ => {
                let mut failed = Vec::new();
                for one in batch {
                    failed.extend(Box::pin(self.upsert(vec![one])).await?);
                }
                Ok(failed)
            }
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Away> {
        let path = format!("{API}{path}");
        self.peer.send(method, &path, &[], body.map(|body| (LD, body))).await
    }

    async fn delete_attribute(&self, entity: &str, name: &str, context: Option<&Value>) -> Result<(), Away> {
        let path = format!("{API}/entities/{}/attrs/{}", encoded(entity), encoded(name));
        let url = context.and_then(|context| match context {
            Value::Array(all) => all.first()?.as_str(),
            one => one.as_str(),
        });
        let link =
            url.map(|url| format!("<{url}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"{LD}\""));
        let headers: Vec<_> = link.as_deref().map(|link| ("link", link)).into_iter().collect();
        let answer = self.peer.send(Method::DELETE, &path, &headers, None).await?;
        if !answer.status.is_success() && answer.status.as_u16() != 404 {
            refused(name, &answer);
        }
        Ok(())
    }
}

#[async_trait]
impl Remote for NgsiLd {
    const SHARED_NAME: Option<fn(&str) -> String> = Some(str::to_owned);

    fn new(settings: &Settings) -> Result<Self, RunError> {
        let mut peer = Peer::new(settings)?;
        let service = settings.parameter("service");
        if !service.is_empty() {
            peer.set_header("ngsild-tenant", service);
        }
        Ok(Self { peer, silo: settings.silo.to_string(), notices: Notices::new(settings.silo.clone()) })
    }

    async fn ask(&mut self) -> Result<(), Away> {
        self.send(Method::GET, "/types", None).await.map(drop)
    }

    async fn show(&mut self, entities: &[(&VThingId, &Entity)]) -> Result<(), Away> {
        if entities.is_empty() {
            return Ok(());
        }
        // An entity twice in one batch is refused by some brokers: the later part goes with the next batch.
        let mut batches: Vec<Vec<(&str, Value)>> = vec![Vec::new()];
        for (v_thing, entity) in entities {
            let document = Value::Object(for_broker((*entity).clone(), v_thing));
            let is_in = |batch: &Vec<(&str, Value)>| batch.iter().any(|(id, _)| *id == entity.id());
            let after = batches.iter().rposition(is_in).map_or(0, |last| last + 1);
            if after == batches.len() {
                batches.push(Vec::new());
            }
            batches[after].push((entity.id(), document));
        }
        let mut failed = Vec::new();
        for batch in batches {
            failed.extend(self.upsert(batch).await?);
        }
        self.tell(failed).await
    }

    async fn tell(&mut self, failed: Vec<(String, String)>) -> Result<(), Away> {
        if let Some(notice) = self.notices.add_all(failed) {
            let id = notice.id().to_owned();
            let mut members: Map<String, Value> = notice.into();
            members.insert("@context".to_owned(), json!([morgana_model::CORE_CONTEXT]));
            self.upsert(vec![(&id, Value::Object(members))]).await?;
        }
        Ok(())
    }

    async fn take_away(&mut self, _v_thing: &VThingId, gone: &[Gone]) -> Result<(), Away> {
        let whole: Vec<&str> =
            gone.iter().filter(|gone| gone.attributes.is_none()).map(|gone| gone.entity.id()).collect();
        if !whole.is_empty() {
            let answer = self.send(Method::POST, "/entityOperations/delete", Some(&json!(whole))).await?;
            if !matches!(answer.status.as_u16(), 200 | 204 | 207 | 404) {
                refused("entities of a vThing that is gone", &answer);
            }
        }
        for gone in gone {
            for name in gone.attributes.iter().flatten() {
                self.delete_attribute(gone.entity.id(), name, gone.entity.get("@context")).await?;
            }
        }
        Ok(())
    }

    async fn open_pipes(&mut self, pipes: &Pipes, listener: &str) -> Result<(), Away> {
        let context = pipes.context.clone().unwrap_or_else(|| json!([morgana_model::CORE_CONTEXT]));
        let mut patch = Map::new();
        for name in pipes.names() {
            patch.insert(name, json!({ "type": "Property", "value": {} }));
        }
        patch.insert("@context".to_owned(), context.clone());
        let path = format!("/entities/{}/attrs?options=noOverwrite", encoded(&pipes.entity));
        let answer = self.send(Method::POST, &path, Some(&Value::Object(patch))).await?;
        if !matches!(answer.status.as_u16(), 204 | 207) {
            refused(&pipes.entity, &answer);
        }
        for command in &pipes.commands {
            let name =
                crate::actuation::fingerprint(&[&self.silo, pipes.v_thing.as_str(), &pipes.entity, command]);
            let id = format!("urn:ngsi-ld:Subscription:{name}");
            let mut subscription = json!({
                "type": "Subscription",
                "entities": [{ "id": pipes.entity, "type": pipes.kind }],
                "watchedAttributes": [command],
                "notification": {
                    "attributes": [command],
                    "endpoint": { "uri": listener, "accept": "application/json" },
                },
                "@context": context,
            });
            // The listener's address may be another one than in the last run. What was subscribed then is not taken
            // away for that, as what is written meanwhile would be missed.
            let path = format!("/subscriptions/{id}");
            let answer = self.send(Method::PATCH, &path, Some(&subscription)).await?;
            if answer.status.is_success() {
                continue;
            }
            if answer.status.as_u16() != 404 {
                self.send(Method::DELETE, &path, None).await?;
            }
            subscription["id"] = json!(id);
            let answer = self.send(Method::POST, "/subscriptions", Some(&subscription)).await?;
            if !answer.status.is_success() {
                refused("a subscription to a pipe", &answer);
            }
        }
        Ok(())
    }

    fn written(&self, notification: &Value, pipes: &[Pipes]) -> Vec<Written> {
        let mut all = Vec::new();
        for entity in notification.get("data").and_then(Value::as_array).into_iter().flatten() {
            let id = entity.get("id").and_then(Value::as_str).unwrap_or_default();
            for pipes in pipes.iter().filter(|pipes| pipes.entity == id) {
                for command in &pipes.commands {
                    let Some(value) = entity.get(command).and_then(|attribute| attribute.get("value")) else {
                        continue;
                    };
                    let (entity, command, value) = (id.to_owned(), command.clone(), value.clone());
                    all.push(Written { v_thing: pipes.v_thing.clone(), entity, command, value, bare: false });
                }
            }
        }
        all
    }
}

/// An entity that was refused, and why, of a BatchEntityError (clause 5.2.17).
fn failure(error: &Value) -> (String, String) {
    let id = error.get("entityId").and_then(Value::as_str).unwrap_or_default().to_owned();
    (id, reason(error.get("error").unwrap_or(&Value::Null), 400))
}

/// What a ProblemDetails says for people (RFC 7807).
fn reason(problem: &Value, status: u16) -> String {
    let text = |name: &str| problem.get(name).and_then(Value::as_str).map(str::to_owned);
    text("detail").or_else(|| text("title")).unwrap_or_else(|| format!("the broker answered {status}"))
}

/// A text as one segment of a path (RFC 3986 section 3.3).
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
