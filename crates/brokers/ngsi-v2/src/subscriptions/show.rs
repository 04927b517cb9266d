//! Subscriptions as `GET /v2/subscriptions` shows them.

use super::{Alteration, State, Subscription};
use crate::model::{Json, Time, default_type};

/// Appends a subscription.
pub(crate) fn write_subscription(subscription: &Subscription, now: Time, out: &mut Vec<u8>) {
    let counts = subscription.status.counts();
    let document = &subscription.document;
    let mut members: Vec<(&str, Json)> = vec![("id", Json::String(subscription.id.clone()))];
    members.extend(document.get("description").map(|text| ("description", text.clone())));
    members.extend(subscription.expires.map(|end| ("expires", Json::from(&*end.to_string()))));
    let status = match counts.state {
        _ if subscription.is_expired(now) => "expired",
        State::Active => "active",
        State::Inactive => "inactive",
        State::Oneshot => "oneshot",
    };
    members.push(("status", status.into()));
    members.push(("subject", subject(subscription)));
    members.push(("notification", notification(subscription, &counts)));
    members
        .extend(subscription.throttling.map(|period| ("throttling", Json::Number(period.as_secs() as f64))));
    Json::object(members).write(out);
}

fn subject(subscription: &Subscription) -> Json {
    let document = &subscription.document;
    let given = document.get("subject").and_then(|subject| subject.get("condition"));
    let given = |name: &str| given.and_then(|condition| condition.get(name)).cloned();
    let mut condition = vec![("attrs", given("attrs").unwrap_or_else(|| Json::Array(Box::default())))];
    condition.extend(given("expression").map(|expression| ("expression", expression)));
    let is_default = subscription.alterations == [Alteration::Create, Alteration::Change];
    if !is_default
        || given("alterationTypes")
            .is_some_and(|types| types.as_array().is_some_and(|types| !types.is_empty()))
    {
        let names = subscription.alterations.iter().map(|alteration| Json::from(alteration.name()));
        condition.push(("alterationTypes", Json::Array(names.collect())));
    }
    condition.push(("notifyOnMetadataChange", subscription.on_metadata_change.into()));
    let entities = document.get("subject").and_then(|subject| subject.get("entities")).cloned();
    Json::object([("entities", entities.unwrap_or(Json::Null)), ("condition", Json::object(condition))])
}

fn notification(subscription: &Subscription, counts: &super::status::Counts) -> Json {
    let time = |time: Time| Json::from(&*time.to_string());
    let given =
        |name: &str| subscription.document.get("notification").and_then(|given| given.get(name)).cloned();
    let mut members: Vec<(&str, Json)> = Vec::new();
    if counts.times_sent > 0 {
        members.push(("timesSent", Json::Number(counts.times_sent as f64)));
    }
    members.extend(counts.last_notification.map(|at| ("lastNotification", time(at))));
    match given("exceptAttrs") {
        Some(names) => members.push(("exceptAttrs", names)),
        None => members.push(("attrs", given("attrs").unwrap_or_else(|| Json::Array(Box::default())))),
    }
    members.push(("onlyChangedAttrs", subscription.only_changed.into()));
    members.push(("attrsFormat", subscription.format.name().into()));
    for kind in ["http", "httpCustom", "mqtt", "mqttCustom"] {
        members.extend(given(kind).map(|endpoint| (kind, shown_endpoint(&endpoint))));
    }
    members.extend(given("metadata").map(|names| ("metadata", names)));
    if let Some((at, code)) = counts.last_success {
        members.push(("lastSuccess", time(at)));
        if code > 0 {
            members.push(("lastSuccessCode", Json::Number(f64::from(code))));
        }
    }
    if let Some((at, reason)) = &counts.last_failure {
        members.push(("lastFailure", time(*at)));
        if !reason.is_empty() {
            members.push(("lastFailureReason", Json::String(reason.clone())));
        }
    }
    if counts.fails > 0 {
        members.push(("failsCounter", Json::Number(counts.fails as f64)));
    }
    members.extend(subscription.max_fails.map(|max| ("maxFailsLimit", Json::Number(max as f64))));
    members.push(("covered", subscription.covered.into()));
    Json::object(members)
}

/// An endpoint without its secrets and without what means nothing.
fn shown_endpoint(endpoint: &Json) -> Json {
    let members =
        endpoint.as_object().unwrap_or_default().iter().filter_map(|(name, value)| match (&**name, value) {
            ("passwd", _) => Some((name.clone(), "*****".into())),
            ("payload", Json::String(text)) if text.is_empty() => None,
            ("timeout", Json::Number(0.0)) => None,
            ("ngsi", Json::Object(_)) => Some((name.clone(), with_types(value))),
            _ => Some((name.clone(), value.clone())),
        });
    Json::object(members)
}

/// A part of an entity whose attributes all have a type.
fn with_types(patch: &Json) -> Json {
    let members = patch.as_object().unwrap_or_default().iter().map(|(name, attribute)| {
        let is_typed = attribute.get("type").is_some();
        let typed = match attribute.as_object() {
            Some(parts) if !is_typed => {
                let kind = default_type(attribute.get("value").unwrap_or(&Json::Null));
                Json::object(
                    std::iter::once((Box::from("type"), Json::from(kind))).chain(parts.iter().cloned()),
                )
            }
            _ => attribute.clone(),
        };
        (name.clone(), typed)
    });
    Json::object(members)
}
