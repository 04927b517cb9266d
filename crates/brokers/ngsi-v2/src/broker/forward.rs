//! Asking context providers for what the broker does not have, and handing them what is theirs to change.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;

use super::{Broker, Scope, deliver::send};
use crate::{
    Entity, ErrorKind, Json, change,
    input::{AttributeInput, EntityInput, IdRule, parse_entity},
    model::{Time, write_text},
    query::EntitySelector,
    registrations::Registration,
    render::{Names, Projection, write_attribute},
};

impl Broker {
    /// Adds to `found` what providers know of the entities that `selectors` name by id: new entities, and attributes
    /// that the broker's own entities do not have. A provider that does not answer adds nothing.
    pub(crate) async fn ask_providers(
        &self,
        scope: &Scope,
        selectors: &[EntitySelector],
        attrs: &Names,
        found: &mut Vec<Arc<Entity>>,
    ) {
        for (number, (selector, registration)) in (1..).zip(self.providers(scope, selectors)) {
            let Some(names) = registration.wanted(attrs) else { continue };
            let body = query_body(&selector, &names);
            let url = format!("{}/op/query?limit=20&offset=0&options=count", base(&registration.url));
            let Some((_, answer)) = self.post(scope, &url, body, number).await else { continue };
            let entities = answer.as_array().unwrap_or_default();
            for entity in entities.iter().filter_map(|entity| parse_entity(entity, IdRule::Body, false).ok())
            {
                add(found, &entity, &registration);
            }
        }
    }

    fn providers(
        &self,
        scope: &Scope,
        selectors: &[EntitySelector],
    ) -> Vec<(EntitySelector, Arc<Registration>)> {
        let Some(tenant) = self.inner.tenants.find(scope) else { return Vec::new() };
        let registrations = tenant.registrations.read();
        if registrations.is_empty() {
            return Vec::new();
        }
        let now = Time::now();
        let mut pairs = Vec::new();
        for selector in selectors {
            let Some(id) = selector.id.as_deref() else { continue };
            let answering = registrations.iter().filter(|registration| {
                scope.paths.cover(registration.path.as_str())
                    && registration.answers(id, selector.kind.as_deref(), now)
            });
            pairs.extend(answering.map(|registration| (selector.clone(), Arc::clone(registration))));
        }
        pairs
    }

    /// Hands what an update could not do, because the broker does not have it, to the providers that do. Returns whether
    /// there was such, and all of it was taken.
    pub(crate) async fn hand_missing(&self, scope: &Scope, inputs: &[EntityInput]) -> bool {
        let mut handed = false;
        for input in inputs {
            let kind = input.kind.as_deref();
            let missing: Vec<AttributeInput> = match self.entity(scope, &input.id, kind) {
                Ok(known) => {
                    let is_missing = |one: &&AttributeInput| known.attribute(&one.name).is_none();
                    input.attributes.iter().filter(is_missing).cloned().collect()
                }
                Err(error) if error.kind() == ErrorKind::NotFound => input.attributes.clone(),
                Err(_) => return false,
            };
            if missing.is_empty() {
                continue;
            }
            if !self.hand_to_providers(scope, &input.id, kind, &missing).await {
                return false;
            }
            handed = true;
        }
        handed
    }

    /// Hands an update of attributes to the providers that have them. Returns whether all were taken.
    async fn hand_to_providers(
        &self,
        scope: &Scope,
        id: &str,
        kind: Option<&str>,
        attributes: &[AttributeInput],
    ) -> bool {
        let Some(tenant) = self.inner.tenants.find(scope) else { return false };
        let now = Time::now();
        let mut handed: Vec<(Arc<Registration>, Vec<AttributeInput>)> = Vec::new();
        {
            let registrations = tenant.registrations.read();
            for attribute in attributes {
                let Some(registration) = registrations
                    .iter()
                    .find(|registration| registration.takes(id, kind, &attribute.name, now))
                else {
                    return false;
                };
                match handed.iter_mut().find(|(known, _)| Arc::ptr_eq(known, registration)) {
                    Some((_, list)) => list.push(attribute.clone()),
                    None => handed.push((Arc::clone(registration), vec![attribute.clone()])),
                }
            }
        }
        let mut all = !handed.is_empty();
        for (number, (registration, attributes)) in (1..).zip(handed) {
            let body = update_body(id, kind, attributes);
            let url = format!("{}/op/update", base(&registration.url));
            // An answer with content is not one to an update.
            all &= self.post(scope, &url, body, number).await.is_some_and(|(code, _)| code == 204);
        }
        all
    }

    /// Posts JSON to a provider; `None` when it does not answer with a success.
    async fn post(&self, scope: &Scope, url: &str, body: Vec<u8>, number: u32) -> Option<(u16, Json)> {
        let text = |text: &str| HeaderValue::from_str(text).ok();
        let sent = body.len();
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.parse().ok()?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("orion/4.7.0 (morgana)"));
        headers.insert("fiware-correlator", text(&format!("{}; cbfwd={number}", scope.correlator))?);
        let path = scope.paths.as_slice().first().map_or("/", |path| path.as_str());
        headers.insert("fiware-servicepath", text(path)?);
        if !scope.service.is_empty() {
            headers.insert("fiware-service", text(&scope.service)?);
        }
        if let Some(token) = &scope.token {
            headers.insert("x-auth-token", token.clone());
        }
        let timeout = Duration::from_millis(self.inner.options.http_timeout_ms);
        let answered = send(&self.inner.client, request, timeout).await;
        // As for Orion, any answer is one.
        let length = answered.as_ref().ok().map(|(_, answer)| answer.len());
        self.statistics().went_out(&scope.service, path, sent, length);
        match answered {
            Ok((code, answer)) if (200..300).contains(&code) => {
                Some((code, Json::parse(&answer).unwrap_or(Json::Null)))
            }
            Ok((code, _)) => {
                tracing::debug!(url, code, "a context provider refused");
                None
            }
            Err(error) => {
                tracing::debug!(url, %error, "a context provider does not answer");
                None
            }
        }
    }
}

fn add(found: &mut Vec<Arc<Entity>>, input: &EntityInput, registration: &Registration) {
    let kind = input.kind.as_deref().unwrap_or(crate::input::DEFAULT_ENTITY_TYPE);
    let Ok(created) = change::create(input, kind, registration.path.as_str(), Time::now()) else { return };
    let entity = created.entity;
    match found.iter_mut().find(|known| known.id == entity.id && known.kind == entity.kind) {
        None => found.push(Arc::new(entity)),
        Some(known) => {
            let missing =
                entity.attributes.into_iter().filter(|attribute| known.attribute(&attribute.name).is_none());
            let missing: Vec<_> = missing.collect();
            if !missing.is_empty() {
                Arc::make_mut(known).attributes.extend(missing);
            }
        }
    }
}

/// What an operation's path is appended to. A URL without a path has the path `/`, and so two slashes follow each other:
/// that is what Orion sends, and what IoT agents listen for.
fn base(url: &str) -> String {
    let has_path = url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if has_path { url.to_owned() } else { format!("{url}/") }
}

fn query_body(selector: &EntitySelector, names: &[&str]) -> Vec<u8> {
    let mut entity: Vec<(&str, Json)> = Vec::new();
    entity.extend(selector.id.as_deref().map(|id| ("id", Json::from(id))));
    entity.extend(selector.kind.as_deref().map(|kind| ("type", Json::from(kind))));
    let names = names.iter().copied().map(Json::from).collect();
    let body =
        Json::object([("entities", Json::from(vec![Json::object(entity)])), ("attrs", Json::Array(names))]);
    body.to_text().into_bytes()
}

fn update_body(id: &str, kind: Option<&str>, attributes: Vec<AttributeInput>) -> Vec<u8> {
    let mut out = br#"{"actionType":"update","entities":[{"id":"#.to_vec();
    write_text(id, &mut out);
    if let Some(kind) = kind {
        out.extend_from_slice(br#","type":"#);
        write_text(kind, &mut out);
    }
    for attribute in attributes {
        out.push(b',');
        write_text(&attribute.name, &mut out);
        out.push(b':');
        let now = Time::now();
        let attribute = crate::Attribute {
            name: attribute.name,
            kind: attribute.kind,
            value: attribute.value,
            metadata: attribute.metadata.unwrap_or_default(),
            created: now,
            modified: now,
        };
        write_attribute(&attribute, &Projection::default(), &mut out);
    }
    out.extend_from_slice(b"}]}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_has_the_root() {
        for (url, path) in [
            ("http://h:1", "http://h:1//op/update"),
            ("http://h:1/", "http://h:1//op/update"),
            ("http://h:1/v2", "http://h:1/v2/op/update"),
        ] {
            assert_eq!(format!("{}/op/update", base(url)), path);
        }
    }
}
