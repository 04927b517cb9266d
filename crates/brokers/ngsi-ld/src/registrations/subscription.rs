//! Subscriptions to context sources (NGSI-LD 5.11): which registrations they are about, and what they tell.

use std::{sync::Arc, time::Duration};

use morgana_engine::{DeliveryError, Message};
use serde::Serialize;
use uuid::Uuid;

use super::{Registration, RegistrationQuery};
use crate::{
    Context, EntityQuery, Error,
    history::Window,
    model::{Json, Timestamp},
    query::{GeoQuery, Query},
    subscriptions::{Accept, Contexts, Subscription, carried},
};

/// Members that say something else of context sources than of entities.
const OWN: &[&str] = &["timeInterval", "csf", "temporalQ", "q"];

/// A subscription to context sources, checked.
#[derive(Debug)]
pub(crate) struct CsourceSubscription {
    /// What it has in common with a subscription to entities; its document is the whole one.
    pub(crate) inner: Subscription,
    pub(crate) interval: Option<Duration>,
    queries: Vec<RegistrationQuery>,
}

/// Why a notification is sent (NGSI-LD 5.3.2, triggerReason).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Reason {
    NewlyMatching,
    Updated,
    NoLongerMatching,
}

impl CsourceSubscription {
    /// Checks a document (NGSI-LD 5.2.12, 5.11.2).
    pub(crate) fn new(
        document: Json,
        context: Arc<Context>,
        created_at: Timestamp,
        modified_at: Timestamp,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let members = document.as_object().unwrap_or_default();
        let common = members.iter().filter(|(name, _)| !OWN.contains(&&**name)).cloned().collect();
        let mut inner = Subscription::new(
            Json::Object(common),
            Contexts::one(&context),
            created_at,
            modified_at,
            timeout,
        )?;
        if inner.delivery.accept == Accept::GeoJson {
            return Err(Error::bad(
                "notification: registrations are told as application/json or application/ld+json",
            ));
        }
        let text = |member: &str| match document.get(member) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(&**text)),
            Some(other) => Err(Error::bad(format!("{member} must be a string, not {}", other.kind()))),
        };
        let interval = match document.get("timeInterval") {
            None => None,
            Some(value) => Some(
                value
                    .as_f64()
                    .filter(|seconds| *seconds > 0.0 && *seconds < 1e9)
                    .map(Duration::from_secs_f64)
                    .ok_or_else(|| Error::bad("timeInterval must be a number of seconds above 0"))?,
            ),
        };
        // What is asked of entities is for the sources to answer, if they have the attributes that are asked about.
        let q = text("q")?.map(|q| Query::parse(q, &context)).transpose()?;
        let window = match document.get("temporalQ") {
            None => None,
            Some(json) => Some(window(json)?),
        };
        let source = || {
            let mut source = EntityQuery::default();
            if let Some(csf) = text("csf")? {
                source = source.with_q(csf, &context)?;
            }
            if let Some(scopes) = text("scopeQ")? {
                source = source.with_scopes(scopes)?;
            }
            if let Some(geo) = document.get("geoQ") {
                source = source.with_geo(GeoQuery::from_json(geo, &context)?);
            }
            Ok::<_, Error>(source)
        };
        let mut queries = Vec::new();
        for (ids, pattern, types) in inner.selected() {
            let attributes = inner.watched().to_vec();
            let window = window.clone();
            let mut query = RegistrationQuery { types, ids, pattern, attributes, source: source()?, window };
            query.ask_about(q.clone());
            queries.push(query);
        }
        inner.document = document;
        Ok(Self { inner, interval, queries })
    }

    /// Which parts of a registration's information it is about; none when the registration does not match.
    pub(crate) fn matching(&self, registration: &Registration) -> Vec<usize> {
        let mut parts: Vec<usize> =
            self.queries.iter().flat_map(|query| query.matching(registration)).collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }
}

fn window(json: &Json) -> Result<Window, Error> {
    let text = |member: &str| json.get(member).and_then(Json::as_str);
    let window =
        Window::parse(text("timerel"), text("timeAt"), text("endTimeAt"), text("timeproperty"), None)?;
    match window.span {
        Some(_) => Ok(window),
        None => Err(Error::bad("temporalQ needs timerel and timeAt")),
    }
}

/// NGSI-LD 5.3.2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContextSourceNotification<'a> {
    id: String,
    r#type: &'static str,
    subscription_id: &'a str,
    notified_at: Timestamp,
    trigger_reason: Reason,
    data: &'a [Json],
    #[serde(rename = "@context", skip_serializing_if = "Option::is_none")]
    context: Option<Json>,
}

/// The message that tells of registrations, which are in the terms of the subscription already.
pub(crate) fn csource_message(
    subscription: &CsourceSubscription,
    data: &[Json],
    reason: Reason,
    now: Timestamp,
) -> Result<Message, DeliveryError> {
    let context = &*subscription.inner.context;
    let with_context = subscription.inner.delivery.accept == Accept::LdJson;
    let notification = ContextSourceNotification {
        id: format!("urn:ngsi-ld:ContextSourceNotification:{}", Uuid::new_v4()),
        r#type: "ContextSourceNotification",
        subscription_id: &subscription.inner.id,
        notified_at: now,
        trigger_reason: reason,
        data,
        context: with_context.then(|| context.shown()),
    };
    carried(&subscription.inner, &notification)
}
