use http::{HeaderMap, HeaderValue, header};
use morgana_engine::{DeliveryError, Message};
use serde::Serialize;
use uuid::Uuid;

use super::definition::{Accept, Subscription};
use crate::{
    ChangeKind,
    model::{Entity, Json, Projection, Rendered, Timestamp, View},
};

/// A notification (NGSI-LD 5.3.1).
#[derive(Serialize)]
struct Notification<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "subscriptionId")]
    subscription_id: &'a str,
    #[serde(rename = "notifiedAt")]
    notified_at: Timestamp,
    data: [Data<'a>; 1],
    #[serde(rename = "@context", skip_serializing_if = "Option::is_none")]
    context: Option<Json>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Entity(Rendered<'a>),
    Deleted {
        #[serde(flatten)]
        entity: Rendered<'a>,
        #[serde(rename = "deletedAt")]
        deleted_at: Timestamp,
    },
}

/// The message that tells a subscriber of one entity.
pub(crate) fn message(
    subscription: &Subscription,
    entity: &Entity,
    kind: ChangeKind,
    now: Timestamp,
) -> Result<Message, DeliveryError> {
    let context = &*subscription.context;
    // Of a deleted entity only its id and type are left.
    let bare = View {
        projection: Projection { attributes: Some(Vec::new()), ..Projection::default() },
        ..View::default()
    };
    let data = match kind {
        ChangeKind::Deleted => Data::Deleted {
            entity: Rendered { entity, context, view: &bare, with_context: false },
            deleted_at: now,
        },
        _ => Data::Entity(Rendered { entity, context, view: &subscription.view, with_context: false }),
    };
    let with_context = subscription.accept == Accept::LdJson;
    let notification = Notification {
        id: format!("urn:ngsi-ld:Notification:{}", Uuid::new_v4()),
        kind: "Notification",
        subscription_id: &subscription.id,
        notified_at: now,
        data: [data],
        context: with_context.then(|| context.shown()),
    };
    let body =
        serde_json::to_vec(&notification).map_err(|error| DeliveryError::Message(error.to_string()))?;
    let mut headers = HeaderMap::new();
    let content_type = if with_context { "application/ld+json" } else { "application/json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if !with_context
        && let Some(link) = context.link().and_then(|url| HeaderValue::try_from(link_header(url)).ok())
    {
        headers.insert(header::LINK, link);
    }
    Ok(Message { headers, body: body.into() })
}

/// The Link header that names a context (NGSI-LD 6.3.5).
pub(crate) fn link_header(url: &str) -> String {
    format!("<{url}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"")
}
