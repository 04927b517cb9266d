use std::{borrow::Cow, sync::Arc};

use http::{HeaderMap, HeaderValue, header};
use morgana_engine::{DeliveryError, Message};
use serde::Serialize;
use uuid::Uuid;

use super::{definition::Subscription, delivery::Accept, event::Event};
use crate::{
    ChangeKind,
    model::{
        Entity, Feature, FeatureCollection, Find, Joining, Json, Name, Rendered, Timestamp, View, joined,
    },
};

/// A notification (NGSI-LD 5.3.1).
#[derive(Serialize)]
struct Notification<'a, D> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "subscriptionId")]
    subscription_id: &'a str,
    #[serde(rename = "notifiedAt")]
    notified_at: Timestamp,
    data: D,
    #[serde(rename = "@context", skip_serializing_if = "Option::is_none")]
    context: Option<Json>,
}

/// What a notification tells of.
pub(crate) enum Told<'a> {
    /// A change of one entity.
    Change(&'a Event),
    /// The entities there are, when their time has come (timeInterval).
    All(&'a [Arc<Entity>]),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Entities(Vec<Rendered<'a>>),
    Joined(Vec<Json>),
}

/// The message that tells a subscriber. `find` gives linked entities.
pub(crate) fn message(
    subscription: &Subscription,
    told: &Told<'_>,
    now: Timestamp,
    find: &Find<'_>,
) -> Result<Message, DeliveryError> {
    let context = &*subscription.notify_context;
    // Of what is there no more, its end is told whether or not other system attributes are (NGSI-LD 5.8.6).
    let deleted_at = match told {
        Told::Change(event) if event.kind == ChangeKind::Deleted => Some(event.at),
        _ => None,
    };
    let view = match deleted_at {
        None => Cow::Borrowed(&subscription.params.view),
        Some(_) => Cow::Owned(View { deleted_at, ..subscription.params.view.clone() }),
    };
    let view = &*view;
    // Each entity is JSON-LD on its own, as the notification is.
    let is_ld = subscription.delivery.accept == Accept::LdJson;
    let render = |entity| Rendered { entity, context, view, with_context: is_ld };
    let shown = match told {
        Told::Change(event) => vec![event.shown(subscription)],
        Told::All(entities) => entities.iter().map(|entity| Cow::Borrowed(&**entity)).collect(),
    };
    let with_context = subscription.delivery.accept != Accept::Json;
    let frame = |data| Notification {
        id: format!("urn:ngsi-ld:Notification:{}", Uuid::new_v4()),
        kind: "Notification",
        subscription_id: &subscription.id,
        notified_at: now,
        data,
        context: with_context.then(|| context.shown()),
    };
    let bytes = if subscription.delivery.accept == Accept::GeoJson {
        let geometry = Name::new(LOCATION);
        let feature = |entity| Feature { entity, context, view, geometry: &geometry, with_context: false };
        let features: Vec<_> = shown.iter().map(|entity| feature(&**entity)).collect();
        let data = FeatureCollection { features: &features, context, with_context: false };
        write(subscription, &frame_of(frame(()), data))
    } else {
        let data = match &subscription.params.join {
            Some((join, levels)) if deleted_at.is_none() => {
                let entities: Vec<Arc<Entity>> =
                    shown.iter().map(|entity| Arc::new(Entity::clone(entity))).collect();
                let joining = Joining { join: *join, levels: *levels, known: Vec::new() };
                let joined = joined(&entities, context, view, &joining, find);
                Data::Joined(joined.into_iter().map(|one| one.shown).collect())
            }
            _ => Data::Entities(shown.iter().map(|entity| render(entity)).collect()),
        };
        write(subscription, &frame_of(frame(()), data))
    };
    bytes.map(|body| posted(subscription, body)).map_err(|error| DeliveryError::Message(error.to_string()))
}

/// The message that carries a notification of another kind, over whatever the subscription's endpoint speaks.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn carried(
    subscription: &Subscription,
    notification: &impl Serialize,
) -> Result<Message, DeliveryError> {
    let body = write(subscription, notification);
    body.map(|body| posted(subscription, body)).map_err(|error| DeliveryError::Message(error.to_string()))
}

fn posted(subscription: &Subscription, body: Vec<u8>) -> Message {
    let headers = if subscription.delivery.is_mqtt() { HeaderMap::new() } else { headers(subscription) };
    Message { headers, body: body.into() }
}

/// The attribute whose value is the geometry of a feature (NGSI-LD 5.8.6).
const LOCATION: &str = "https://uri.etsi.org/ngsi-ld/location";

fn frame_of<D>(frame: Notification<'_, ()>, data: D) -> Notification<'_, D> {
    let Notification { id, kind, subscription_id, notified_at, context, data: () } = frame;
    Notification { id, kind, subscription_id, notified_at, data, context }
}

/// A message over MQTT carries what headers say over HTTP (NGSI-LD 7.2).
#[derive(Serialize)]
struct Wrapped<'a, T> {
    metadata: Json,
    body: &'a T,
}

fn write(subscription: &Subscription, notification: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    if !subscription.delivery.is_mqtt() {
        return serde_json::to_vec(notification);
    }
    let mut metadata: Vec<(Box<str>, Json)> =
        vec![("Content-Type".into(), content_type(subscription).into())];
    if subscription.delivery.accept == Accept::Json
        && let Some(url) = subscription.notify_context.link()
    {
        metadata.push(("Link".into(), (&*link_header(url)).into()));
    }
    for (key, value) in &subscription.delivery.receiver_info {
        metadata.retain(|(known, _)| known != key);
        metadata.push((key.clone(), (&**value).into()));
    }
    serde_json::to_vec(&Wrapped { metadata: Json::Object(metadata.into()), body: notification })
}

fn content_type(subscription: &Subscription) -> &'static str {
    match subscription.delivery.accept {
        Accept::Json => "application/json",
        Accept::LdJson => "application/ld+json",
        Accept::GeoJson => "application/geo+json",
    }
}

fn headers(subscription: &Subscription) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(subscription)));
    if subscription.delivery.accept == Accept::Json
        && let Some(url) = subscription.notify_context.link()
        && let Ok(link) = HeaderValue::try_from(link_header(url))
    {
        headers.insert(header::LINK, link);
    }
    headers
}

/// The Link header that names a context (NGSI-LD 6.3.5).
pub(crate) fn link_header(url: &str) -> String {
    format!("<{url}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"")
}
